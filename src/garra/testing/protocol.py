"""A small HTTP/1.1 server connection on asyncio: requests in, responses out, and an eye on whether the client is there.

For doubles only: it trusts its client to speak correctly, and refuses chunked requests.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

_WORDS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed"}


class Received:
    """One request. `client_left` is set when the client goes away before it has its whole answer."""

    def __init__(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> None:
        self.method, self.path, self.headers, self.raw = method, path, headers, raw
        self.client_left = asyncio.Event()

    @property
    def body(self) -> Any:
        """The body as JSON; None when it is empty or no JSON."""
        try:
            return msgspec.json.decode(self.raw) if self.raw else None
        except msgspec.DecodeError:
            return None

    def __repr__(self) -> str:
        return f"Received({self.method} {self.path}, {len(self.raw)} bytes)"


class ServerConnection(asyncio.Protocol):
    """One client. `handle` answers each request by writing to this connection."""

    def __init__(self, handle: Callable[[Received, "ServerConnection"], Awaitable[None]]) -> None:
        self._handle = handle
        self._buffer = bytearray()
        self._request: Received | None = None
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._streaming = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._request is not None:
            self._request.client_left.set()
        if self._task is not None:
            self._task.cancel()

    def drop(self) -> None:
        """Close without a word; the client sees a reset."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close after what was written."""
        if self._transport is not None:
            self._transport.close()

    def begin(self, status: int, headers: dict[str, str], *, length: int | None = None) -> None:
        """The status and the headers. Without a length the body is sent in chunks."""
        self._streaming = length is None
        size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        lines = [f"HTTP/1.1 {status} {_WORDS.get(status, 'Other')}", size]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def send(self, data: bytes) -> None:
        """A piece of the body."""
        if data:
            self._write(b"%x\r\n%b\r\n" % (len(data), data) if self._streaming else data)

    def end(self) -> None:
        """The body is complete."""
        if self._streaming:
            self._write(b"0\r\n\r\n")
        self._request = None

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _next(self) -> None:
        """Start on the next request when it is there whole and the one before is answered."""
        if self._task is not None or (request := self._take()) is None:
            return
        self._request = request
        self._task = asyncio.get_running_loop().create_task(self._serve(request))

    async def _serve(self, request: Received) -> None:
        try:
            await self._handle(request, self)
        finally:
            self._task = self._request = None
        self._next()

    def _take(self) -> Received | None:
        head, mark, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if not mark:
            return None
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        size = int(headers.get("content-length", "0"))
        if len(rest) < size:
            return None
        del self._buffer[: len(head) + len(mark) + size]
        method, path, _ = line.split(" ")
        return Received(method, path, headers, rest[:size])
