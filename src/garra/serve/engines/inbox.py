"""What has come for one reader and was not fetched yet.

The engine does not wait for readers. What comes while a reader is slow is put together, so that it is one chunk, and
its size the size of the tokens, however slow the reader.
"""

import asyncio

from garra.errors import GarraError
from garra.serve.engines.base import Finish, TokenChunk


class Inbox:
    """One writer that never waits, one reader that does. Nothing may come after a finish or an error."""

    def __init__(self) -> None:
        self._there = asyncio.Event()
        self._ids: list[int] = []
        self._logprobs: list[float] | None = None
        self._finish: Finish | None = None
        self._cached_tokens: int | None = None
        self._has_chunk = False
        self._error: GarraError | None = None

    def put(self, chunk: TokenChunk) -> None:
        """Add to what stands there."""
        self._ids += chunk.ids
        if chunk.logprobs is not None:
            self._logprobs = self._logprobs or []
            self._logprobs += chunk.logprobs
        self._finish = chunk.finish
        if chunk.cached_tokens is not None:
            self._cached_tokens = chunk.cached_tokens
        self._has_chunk = True
        self._there.set()

    def fail(self, error: GarraError) -> None:
        """The last word; what came before is still handed out."""
        self._error = error
        self._there.set()

    async def get(self) -> TokenChunk:
        """All that has come, as one chunk. Raises the error once nothing else is left."""
        await self._there.wait()
        if not self._has_chunk:
            assert self._error is not None
            raise self._error
        chunk = TokenChunk(self._ids, self._logprobs, self._finish, self._cached_tokens)
        self._ids, self._logprobs, self._cached_tokens, self._has_chunk = [], None, None, False
        if self._error is None:
            self._there.clear()
        return chunk
