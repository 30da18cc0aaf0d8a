"""One HTTP/1.1 response while it arrives: bytes in from the connection, a head and pieces of the body out.

No sockets here. The parser is llhttp (through httptools), the buffer is bounded by telling the connection to stop
reading. What goes wrong is raised as it is (a parser's error, an OSError, `HungUp`, `Silent`); `faults` translates.
"""

import asyncio
from collections.abc import Callable

import httptools

HEAD_LIMIT_BYTES = 256 * 1024
BUFFER_LIMIT_BYTES = 1024 * 1024
SECOND_LOOK_S = 0.02


class HungUp(Exception):
    """The other side closed the connection before the response was complete."""


class Silent(Exception):
    """Nothing came for `limit_s` seconds."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(limit_s)
        self.limit_s = limit_s


class Deserted(Exception):
    """The connection stands, but nothing listens any more where it was made: the server is on its way out."""


class HeadTooLong(Exception):
    """The status line and headers never end, or what stands around the body: trailers, the extensions of chunks."""


class Exchange:
    """A response. One task reads it; the connection feeds it. `fresh`: not a byte of it has come yet."""

    def __init__(self, flow: Callable[[bool], None]) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.headed = self.done = False
        self.fresh = self.reusable = True
        self._flow, self._paused = flow, False
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._size = self._idle_size = 0
        self._until_eof = False
        self._failure: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle

    def feed(self, data: bytes) -> None:
        """Bytes came."""
        if self.done or self._failure is not None:
            self.reusable = False  # more than one response for one request: nobody knows whose the rest is
            return
        self.fresh = False
        self._idle_size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            if not self.done:
                self.fail(exc)
            self.reusable = False
        if self._idle_size > HEAD_LIMIT_BYTES and not self.done:
            self.fail(HeadTooLong())

    def end(self, exc: BaseException | None = None) -> None:
        """The connection is gone, which ends the body of a response that gives no length."""
        self.reusable = False
        if self._until_eof and exc is None and self._failure is None:
            self.done = True
            self._wake()
        elif not self.done:
            self.fail(exc or HungUp())

    def fail(self, exc: BaseException) -> None:
        """Nothing more will come. What had come can still be read; then `exc` is raised."""
        self.reusable = False
        self._failure = self._failure or exc
        self._wake()

    def on_message_begin(self) -> None:
        self.reusable = self.reusable and not self.done

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        if not self.headed:  # after the body there are trailers, which may not pass for headers
            self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self.done or status < 200:  # an interim response (100, 103): the real one follows
            return
        self.status, self.headed = status, True
        self.reusable = self._parser.should_keep_alive()
        chunked = "chunked" in self.headers.get("transfer-encoding", "")
        self._until_eof = not chunked and "content-length" not in self.headers
        self._wake()

    def on_body(self, data: bytes) -> None:
        if self.done or not data:
            return
        self._body.append(data)
        self._idle_size = 0
        self._size += len(data)
        if self._size > BUFFER_LIMIT_BYTES and not self._paused:
            self._paused = True
            self._flow(False)
        self._wake()

    def on_message_complete(self) -> None:
        if self.headed:
            self.done = True
            self._wake()
        else:
            self.headers.clear()

    async def head(self, limit_s: float) -> None:
        """Wait for the status and the headers."""
        while not self.headed:
            if self._failure is not None:
                raise self._failure
            await self._wait(limit_s)

    async def read(self, limit_s: float) -> bytes:
        """The next piece of the body, as much as there is; empty at its end."""
        while not self._body:
            if self._failure is not None:
                raise self._failure
            if self.done:
                return b""
            await self._wait(limit_s)
        data = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        self._size = 0
        if self._paused:
            self._paused = False
            self._flow(True)
        return data

    async def _wait(self, limit_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        self._timer = loop.call_later(limit_s, self._suspect, limit_s)
        try:
            await waiter
        finally:
            self._timer.cancel()
            self._waiter = None

    def _suspect(self, limit_s: float) -> None:
        """Time is up. If it was this process that slept, the bytes are waiting: look once more before giving up."""
        self._timer = asyncio.get_running_loop().call_later(SECOND_LOOK_S, self._fall_silent, limit_s)

    def _fall_silent(self, limit_s: float) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(Silent(limit_s))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
