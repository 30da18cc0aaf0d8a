"""`/new`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from garra.cli.chat import Chat


async def run(chat: "Chat", argument: str) -> None:
    """Start a new conversation under the same key."""
    await chat.room.store.reset(chat.key)
    chat.say("A new conversation. The old one is kept: garra sessions search TEXT finds it.")
