"""Whatever a server sends ends in the right reply or in a typed error, within bounded time and memory.

The cases are generated (`tests.wire.damage`), each with what an ideal reader makes of it. One server plays all of them.
"""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from garra.errors import ModelError
from garra.wire.chat import ChatCompletions, ChatRequest, Endpoint
from garra.wire.events import Reply
from garra.wire.http import Http
from garra.wire.messages import User
from tests.wire.damage.case import Broken, Case, Right
from tests.wire.damage.cuts import cut_streams
from tests.wire.damage.framing import framings
from tests.wire.damage.http import http_faults
from tests.wire.damage.large import large_answers
from tests.wire.damage.late import late_errors, refusals
from tests.wire.damage.mixed import mixed_calls
from tests.wire.damage.server import DamagedServer
from tests.wire.damage.types import wrong_types

pytestmark = pytest.mark.anyio

KEY = "sk-a-key-that-stays-here"
SMALL = [
    case
    for family in (cut_streams, wrong_types, mixed_calls, late_errors, refusals, http_faults, framings)
    for case in family()
]
LARGE = list(large_answers())
LIMIT_S = 60.0
KEPT_LIMIT_BYTES = 48 * 1024 * 1024


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[DamagedServer]:
    async with DamagedServer([*SMALL, *LARGE]) as served:
        yield served


async def asked(server: DamagedServer, number: int) -> tuple[Reply, ModelError | None]:
    """One request to a case, and how it ended. Any other exception than a typed error fails the test."""
    case = server.cases[number]
    endpoint = Endpoint(server.base_url(number), KEY, timeouts=case.timeouts)
    reply = Reply()
    try:
        async with asyncio.timeout(LIMIT_S), Http({}) as http:
            stream = ChatCompletions(http, endpoint).stream(ChatRequest("m", (User("hi"),)))
            async with aclosing(stream) as events:
                async for event in events:
                    assert reply.finish_reason is None, "nothing comes after Finish"
                    reply.add(event)
    except ModelError as error:
        return reply, error
    return reply, None


def check(case: Case, reply: Reply, error: ModelError | None) -> None:
    """Compare with what the generator of the case wrote down."""
    expected = case.expected
    if isinstance(expected, Broken):
        assert type(error) is expected.kind, f"{case}: {error!r}, {reply.message()}"
        assert reply.text.startswith(expected.text), f"{case}: {reply.text[:200]!r}"
        assert KEY not in str(error)
        assert len(str(error)) < 4000
        assert str(error).isprintable() or "\n" in str(error)
        return
    assert error is None, f"{case}: {error!r}"
    assert seen(reply) == expected, f"{case}"
    assert all(call.id for call in reply.calls)


def seen(reply: Reply) -> Right:
    message, usage = reply.message(), reply.usage
    calls = tuple((call.name, call.arguments) for call in message.calls)
    tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else None
    return Right(message.text, calls, message.reasoning, reply.finish_reason or "", tokens)


def test_there_are_more_than_five_hundred_cases_and_no_two_are_the_same() -> None:
    names = [case.name for case in SMALL]

    assert len(names) > 500
    assert len({(case.name, b"".join(case.pieces())) for case in SMALL}) == len(names)


@pytest.mark.parametrize("number", range(len(SMALL)), ids=[case.name for case in SMALL])
async def test_a_damaged_answer_gives_the_right_reply_or_a_typed_error(number: int, server: DamagedServer) -> None:
    reply, error = await asked(server, number)

    check(SMALL[number], reply, error)
    assert server.asked[f"/{number}/v1/chat/completions"] == 1, "no retry and no redirect"


@pytest.mark.parametrize("number", range(len(LARGE)), ids=[case.name for case in LARGE])
async def test_an_answer_of_many_megabytes_is_read_in_bounded_memory(number: int, server: DamagedServer) -> None:
    tracemalloc.start()
    try:
        reply, error = await asked(server, len(SMALL) + number)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    check(LARGE[number], reply, error)
    assert most < KEPT_LIMIT_BYTES
