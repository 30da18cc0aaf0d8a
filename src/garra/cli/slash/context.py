"""`/context`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from garra.cli.chat import Chat


async def run(chat: "Chat", argument: str) -> None:
    """Show where the tokens of this conversation go."""
    from garra.agent.context import context_report
    from garra.cli.show_context import drawn

    turn = await chat.make_turn()
    able = await chat.room.models.capabilities(turn.chosen)
    for line in drawn(await context_report(turn, await chat.room.store.entries(chat.key), able)):
        chat.say(line)
