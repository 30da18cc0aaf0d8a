"""`/help`."""

from typing import TYPE_CHECKING

from garra.cli.slash.table import COMMANDS

if TYPE_CHECKING:
    from garra.cli.chat import Chat


async def run(chat: "Chat", argument: str) -> None:
    """List the commands."""
    for name, command in COMMANDS.items():
        chat.say(f"{name:<11} {command.summary}")
