"""`/model`."""

from typing import TYPE_CHECKING

from garra.cli.models_command import doubt
from garra.cli.show import window_in_words
from garra.errors import GarraError

if TYPE_CHECKING:
    from garra.cli.chat import Chat


async def run(chat: "Chat", argument: str) -> None:
    """Show the models, or switch to one for this conversation."""
    if argument.lower() == "default":
        await chat.choose_for_good("")
        chosen = await chat.choose()
        chat.say(f"From here on the configured model: {chosen.ref}{window_in_words(chosen.window)}")
        return
    if argument:
        chosen = await chat.choose(argument)
        name = f"{chosen.ref}@{chosen.profile}" if chosen.profile else str(chosen.ref)
        await chat.choose_for_good(name)
        chat.say(f"From here on in this conversation: {name}{window_in_words(chosen.window)}")
        if not chosen.profile:  # the list would be asked for with another key
            view = await chat.room.models.view(chosen.ref.provider, refresh=True)
            if against := doubt(str(chosen.ref), view):
                chat.say(f"warning: {against}")
        return
    current = await _current(chat)
    for provider in chat.room.models.providers():
        view = await chat.room.models.view(provider)
        for entry in view.entries:
            chat.say(f"{'*' if str(entry.ref) == current else ' '} {entry.ref}{window_in_words(entry.window)}")
        if view.error:
            chat.say(f"  {view.error}")
    chat.say("Switch with: /model provider/id; /model default goes back to the configured one")


async def _current(chat: "Chat") -> str | None:
    try:
        return str((await chat.choose()).ref)
    except GarraError:
        return None
