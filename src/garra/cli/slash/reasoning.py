"""`/reasoning`."""

from typing import TYPE_CHECKING

from garra.cli.show_reasoning import MODES, shown_reasoning
from garra.errors import UsageFault
from garra.sessions.entries import NewEntry, Setting
from garra.sessions.keys import agent_of

if TYPE_CHECKING:
    from garra.cli.chat import Chat


async def run(chat: "Chat", argument: str) -> None:
    """Show the model's thinking or hide it, in this conversation."""
    word = argument.lower()
    if word and word not in (*MODES, "default"):
        raise UsageFault(f"/reasoning takes one of {', '.join(MODES)} or default, not {argument!r}; nothing was done.")
    if word:
        value = "" if word == "default" else word
        await chat.room.store.append(chat.key, NewEntry(Setting("reasoning", value)))
    settings = await chat.room.store.settings(chat.key)
    mode = shown_reasoning(chat.room.app.configuration, agent_of(chat.key), settings)
    chat.say(f"Reasoning: {mode} ({MODES[mode]})")
