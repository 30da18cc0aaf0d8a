"""Warming: the session's prompt is sent once before anybody speaks, so that the server's cache holds it.

The reply is one token and is thrown away; nothing is stored. What goes wrong is left to the first real message, which
says it better.
"""

from contextlib import aclosing

import msgspec

from garra.agent.candidates import Candidates
from garra.agent.sending import messages_of
from garra.agent.turn import Turn, make_prefix, stored_prefix
from garra.errors import GarraError
from garra.sessions.entries import Entry
from garra.wire.chat import ChatCompletions
from garra.wire.messages import User
from garra.wire.request import ChatRequest

GREETING = User("Hello.")
"""Templates want a message of the person's."""


async def warm(turn: Turn, entries: tuple[Entry, ...]) -> bool:
    """Send what the next request will begin with; whether the server took it."""
    turn = msgspec.structs.replace(turn, chosen=Candidates(turn, entries).chosen)
    try:
        able = await turn.models.capabilities(turn.chosen)
        prefix = stored_prefix(entries, able) or make_prefix(turn, able)[0]
        messages = (*messages_of(prefix, entries), GREETING)
        request = ChatRequest(turn.chosen.ref.id, messages, tools=prefix.tools, max_tokens=1, params=turn.chosen.params)
        async with aclosing(ChatCompletions(turn.http, turn.chosen.endpoint).stream(request)) as events:
            async for _ in events:
                pass
    except GarraError:
        return False
    return True
