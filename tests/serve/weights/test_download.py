"""Downloads over real loopback connections: taken up again, started again, and checked."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from garra.errors import ServeError
from garra.serve.weights.download import download
from garra.serve.weights.pip_index import Link

from .conftest import Told

pytestmark = pytest.mark.anyio

BODY = bytes(range(256)) * 4096
Answer = Callable[[int], tuple[str, dict[str, str], bytes, int]]


class Server:
    """Answers GET with what `answer` makes of the Range; the last of the tuple is how much of the body is sent."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.starts: list[int] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        found = re.search(r"range: bytes=(\d+)-", head, re.IGNORECASE)
        self.starts.append(int(found[1]) if found else 0)
        status, headers, body, sent = self.answer(self.starts[-1])
        lines = [f"HTTP/1.1 {status}", *(f"{key}: {value}" for key, value in headers.items())]
        lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
        writer.write("\r\n".join(lines).encode() + body[:sent])
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Server]:
    server = Server(answer)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/model.whl"
        yield server


def resumable(start: int) -> tuple[str, dict[str, str], bytes, int]:
    if start == 0:
        return "200 OK", {}, BODY, len(BODY)
    headers = {"Content-Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"}
    return "206 Partial Content", headers, BODY[start:], len(BODY)


def deaf_to_ranges(start: int) -> tuple[str, dict[str, str], bytes, int]:
    return "200 OK", {}, BODY, len(BODY)


async def test_a_file_is_fetched_with_its_progress(tmp_path: Path, told: Told) -> None:
    part = tmp_path / "model.part"

    async with serving(resumable) as server:
        await download(Link(server.url, None), part, told, "model")

    assert part.read_bytes() == BODY
    assert told.steps[-1] == (len(BODY), len(BODY))


async def test_what_is_there_already_is_not_fetched_again(tmp_path: Path, told: Told) -> None:
    part = tmp_path / "model.part"
    part.write_bytes(BODY[:700_000])

    async with serving(resumable) as server:
        await download(Link(server.url, None), part, told, "model")

    assert part.read_bytes() == BODY
    assert server.starts == [700_000]


async def test_a_connection_that_breaks_is_taken_up_where_it_broke(tmp_path: Path, told: Told) -> None:
    part = tmp_path / "model.part"

    def breaks_once(start: int) -> tuple[str, dict[str, str], bytes, int]:
        status, headers, body, sent = resumable(start)
        return status, headers, body, sent if start else 600_000

    async with serving(breaks_once) as server:
        await download(Link(server.url, None), part, told, "model")

    assert part.read_bytes() == BODY
    assert server.starts[0] == 0
    assert 0 < server.starts[1] <= 600_000


async def test_a_server_that_cannot_continue_is_named_and_all_is_fetched(tmp_path: Path, told: Told) -> None:
    part = tmp_path / "model.part"
    part.write_bytes(b"x" * 1000)

    async with serving(deaf_to_ranges) as server:
        await download(Link(server.url, None), part, told, "model")

    assert part.read_bytes() == BODY
    assert any("cannot continue" in line for line in told.lines)


async def test_a_part_that_is_longer_than_the_file_is_dropped(tmp_path: Path, told: Told) -> None:
    part = tmp_path / "model.part"
    part.write_bytes(b"x" * (len(BODY) + 5))

    def strict(start: int) -> tuple[str, dict[str, str], bytes, int]:
        return ("416 Range Not Satisfiable", {}, b"", 0) if start else resumable(start)

    async with serving(strict) as server:
        await download(Link(server.url, None), part, told, "model")

    assert part.read_bytes() == BODY


async def test_a_refusal_is_an_error_without_the_login(tmp_path: Path, told: Told) -> None:
    def refuses(start: int) -> tuple[str, dict[str, str], bytes, int]:
        return "403 Forbidden", {}, b"no", 2

    async with serving(refuses) as server:
        url = server.url.replace("http://", "http://me:sekret@")
        with pytest.raises(ServeError, match="403") as refused:
            await download(Link(url, None), tmp_path / "model.part", told, "model")

    assert "sekret" not in str(refused.value)


async def test_nobody_there_is_an_error_that_says_what_else_to_do(tmp_path: Path, told: Told) -> None:
    async with serving(resumable) as server:
        url = server.url

    with pytest.raises(ServeError, match="path of a GGUF file"):
        await download(Link(url, None), tmp_path / "model.part", told, "model")
