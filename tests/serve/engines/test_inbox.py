"""What comes for a slow reader is put together, and nothing of it is lost."""

import pytest

from garra.errors import ServeError
from garra.serve.engines.base import TokenChunk
from garra.serve.engines.inbox import Inbox

pytestmark = pytest.mark.anyio


async def test_what_came_while_nobody_read_is_one_chunk() -> None:
    inbox = Inbox()
    inbox.put(TokenChunk([1], [-0.1], None, 32))
    inbox.put(TokenChunk([2, 3], [-0.2, -0.3]))
    inbox.put(TokenChunk([4], [-0.4], "stop"))

    assert await inbox.get() == TokenChunk([1, 2, 3, 4], [-0.1, -0.2, -0.3, -0.4], "stop", 32)


async def test_a_reader_that_keeps_up_gets_each_by_itself() -> None:
    inbox = Inbox()
    inbox.put(TokenChunk([1], None, None, 0))
    assert await inbox.get() == TokenChunk([1], None, None, 0)
    inbox.put(TokenChunk([2], None, "length"))
    assert await inbox.get() == TokenChunk([2], None, "length")


async def test_an_error_comes_after_what_came_before_it() -> None:
    inbox = Inbox()
    inbox.put(TokenChunk([1]))
    inbox.fail(ServeError("it died"))

    assert (await inbox.get()).ids == [1]
    for _ in range(2):
        with pytest.raises(ServeError, match="it died"):
            await inbox.get()


async def test_an_end_without_tokens_is_a_chunk_too() -> None:
    inbox = Inbox()
    inbox.put(TokenChunk([], None, "stop"))

    assert (await inbox.get()).finish == "stop"
