"""One TCP (or TLS) connection that carries one exchange after another.

Knows how to open itself, through a proxy's tunnel too, and how to go away at once. Keeps no list of connections (the
pool in `http` does) and translates no errors.
"""

import asyncio
import contextlib
import errno
import ssl
from typing import cast

from garra.wire.address import Target, basic
from garra.wire.exchange import Exchange, HungUp


class TunnelRefused(Exception):
    """The proxy would not open a tunnel; `status` is its answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Connection(asyncio.Protocol):
    """A connection. `close` ends it at once, whatever is under way. `rested_s`: how long it lay idle before its use."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self.rested_s = 0.0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None

    @property
    def usable(self) -> bool:
        return not self.closed.done() and self._transport is not None and not self._transport.is_closing()

    def send(self, request: bytes) -> Exchange:
        """Send a request; what comes from now on belongs to the exchange that is returned."""
        self._exchange = exchange = Exchange(self._set_reading)
        if self._transport is None or not self.usable:
            exchange.end(HungUp())
        else:
            self._transport.write(request)
        return exchange

    def rest(self, now: float) -> None:
        """The exchange is over; the connection waits for the next one."""
        self._exchange, self.idle_since = None, now

    def close(self) -> None:
        """Go away now. The other side sees it at once, and nothing buffered is sent first."""
        self._exchange = None
        if self._transport is not None:
            self._transport.abort()

    async def secure(self, host: str) -> None:
        """Speak TLS from here on (through a tunnel)."""
        if self._transport is None:
            raise HungUp
        loop = asyncio.get_running_loop()
        secured = await loop.start_tls(self._transport, self, ssl.create_default_context(), server_hostname=host)
        if secured is None:
            raise HungUp
        self._transport = secured

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not of asyncio's class

    def data_received(self, data: bytes) -> None:
        if self._exchange is not None:
            self._exchange.feed(data)
        else:
            self.close()  # bytes that nobody asked for: the next response could not be told from them

    def connection_lost(self, exc: Exception | None) -> None:
        if self._exchange is not None:
            self._exchange.end(exc)
        if not self.closed.done():
            self.closed.set_result(None)

    def _set_reading(self, on: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        with contextlib.suppress(RuntimeError):  # 3.11 raises when it already is as asked
            (self._transport.resume_reading if on else self._transport.pause_reading)()


async def connect(target: Target, proxy: Target | None, limit_s: float) -> Connection:
    """Open a connection to the target within `limit_s`, raising what the system raises."""
    first = proxy or target
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context() if first.secure else None
    async with asyncio.timeout(limit_s):
        # With a name of several addresses the next one is tried after 0.25 s, as RFC 8305 advises. Not with an address:
        # asyncio would race it against nobody, and lose the socket when it is cancelled in between.
        delay_s = None if first.is_address else 0.25
        _, connection = await loop.create_connection(
            Connection, first.host, first.port, ssl=context, happy_eyeballs_delay=delay_s
        )
        if proxy is not None and target.secure:
            try:
                await _tunnel(connection, target, proxy, limit_s)
            except BaseException:
                connection.close()
                raise
    return connection


async def is_deserted(target: Target, limit_s: float) -> bool:
    """Whether a new connection to the target is refused. Anything else, no answer too, says nothing about it."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(limit_s):
            transport, _ = await loop.create_connection(asyncio.Protocol, target.host, target.port)
    except ConnectionRefusedError:
        return True
    except OSError as exc:
        return is_refusal(exc)
    transport.abort()
    return False


def is_refusal(exc: OSError) -> bool:
    """Whether nothing listened at any address of a host. For several, asyncio raises one OSError that quotes them."""
    words = str(exc)
    refusals = words.count(f"[Errno {errno.ECONNREFUSED}]")
    return isinstance(exc, ConnectionRefusedError) or 0 < refusals == max(words.count("[Errno "), 1)


async def _tunnel(connection: Connection, target: Target, proxy: Target, limit_s: float) -> None:
    host = f"{target.authority}:443" if target.port == 443 else target.authority
    lines = [f"CONNECT {host} HTTP/1.1", f"Host: {host}"]
    if proxy.credentials:
        lines.append(f"Proxy-Authorization: {basic(proxy.credentials)}")
    exchange = connection.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
    await exchange.head(limit_s)
    if not 200 <= exchange.status < 300:
        raise TunnelRefused(exchange.status)
    await connection.secure(target.host)
