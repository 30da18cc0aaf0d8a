"""Clients that do not read: they hold up nobody, fill no memory, and are not kept for ever."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from garra.serve.api.generation import merged
from garra.serve.api.protocol import BoundedHeaders
from tests.serve.api.doubles import PlayedEngine, app_over, endless
from tests.serve.api.listening import listening, post

pytestmark = pytest.mark.anyio


class Impatient(BoundedHeaders):
    reading_s = 0.3


async def test_a_client_that_stops_reading_loses_its_connection_and_its_place() -> None:
    engine = PlayedEngine(endless, window=10**6)
    asked = {"prompt": "Hi", "stream": True, "max_tokens": 300_000, "return_token_ids": True}

    async with listening(app_over(engine), Impatient) as port:
        reader, writer = await post(port, "/v1/completions", asked)
        await reader.readuntil(b"data: ")
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(30):
            while engine.running:
                await asyncio.sleep(0.02)
        writer.transport.abort()


async def test_several_replies_to_one_slow_reader_wait_for_it() -> None:
    made = [0, 0]

    async def counting(place: int) -> AsyncGenerator[int, None]:
        while True:
            made[place] += 1
            yield made[place]
            await asyncio.sleep(0)

    async with aclosing(merged([counting(0), counting(1)])) as both:
        await anext(both)
        for _ in range(1_000):
            await asyncio.sleep(0)

    assert max(made) < 10


async def test_several_replies_are_all_handed_over_in_their_order() -> None:
    async def counting(count: int) -> AsyncGenerator[int, None]:
        for number in range(count):
            await asyncio.sleep(0)
            yield number

    seen: dict[int, list[int]] = {0: [], 1: [], 2: []}
    async with aclosing(merged([counting(50), counting(0), counting(7)])) as all_:
        async for place, number in all_:
            seen[place].append(number)

    assert seen == {0: list(range(50)), 1: [], 2: list(range(7))}


async def test_the_first_error_ends_all_replies() -> None:
    closed = asyncio.Event()

    async def failing() -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("no more")

    async def endless_one() -> AsyncGenerator[int, None]:
        try:
            while True:
                yield 0
                await asyncio.sleep(0)
        finally:
            closed.set()

    async def read_all() -> None:
        async with aclosing(merged([endless_one(), failing()])) as both:
            async for _ in both:
                pass

    with pytest.raises(ValueError, match="no more"):
        await read_all()
    assert closed.is_set()
