"""One reply while it arrives: the engine's token ids become pieces of text, up to the stop that was asked for.

A reply ends here when a stop string is complete, and then the engine is stopped; everything else that ends it is the
engine's word. Closing or cancelling any of these generators frees the engine's place.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

import msgspec
from msgspec import Struct

from garra.errors import ServeError
from garra.serve.api.requests import Generation
from garra.serve.api.state import Served
from garra.serve.engines.base import Sampling, TokenChunk, TokenRequest
from garra.serve.text.detokenizer import detokenizer
from garra.serve.text.stops import StopScanner

T = TypeVar("T")


class Piece(Struct, frozen=True):
    """What one step added to a reply. `finish` and `stop_reason` come with the last piece."""

    text: str
    ids: list[int]
    logprobs: list[float] | None = None
    finish: str | None = None
    stop_reason: int | str | None = None
    cached_tokens: int | None = None


class Reply:
    """One reply's state between the engine and the wire."""

    def __init__(self, request: Generation, sampling: Sampling, served: Served) -> None:
        self._detokenizer = detokenizer(served.tokenizer, skip_special_tokens=request.skip_special_tokens)
        self._scanner = StopScanner(request.stops, include=request.include_stop_str_in_output)
        self._sampling = sampling
        self._shows_stop_token = request.include_stop_str_in_output
        self._eos = frozenset(served.engine.info.eos_token_ids)
        self._count = 0

    def feed(self, chunk: TokenChunk) -> Piece:
        """The piece that a chunk makes. After one with a `finish` nothing more may be fed."""
        text: list[str] = []
        last = len(chunk.ids) - 1
        stopped_by = self._stop_token(chunk)
        for place, token_id in enumerate(chunk.ids):
            self._count += 1
            hidden = place == last and stopped_by is not None and not self._shows_stop_token
            new = "" if hidden else self._detokenizer.feed(token_id)
            text.append(self._scanner.feed(new, armed=self._count > self._sampling.min_tokens))
            if self._scanner.hit is not None:
                return self._cut(chunk, place + 1, "".join(text))
        if chunk.finish is not None:
            text.append(self._scanner.flush())
        reason = stopped_by if stopped_by in self._sampling.stop_token_ids and stopped_by not in self._eos else None
        return Piece("".join(text), chunk.ids, chunk.logprobs, chunk.finish, reason, chunk.cached_tokens)

    def _cut(self, chunk: TokenChunk, count: int, text: str) -> Piece:
        logprobs = chunk.logprobs[:count] if chunk.logprobs else None
        return Piece(text, chunk.ids[:count], logprobs, "stop", self._scanner.hit, chunk.cached_tokens)

    def _stop_token(self, chunk: TokenChunk) -> int | None:
        """The token that ended the reply, when a token did."""
        if chunk.finish != "stop" or not chunk.ids:
            return None
        final = chunk.ids[-1]
        return final if final in self._eos or final in self._sampling.stop_token_ids else None


async def pieces(
    prompt: Sequence[int], request: Generation, sampling: Sampling, served: Served
) -> AsyncGenerator[Piece, None]:
    """One reply, piece by piece."""
    reply = Reply(request, sampling, served)
    async with aclosing(served.engine.generate(TokenRequest(list(prompt), sampling))) as chunks:
        async for chunk in chunks:
            if chunk.finish == "abort":
                raise ServeError("The engine gave the request up.")
            piece = reply.feed(chunk)
            yield piece
            if piece.finish is not None:
                return
    raise ServeError("The engine ended a reply without a word.")


async def replies(
    prompt: Sequence[int], request: Generation, sampling: Sampling, served: Served
) -> AsyncGenerator[tuple[int, Piece], None]:
    """All `n` replies to one prompt, their pieces as they come, each with the reply's number."""
    count = request.n or 1
    if count == 1:
        async with aclosing(pieces(prompt, request, sampling, served)) as only:
            async for piece in only:
                yield 0, piece
        return
    runs = [pieces(prompt, request, _numbered(sampling, number), served) for number in range(count)]
    async with aclosing(merged(runs)) as both:
        async for item in both:
            yield item


def _numbered(sampling: Sampling, number: int) -> Sampling:
    """Replies to one prompt differ: each has a seed of its own."""
    if sampling.seed is None:
        return sampling
    return msgspec.structs.replace(sampling, seed=(sampling.seed + number) & (2**63 - 1))


async def merged(runs: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[tuple[int, T], None]:
    """What several generators yield as it comes, each with its number. The first error of one ends them all."""
    # Bounded, so that who reads slowly lets things pile up in one place only: where they are put together.
    queue: asyncio.Queue[tuple[int, T | None]] = asyncio.Queue(len(runs))
    leaving = asyncio.Event()

    async def play(number: int, run: AsyncGenerator[T, None]) -> None:
        try:
            async with aclosing(run):
                async for piece in run:
                    await queue.put((number, piece))
        finally:
            if not leaving.is_set():
                await queue.put((number, None))

    tasks = [asyncio.create_task(play(number, run)) for number, run in enumerate(runs)]
    try:
        left = len(tasks)
        while left:
            number, piece = await queue.get()
            if piece is not None:
                yield number, piece
                continue
            await tasks[number]
            left -= 1
    finally:
        leaving.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
