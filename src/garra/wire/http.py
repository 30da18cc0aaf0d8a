"""The HTTP client: one pool of HTTP/1.1 connections, for small JSON answers and for streams that last.

It follows no redirect (a key would go with it), retries nothing that a server may have seen, decompresses nothing and
keeps no cookies. Every failure leaves as an error of ours, made in `faults`. Why not a library: bench/wire.py.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import msgspec

from garra.errors import StreamBroken
from garra.wire.address import Target, parse_url, proxy_for
from garra.wire.connection import Connection, connect
from garra.wire.exchange import Exchange
from garra.wire.faults import CROSSING, broken, unreachable
from garra.wire.head import request_bytes
from garra.wire.patience import Patience, Timeouts

IDLE_LIMIT_S = 30.0
IDLE_PER_HOST = 8
DRAIN_LIMIT_S = 0.05
STALE_AFTER_S = 1.0


class HttpResponse(msgspec.Struct, frozen=True):
    """A whole answer. The names of the headers are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class StreamResponse:
    """An answer whose body is still arriving."""

    def __init__(self, exchange: Exchange, patience: Patience, timeouts: Timeouts, first_by: float) -> None:
        self.status = exchange.status
        self.headers: Mapping[str, str] = exchange.headers
        self.url = patience.target.shown
        self.first_by, self.gap_s = first_by, timeouts.gap_s
        self._exchange, self._patience = exchange, patience

    @property
    def packed(self) -> str:
        """How the body is compressed, which nobody asked for; empty where it is not."""
        coding = self.headers.get("content-encoding", "").strip().lower()
        return "" if coding == "identity" else coding[:40]

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The body, piece by piece as it comes. Raises ServerSilent or StreamBroken when it does not come whole."""
        if self.packed:
            raise StreamBroken(
                f"{self.url} answered with a body packed as {self.packed!r}, although none such was asked for. "
                "Turn compression off in the proxy or gateway before the server."
            )
        left_s = self.first_by - asyncio.get_running_loop().time()
        while chunk := await self._read(max(left_s, 0.001)):
            yield chunk
            left_s = self.gap_s

    async def body(self, limit_bytes: int) -> bytes:
        """The whole body; StreamBroken when it is longer than `limit_bytes`."""
        pieces, size = [], 0
        async for piece in self.chunks():
            pieces.append(piece)
            size += len(piece)
            if size > limit_bytes:
                raise StreamBroken(
                    f"{self.url} answered with more than {limit_bytes} bytes, which is no answer of ours."
                )
        return b"".join(pieces)

    async def settle(self) -> None:
        """Give the end of the body a moment to arrive, so that the connection can be used again."""
        loop = asyncio.get_running_loop()
        until = loop.time() + DRAIN_LIMIT_S
        try:
            while not self._exchange.done and (left_s := until - loop.time()) > 0:
                await self._exchange.read(left_s)
        except CROSSING:
            return

    async def _read(self, limit_s: float) -> bytes:
        try:
            return await self._patience.wait(self._exchange.read, limit_s)
        except CROSSING as exc:
            raise broken(exc, self._patience.target, headed=True) from exc


class Http:
    """The pool. Whoever makes one closes it: `async with Http() as http`."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._env = os.environ if env is None else env
        self._idle: dict[tuple[str, str, int], list[Connection]] = {}
        self._open: set[Connection] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection, those in use too."""
        connections = list(self._open)
        self._idle.clear()
        for connection in connections:
            connection.close()
        await asyncio.gather(*(connection.closed for connection in connections))

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        timeout_s: float = 5.0,
        limit_bytes: int = 16 * 1024 * 1024,
    ) -> HttpResponse:
        """Send and read the whole answer, whatever its status. `timeout_s` bounds connecting and every silence."""
        timeouts = Timeouts(timeout_s, timeout_s, timeout_s)
        async with self.stream(method, url, headers=headers, json=json, timeouts=timeouts) as response:
            failed = response.status >= 400
            body = b"" if failed and response.packed else await response.body(limit_bytes)  # the status says enough
            return HttpResponse(response.status, response.headers, body)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        timeouts: Timeouts | None = None,
    ) -> AsyncIterator[StreamResponse]:
        """Send, and have the answer as it comes. Leaving the block early closes the connection at once.

        `json` is encoded, but for bytes, which are JSON already and sent as they are.
        """
        limits = timeouts or Timeouts()
        target = parse_url(url)
        proxy = proxy_for(target, self._env)
        request = request_bytes(method, target, headers or {}, json, proxy=None if target.secure else proxy)
        first_by = asyncio.get_running_loop().time() + limits.first_event_s
        patience = Patience(target, limits.look_s, direct=proxy is None)
        connection, exchange = await self._exchange(patience, proxy, request, limits)
        try:
            yield StreamResponse(exchange, patience, limits, first_by)
        finally:
            self._release(target, connection, exchange)

    async def _exchange(
        self, patience: Patience, proxy: Target | None, request: bytes, limits: Timeouts
    ) -> tuple[Connection, Exchange]:
        target = patience.target
        while True:
            connection = self._take(target) or await self._connect(target, proxy, limits)
            exchange = connection.send(request)
            try:
                await patience.wait(exchange.head, limits.first_event_s)
            except BaseException as exc:
                self._release(target, connection, exchange)
                if not isinstance(exc, CROSSING):
                    raise
                if exchange.fresh and connection.rested_s > STALE_AFTER_S and connection.closed.done():
                    continue  # the server closed a kept connection in the same moment: not a byte was answered
                raise broken(exc, target, headed=False) from exc
            return connection, exchange

    async def _connect(self, target: Target, proxy: Target | None, limits: Timeouts) -> Connection:
        try:
            connection = await connect(target, proxy, limits.connect_s)
        except CROSSING as exc:
            raise unreachable(exc, target, proxy=proxy, limit_s=limits.connect_s) from exc
        self._open.add(connection)
        connection.closed.add_done_callback(lambda _: self._open.discard(connection))
        return connection

    def _take(self, target: Target) -> Connection | None:
        idle = self._idle.get(_key(target), [])
        now = asyncio.get_running_loop().time()
        while idle:
            connection = idle.pop()
            if connection.usable and now - connection.idle_since < IDLE_LIMIT_S:
                connection.rested_s = now - connection.idle_since
                return connection
            connection.close()
        return None

    def _release(self, target: Target, connection: Connection, exchange: Exchange) -> None:
        idle = self._idle.setdefault(_key(target), [])
        if exchange.done and exchange.reusable and connection.usable and len(idle) < IDLE_PER_HOST:
            connection.rest(asyncio.get_running_loop().time())
            idle.append(connection)
        else:
            connection.close()


def _key(target: Target) -> tuple[str, str, int]:
    return target.scheme, target.host, target.port


__all__ = ["Http", "HttpResponse", "StreamResponse", "Timeouts"]
