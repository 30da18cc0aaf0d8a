"""The slash commands of the terminal chat: what they are called, and where each is done.

One module a command, imported when it is called. Each has `async def run(chat, argument)`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

import msgspec

from garra.errors import UsageFault

if TYPE_CHECKING:
    from garra.cli.chat import Chat


class Slash(msgspec.Struct, frozen=True):
    """One command. `module` is its file beside this one; `takes` says what may stand after it, if anything."""

    summary: str
    module: str
    takes: str = ""
    also: tuple[str, ...] = ()


COMMANDS = {
    "/help": Slash("list the commands", "help"),
    "/new": Slash("start a new conversation; the old one is kept", "new", also=("/reset",)),
    "/model": Slash("show the models, or switch: /model provider/id", "model", "REF", ("/models",)),
    "/think": Slash("show how much the model thinks, or set it: /think LEVEL", "think", "LEVEL", ("/t", "/thinking")),
    "/reasoning": Slash("show the model's thinking: off, on (after the reply), stream", "reasoning", "MODE"),
    "/status": Slash("model, window, and how full this conversation is", "status"),
    "/context": Slash("where the tokens of this conversation go", "context"),
    "/compact": Slash("summarise the older part: /compact [what to keep]", "compact", "WHAT TO KEEP"),
    "/stop": Slash("stop the background jobs (Ctrl-C stops a reply)", "stop"),
    "/sessions": Slash("list the conversations, or go to one: /sessions NAME", "sessions", "NAME"),
    "/exit": Slash("leave", "exit", also=("/quit",)),
}


def is_slash(line: str) -> bool:
    """Whether a line is a command. A path at its beginning (`/etc/hosts is odd`) makes it a message."""
    return line.startswith("/") and "/" not in line.split(maxsplit=1)[0][1:]


async def run_slash(chat: "Chat", line: str) -> bool:
    """Run one command; whether the conversation goes on."""
    typed, *rest = line.split(maxsplit=1)
    name, argument = _canonical(typed.lower()), rest[0].strip() if rest else ""
    if name not in COMMANDS:
        raise UsageFault(f"There is no command {name}. {nearest(name)}/help lists them.")
    if argument and not COMMANDS[name].takes:
        raise UsageFault(f"{name} takes nothing after it; nothing was done.")
    if name == "/exit":
        return False
    await import_module(f"garra.cli.slash.{COMMANDS[name].module}").run(chat, argument)
    return True


def _canonical(name: str) -> str:
    """The name that a command is listed under, for one of its other names."""
    return next((known for known, command in COMMANDS.items() if name in command.also), name)


def nearest(name: str) -> str:
    """A hint at the command that was probably meant, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(name, COMMANDS, 1)
    return f"Did you mean {close[0]}? " if close else ""
