"""`/stop`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from garra.cli.chat import Chat


async def run(chat: "Chat", argument: str) -> None:
    """End the background jobs."""
    await chat.stop_jobs()
    chat.say("Background jobs of this conversation are stopped; no reply is running.")
