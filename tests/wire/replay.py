"""What a real vLLM 0.32 answered, and a server on the loopback address that answers it again, byte for byte.

Holds no expectation: what the client must make of an answer stands in the tests.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

RECORDINGS = Path(__file__).parent.parent / "recordings"


class Recording(msgspec.Struct, frozen=True):
    """One exchange: what was asked, and the answer's status, headers and body."""

    name: str
    method: str
    path: str
    asked: Any
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")


def names() -> list[str]:
    """Every recording, as `folder/file`."""
    return sorted(f"{path.parent.name}/{path.stem}" for path in RECORDINGS.glob("*/*.json"))


def recording(name: str) -> Recording:
    data = json.loads((RECORDINGS / f"{name}.json").read_text())
    asked, answer = data["request"], data["response"]
    try:
        body = json.loads(asked["body"] or "null")
    except ValueError:
        body = asked["body"]
    said = answer["body"].encode()
    return Recording(name, asked["method"], asked["path"], body, answer["status"], answer["headers"], said)


Pick = Callable[[str, str, Any], Recording]
"""Which recording answers this method, path and body."""


class Replay:
    """The server. `heard` is what was asked of it: method, path, body."""

    def __init__(self, pick: Pick, piece: int) -> None:
        self._pick, self._piece = pick, piece
        self.heard: list[tuple[str, str, Any]] = []
        self.port = 0

    @property
    def root_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.root_url}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: request after request, until the client leaves."""
        try:
            while request := await _request(reader):
                self.heard.append(request)
                await self._answer(self._pick(*request), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, said: Recording, writer: asyncio.StreamWriter) -> None:
        """The answer as it was recorded; a stream goes out in chunks of a fixed size, each on its way before the next.

        Only the framing is our own: the recordings hold no transfer coding.
        """
        framing = "transfer-encoding: chunked" if said.is_stream else f"content-length: {len(said.body)}"
        lines = [f"HTTP/1.1 {said.status} Recorded", framing]
        lines += [f"{name}: {value}" for name, value in said.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        if not said.is_stream:
            writer.write(said.body)
            return await writer.drain()
        for start in range(0, len(said.body), self._piece):
            chunk = said.body[start : start + self._piece]
            writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")
        return await writer.drain()


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, Any] | None:
    """The next request on a connection; None at its end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    line, *fields = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, path, _ = line.split(" ")
    return method, path, json.loads(body) if body else None


def _always(said: Recording) -> Pick:
    def pick(method: str, path: str, body: Any) -> Recording:
        return said

    return pick


@asynccontextmanager
async def replay(pick: Pick | str, *, piece: int = 64 * 1024) -> AsyncIterator[Replay]:
    """The server until the block is left. A name stands for one recording that answers whatever is asked."""
    served = Replay(_always(recording(pick)) if isinstance(pick, str) else pick, piece)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        await asyncio.sleep(0)
