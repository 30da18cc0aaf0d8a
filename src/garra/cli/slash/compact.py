"""`/compact`."""

from contextlib import aclosing
from typing import TYPE_CHECKING

from garra.agent.events import Notice

if TYPE_CHECKING:
    from garra.cli.chat import Chat


async def run(chat: "Chat", argument: str) -> None:
    """Put a summary in the place of the older turns; what the person adds says what must be in it."""
    from garra.agent.compaction import compact_session

    async with aclosing(compact_session(await chat.make_turn(), argument)) as events:
        async for event in events:
            if isinstance(event, Notice):
                chat.say(event.text)
