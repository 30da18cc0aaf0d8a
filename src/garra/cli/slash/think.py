"""`/think`."""

from typing import TYPE_CHECKING

from garra.models.thinking import (
    kept_by_params,
    label,
    level_named,
    levels_of,
    nothing_known,
    sends_nothing,
    with_thinking,
)
from garra.sessions.entries import NewEntry, Setting, setting

if TYPE_CHECKING:
    from garra.cli.chat import Chat
    from garra.models.catalogue import Chosen

_BACK = ("default", "inherit", "reset")


async def run(chat: "Chat", argument: str) -> None:
    """Show how much the model thinks and what it offers, or set it for this conversation."""
    chosen = await chat.choose()
    if argument:
        level = "" if argument.lower() in _BACK else level_named(chosen, argument)
        await chat.room.store.append(chat.key, NewEntry(Setting("thinking", level)))
        chat.say(f"From here on: {_in_words(with_thinking(chosen, level or None), level)}")
    else:
        wish = setting(await chat.room.store.settings(chat.key), "thinking")
        for line in _state(with_thinking(chosen, wish or None), wish):
            chat.say(line)


def _state(chosen: "Chosen", wish: str) -> list[str]:
    if not levels_of(chosen):
        return [nothing_known(chosen)]
    offered = ", ".join(label(chosen, level) for level in levels_of(chosen))
    change = "Change it with: /think LEVEL; /think default goes back."
    return [f"Thinking: {_in_words(chosen, wish)}", f"{chosen.ref} offers: {offered}. {change}"]


def _in_words(chosen: "Chosen", wish: str) -> str:
    """The level that is sent, where it comes from, and what keeps it from counting."""
    level = chosen.thinking.level
    words = label(chosen, level) if level else "as the server has it"
    if level and sends_nothing(chosen):
        words += ", which sends nothing, so the server's own default holds"
    if not wish:
        words += " (the default)"
    if kept := kept_by_params(chosen):
        words += f", but params in the configuration keep {', '.join(kept)} as it is"
    return words
