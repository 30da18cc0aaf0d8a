"""One server on the loopback address that plays a case for each path below its root, and counts what it was asked."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.wire.damage.case import Case


class DamagedServer:
    """`base_url(n)` is where case n is played, whatever is asked there. `asked` counts the requests by path."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases = cases
        self.asked: Counter[str] = Counter()
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def base_url(self, number: int) -> str:
        return f"http://127.0.0.1:{self.port}/{number}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while path := await _path(reader):
                self.asked[path] += 1
                if not await _play(self.cases[int(path.split("/")[1])], writer):
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()


async def _path(reader: asyncio.StreamReader) -> str:
    """Read one request whole, and give its path; empty when there is none."""
    try:
        begun = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = next((line for line in begun.lower().split("\r\n") if line.startswith("content-length:")), ":0")
        await reader.readexactly(int(length.partition(":")[2]))
    except (asyncio.IncompleteReadError, ConnectionError):
        return ""
    return begun.split(" ")[1]


async def _play(case: Case, writer: asyncio.StreamWriter) -> bool:
    """Send what the case says; true when the connection may go on."""
    for piece in case.pieces():
        writer.write(piece)
        await writer.drain()
        if case.pause_s:
            await asyncio.sleep(case.pause_s)
    if case.ending == "silence":
        await asyncio.Event().wait()
    if case.ending == "reset":
        writer.transport.abort()
    return case.ending == "keep"
