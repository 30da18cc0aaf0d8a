import asyncio
from typing import Any

import pytest

from tests.serve.api.doubles import PlayedEngine, app_over, endless, saying
from tests.serve.api.listening import listening, post

pytestmark = pytest.mark.anyio

ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8_000, "ignore_eos": True}


async def until(done: Any, limit_s: float = 20.0) -> None:
    async with asyncio.timeout(limit_s):
        while not done():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("replies", [1, 3])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_goes_away_frees_its_places_in_the_engine(path: str, stream: bool, replies: int) -> None:
    engine = PlayedEngine(endless, gap_s=0.02)
    asked = {**ASKED, "prompt": "Hi", "stream": stream, "n": replies, "temperature": 1}

    async with listening(app_over(engine)) as port:
        reader, writer = await post(port, path, asked)
        if stream:
            await reader.readuntil(b"data: ")
        await until(lambda: engine.running == replies)
        writer.close()
        await until(lambda: engine.running == 0)


async def test_one_client_that_goes_away_leaves_the_others_alone() -> None:
    engine = PlayedEngine(saying("one two three four five six seven eight"), gap_s=0.02)
    asked = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}

    async with listening(app_over(engine)) as port:
        _, leaving = await post(port, "/v1/chat/completions", asked)
        reader, staying = await post(port, "/v1/chat/completions", asked)
        await until(lambda: engine.running == 2)
        leaving.close()
        stream = await reader.readuntil(b"[DONE]")
        staying.close()

    assert b'" eight"' in stream


async def test_every_frame_is_sent_as_soon_as_there_is_one() -> None:
    gate = asyncio.Event()

    class Gated(PlayedEngine):
        async def _chunks(self, request: Any) -> Any:
            async for chunk in super()._chunks(request):
                yield chunk
                await gate.wait()

    async with listening(app_over(Gated(saying("first second")))) as port:
        asked = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
        reader, writer = await post(port, "/v1/chat/completions", asked)
        async with asyncio.timeout(20):
            await reader.readuntil(b'"first"')  # while the engine stands still
        gate.set()
        await reader.readuntil(b"[DONE]")
        writer.close()


async def test_nothing_is_left_of_a_client_that_goes_away_in_the_middle_of_its_body() -> None:
    engine = PlayedEngine(saying("never"))

    async with listening(app_over(engine)) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /tokenize HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"
        )
        await writer.drain()
        writer.close()
        _, again = await post(port, "/tokenize", {"prompt": "a"})
        again.close()

    assert engine.requests == []
