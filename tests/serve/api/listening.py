"""The app behind the real HTTP server, on a free port of the loopback address."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp

from garra.serve.api.listening import bind
from garra.serve.api.protocol import BoundedHeaders
from garra.serve.api.server import Server, Stopping


@asynccontextmanager
async def listening(app: ASGIApp, protocol: type[BoundedHeaders] = BoundedHeaders) -> AsyncIterator[int]:
    """The port that it listens on."""
    ready, stopping = asyncio.Event(), Stopping()
    sock = bind("127.0.0.1", 0)
    port: int = sock.getsockname()[1]
    server = Server(app, stopping, grace_s=5, on_ready=ready.set, protocol=protocol)
    task = asyncio.create_task(server.run_until_stopped(sock, asyncio.Event()))
    await ready.wait()
    try:
        yield port
    finally:
        stopping.asked.set()
        await task


async def post(port: int, path: str, body: dict[str, Any]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request by hand, so that the connection is ours to cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)
    await writer.drain()
    return reader, writer
