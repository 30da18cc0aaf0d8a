"""`/model`."""

from typing import TYPE_CHECKING

from garra.cli.show import window_in_words
from garra.errors import GarraError

if TYPE_CHECKING:
    from garra.cli.chat import Chat


async def run(chat: "Chat", argument: str) -> None:
    """Show the models, or switch to one for this conversation."""
    if argument:
        chosen = await chat.choose(argument)
        chat.model = f"{chosen.ref}@{chosen.profile}" if chosen.profile else str(chosen.ref)
        chat.say(f"From here on: {chat.model}{window_in_words(chosen.window)}")
        return
    current = await _current(chat)
    for provider in chat.room.models.providers():
        view = await chat.room.models.view(provider)
        for entry in view.entries:
            chat.say(f"{'*' if str(entry.ref) == current else ' '} {entry.ref}{window_in_words(entry.window)}")
        if view.error:
            chat.say(f"  {view.error}")
    chat.say("Switch with: /model provider/id")


async def _current(chat: "Chat") -> str | None:
    try:
        return str((await chat.choose()).ref)
    except GarraError:
        return None
