"""A reply's body becomes events, whatever the server made of the request for a stream.

Reads server-sent events, and a whole JSON reply from a server that does not stream. Refuses web pages, pieces that are
no JSON, and a stream that ends before the reply does. What was read before a fault was given before it.

When a reply is complete: with a `finish_reason`, whatever comes or fails to come after it; or with `[DONE]` after
content, since a server that says so itself has not been cut off. An end without either is an error, never a short
answer.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

from garra.errors import ModelError, ServerSilent, StreamBroken
from garra.wire.body import decode
from garra.wire.chunks import ChunkReader
from garra.wire.events import CallDelta, Event, Finish, ReasoningDelta, TextDelta
from garra.wire.http import HttpResponse, StreamResponse
from garra.wire.request import Endpoint
from garra.wire.secrets import redact, secrets_of
from garra.wire.sse import BOM, SseReader
from garra.wire.status import error_of, read_body

REPLY_LIMIT_BYTES = 16 * 1024 * 1024
AFTER_FINISH_S = 10.0
"""How long the usage of a reply that is complete is waited for."""
STRETCH = 4
"""How many times the silence that is allowed may pass with comments, or pieces of a line, and no event."""
_QUOTE_CHARS = 120
_DONE = b"[DONE]"


class ReplyReader:
    """Reads one successful response."""

    def __init__(self, response: StreamResponse, endpoint: Endpoint, model: str) -> None:
        self._response, self._endpoint, self._model = response, endpoint, model
        self._chunks = ChunkReader()
        self._done = False
        self._event_by = response.first_by + (STRETCH - 1) * response.gap_s
        self._said_chars = 0

    async def events(self) -> AsyncGenerator[Event]:
        """The events of the reply; `Finish` last."""
        async with aclosing(self._response.chunks()) as pieces:
            first = await self._first_words(pieces)
            start = first.lstrip()[:1]
            if start == b"<" or "text/html" in self._response.headers.get("content-type", ""):
                raise self._page(first)
            source = self._whole(first, pieces) if start in (b"{", b"[") else self._streamed(first, pieces)
            async with aclosing(source) as events:
                async for event in events:
                    yield event
        yield Finish(self._reason())
        await self._response.settle()

    async def _first_words(self, pieces: AsyncIterator[bytes]) -> bytes:
        """The first bytes that are no white space and no mark of the encoding: they tell what answer this is."""
        begun = b""
        async for piece in pieces:
            self._keep_time(False)
            begun = (begun + piece).lstrip()
            if begun.startswith(BOM):
                begun = begun.removeprefix(BOM).lstrip()
            if begun and not BOM.startswith(begun):
                break
        return begun

    async def _streamed(self, first: bytes, pieces: AsyncIterator[bytes]) -> AsyncGenerator[Event]:
        reader = SseReader(self._response.url)
        piece, failure = first, None
        try:
            while piece and not self._done:
                heard = False
                for data in reader.feed(piece):
                    heard = True
                    for event in self._read(data):
                        yield event
                self._keep_time(heard)
                piece = b"" if self._done else await self._next(pieces)
        except ModelError as error:
            failure = error
        for event in self._rest(reader, failure):
            yield event
        if failure is not None and not self._chunks.finish:
            raise failure

    async def _next(self, pieces: AsyncIterator[bytes]) -> bytes:
        """The next bytes. Once the reply is complete only its usage may be missing, and is not waited for as long."""
        if not self._chunks.finish:
            return await anext(pieces, b"")
        try:
            async with asyncio.timeout(AFTER_FINISH_S):
                return await anext(pieces, b"")
        except TimeoutError:
            return b""

    def _keep_time(self, heard: bool) -> None:
        """A server that sends, but no event, is believed to be at work for longer, and not for ever."""
        now = asyncio.get_running_loop().time()
        if heard and self._chunks.finish:
            self._event_by = min(self._event_by, now + AFTER_FINISH_S)
        elif heard:
            self._event_by = now + STRETCH * self._response.gap_s
        if now >= self._event_by and not self._done:
            raise ServerSilent(
                f"{self._response.url} keeps the connection busy but says nothing: no event of a reply came for "
                f"{STRETCH} times the silence that is allowed. The model may be overloaded; look at the server's log, "
                "or allow more with timeoutSeconds."
            )

    def _rest(self, reader: SseReader, failure: ModelError | None) -> Iterator[Event]:
        """The last lines, when no more will come. After a failure they may be cut, and then say nothing."""
        try:
            for data in reader.finish():
                yield from self._read(data)
        except ModelError:
            if failure is None and not self._chunks.finish:
                raise

    def _read(self, data: bytes) -> Iterator[Event]:
        """The events of one server-sent event."""
        if self._done or not (words := data.strip()) or words == _DONE:
            self._done = self._done or bool(words)
            return
        for event in self._chunks.read(self._checked(data)):
            self._said_chars += _size(event)
            if self._said_chars > REPLY_LIMIT_BYTES:
                raise StreamBroken(
                    f"{self._response.url} sent a reply of more than {REPLY_LIMIT_BYTES} characters, and no end of it."
                )
            yield event

    async def _whole(self, first: bytes, pieces: AsyncIterator[bytes]) -> AsyncGenerator[Event]:
        body, size = [first], len(first)
        async for piece in pieces:
            self._keep_time(False)
            body.append(piece)
            size += len(piece)
            if size > REPLY_LIMIT_BYTES:
                raise StreamBroken(f"{self._response.url} answered with more than {REPLY_LIMIT_BYTES} bytes of JSON.")
        reply = self._checked(b"".join(body))
        if "choices" not in reply:
            raise StreamBroken(f"{self._response.url} answered with JSON that is no reply: {self._quote(first)}")
        for event in self._chunks.read(reply):
            yield event
        self._done = True

    def _checked(self, data: bytes) -> dict[str, Any]:
        """One JSON object that is no error."""
        try:
            chunk = decode(data)
        except ValueError:
            raise StreamBroken(f"{self._response.url} sent a piece that is no JSON: {self._quote(data)}") from None
        if not isinstance(chunk, dict):
            raise StreamBroken(f"{self._response.url} sent a piece that is no object: {self._quote(data)}")
        if chunk.get("error") or chunk.get("object") == "error":
            raise self._refused(chunk, data)
        return chunk

    def _refused(self, chunk: dict[str, Any], data: bytes) -> ModelError:
        """The error that a server reports inside a reply; its code is an HTTP status on vLLM."""
        inner = chunk.get("error")
        code = (inner if isinstance(inner, dict) else chunk).get("code")
        if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3:
            code = int(code)
        status = code if type(code) is int and 400 <= code < 600 else 500
        answer = HttpResponse(status, self._response.headers, data)
        return error_of(answer, self._endpoint, url=self._response.url, model=self._model, inside=True)

    def _page(self, first: bytes) -> StreamBroken:
        said = read_body(redact(first.decode("utf-8", "replace"), secrets_of(self._endpoint)))
        return StreamBroken(
            f"{self._response.url} answered with a web page instead of a reply ({said.message or 'an empty one'}). "
            f"Is {self._endpoint.provider}'s baseUrl the address of the API, and no login page before it?"
        )

    def _reason(self) -> str:
        """Why the reply ended, or StreamBroken when nothing says that it did."""
        if self._chunks.finish:
            return self._chunks.finish
        if self._done and self._chunks.said:
            return "tool_calls" if self._chunks.called else "stop"
        if self._done or not self._chunks.said:
            raise StreamBroken(f"{self._response.url} ended its reply without having said anything.")
        raise StreamBroken(
            f"The reply from {self._response.url} stopped before its end: no finish_reason and no [DONE] came. "
            "The server, or a proxy before it, closed the connection early; its log says why."
        )

    def _quote(self, data: bytes) -> str:
        text = redact(data[: _QUOTE_CHARS * 8].decode("utf-8", "replace"), secrets_of(self._endpoint))
        return repr(text[:_QUOTE_CHARS] + ("…" if len(text) > _QUOTE_CHARS else ""))


def _size(event: Event) -> int:
    match event:
        case TextDelta(text) | ReasoningDelta(text):
            return len(text)
        case CallDelta():
            return len(event.arguments)
        case _:
            return 0
