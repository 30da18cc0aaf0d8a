"""Asking a server again and again for a call that it is held to, at high temperature, and judging every answer.

For the embedded server and the real vLLM alike: `faults` asks, and says what was wrong with each call that was wrong.
"""

import asyncio
from contextlib import aclosing

from garra.agent.calls.brief import TRIAL_TOKENS, short
from garra.agent.calls.described import constraint, description
from garra.agent.calls.reading import read_calls
from garra.agent.calls.repair import repaired
from garra.tools.base import Tool
from garra.tools.edit_tool import Edit
from garra.tools.exec_tool import Exec
from garra.tools.find_tools import FindTools
from garra.tools.jobs_tool import JobsTool
from garra.tools.read_tool import Read
from garra.tools.schema import Mismatch, fit, parse_arguments
from garra.tools.write_tool import Write
from garra.wire.chat import ChatCompletions
from garra.wire.events import Reply
from garra.wire.http import Http
from garra.wire.messages import System, ToolSpec, User
from garra.wire.request import ChatRequest, Endpoint

_OWN: tuple[Tool, ...] = (Read(), Write(), Edit(), Exec(), JobsTool(), FindTools([JobsTool().spec]))
OWN_TOOLS: tuple[ToolSpec, ...] = tuple(tool.spec for tool in _OWN)


def request(model: str, number: int, tools: tuple[ToolSpec, ...] = OWN_TOOLS) -> ChatRequest:
    """The request with this number: held to one tool, each in its turn, and every so often to any of them."""
    turn = number % (len(tools) + 1)
    wanted = tools[turn : turn + 1] or tools
    params = {"temperature": 1.0, "seed": number, **constraint(wanted, must_call=True)}
    messages = (System(description(tools)), User(f"Task {number}: call {' or '.join(spec.name for spec in wanted)}."))
    return ChatRequest(model, messages, max_tokens=TRIAL_TOKENS, params=params)


async def fault(http: Http, server: Endpoint, asked: ChatRequest, tools: tuple[ToolSpec, ...] = OWN_TOOLS) -> str:
    """What is wrong with the answer; empty where it is one call that parses and fits, to the letter.

    The call is mended first, as a turn mends every call: vLLM lets a bare tab into a string whose length is bound.
    """
    reply = Reply()
    stream = ChatCompletions(http, server).stream(asked)
    async with aclosing(read_calls(stream, tools)) as events:
        async for event in events:
            reply.add(event)
    if len(reply.calls) != 1 or reply.text:
        return f"{len(reply.calls)} calls beside {reply.text!r} ({reply.finish_reason})"
    [call] = reply.calls
    spec = next((spec for spec in tools if spec.name == call.name), None)
    if spec is None:
        return f"no tool {call.name!r}"
    try:
        given = parse_arguments(repaired(call, spec).arguments)
        taken = fit(given, short(spec.parameters))
    except Mismatch as wrong:
        return f"{wrong}: {call.arguments!r}"
    return "" if given == taken else f"only leniently: {call.arguments!r}"


async def faults(
    server: Endpoint, model: str, count: int = 100, *, at_once: int = 8, tools: tuple[ToolSpec, ...] = OWN_TOOLS
) -> list[str]:
    """Ask `count` times; what was wrong, one line for each answer that was not right."""
    places = asyncio.Semaphore(at_once)

    async def one(number: int) -> str:
        async with places:
            wrong = await fault(http, server, request(model, number, tools), tools)
            return f"request {number}: {wrong}" if wrong else ""

    async with Http() as http:
        found = await asyncio.gather(*map(one, range(count)))
    return [line for line in found if line]
