"""`/sessions`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from garra.cli.chat import Chat


async def run(chat: "Chat", argument: str) -> None:
    """List the conversations, or go to one."""
    from garra.sessions.keys import normalise_key

    if argument:
        await chat.go_to(normalise_key(argument))
        chat.say(f"Now in {chat.key}")
        return
    keys = [info.key for info in await chat.room.store.sessions()]
    if chat.key not in keys:
        chat.say(f"* {chat.key} (nothing said yet)")
    for key in keys:
        chat.say(f"{'*' if key == chat.key else ' '} {key}")
    chat.say("Go to one with: /sessions NAME")
