"""A reply that nobody sees while it comes: asked for in its place in line, once more where it failed by chance.

Nothing is stored, no tool is run, and no word is said to the person.
"""

import asyncio
from contextlib import aclosing

from garra.agent.turn import Turn
from garra.errors import ModelError, ServerSilent
from garra.models.catalogue import Chosen
from garra.models.retry import Retries
from garra.models.slots import cap_of, slot
from garra.wire.chat import ChatCompletions
from garra.wire.events import Reply
from garra.wire.inline_thinking import split_thinking
from garra.wire.request import ChatRequest


async def quiet_reply(turn: Turn, chosen: Chosen, request: ChatRequest, *, limit_s: float) -> Reply:
    """One reply. One that takes longer than it may is given as far as it had come, without a finish reason.

    Raises `ServerSilent` where no text had come by then, and what went wrong otherwise.
    """
    folder, endpoint = turn.state / "slots", chosen.endpoint
    able = await turn.models.capabilities(chosen) if chosen.ref == turn.chosen.ref else None
    cap = await cap_of(turn.http, endpoint, able, folder)
    async with slot(folder, endpoint.base_url, cap):
        try:
            return await _reply(turn, chosen, request, limit_s)
        except ModelError as error:
            wait_s = Retries(may_move_on=True).wait_s(error, endpoint)
            if wait_s is None:
                raise
    await asyncio.sleep(wait_s)  # others may have the place meanwhile
    async with slot(folder, endpoint.base_url, cap):
        return await _reply(turn, chosen, request, limit_s)


async def _reply(turn: Turn, chosen: Chosen, request: ChatRequest, limit_s: float) -> Reply:
    reply = Reply()
    stream = ChatCompletions(turn.http, chosen.endpoint).stream(request)
    thought = split_thinking(stream, opened=chosen.thinking.opens)
    try:
        async with asyncio.timeout(limit_s) as in_time, aclosing(thought) as events:
            async for event in events:
                reply.add(event)
    except TimeoutError:
        if not in_time.expired():
            raise
        if not reply.text.strip():
            raise ServerSilent(f"{chosen.ref} did not answer within {limit_s:g} s.") from None
    return reply
