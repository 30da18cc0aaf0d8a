"""A server that sends exactly the bytes it is told to, for what HTTP itself can get wrong."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import pytest


class RawServer:
    """Answers the n-th request, over all connections, with the n-th reply; then closes if it is told to.

    `requests` holds the requests as they came, each with the number of the connection that it came on. An empty reply
    closes without an answer.
    """

    def __init__(
        self, replies: Sequence[bytes], *, close: bool = False, tls: ssl.SSLContext | None = None, pause_s: float = 0
    ) -> None:
        self.replies = list(replies)
        self.requests: list[tuple[int, bytes]] = []
        self.connections = 0
        self.left = asyncio.Event()
        self._close, self._tls, self._pause_s = close, tls, pause_s
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1/models"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()
        await asyncio.sleep(0.01)

    async def hang_up(self) -> None:
        """Close every connection from this side."""
        for writer in self._writers:
            writer.close()
        await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self.connections += 1
        number = self.connections
        while head := await _head(reader):
            self.requests.append((number, head))
            reply = self.replies[min(len(self.requests), len(self.replies)) - 1]
            await self._answer(writer, reply)
            if self._close or not reply:
                break
        writer.close()
        self.left.set()

    async def _answer(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        pieces = [bytes([byte]) for byte in reply] if self._pause_s else [reply]
        for piece in pieces:
            writer.write(piece)
            if self._pause_s:
                await asyncio.sleep(self._pause_s)


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


@pytest.fixture
def raw_server() -> Callable[..., RawServer]:
    return RawServer
