"""The server as a process: when it is ready, how it ends, and what it leaves behind."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec import Struct

from tests.serve.api.listening import post

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
ASKED = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}


class Child(Struct, frozen=True):
    process: asyncio.subprocess.Process
    ready: bytes
    said: str

    @property
    def port(self) -> int:
        found = re.search(r"http://127\.0\.0\.1:(\d+)/v1", self.said)
        assert found, self.said
        return int(found[1])

    async def code(self) -> int:
        async with asyncio.timeout(30):
            return await self.process.wait()


@asynccontextmanager
async def child(words: int, gap_s: float, *flags: str, shutdown_s: float = 30, port: int = 0) -> AsyncIterator[Child]:
    ready, theirs = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.serve.api.served_child",
        *(str(port), str(words), str(gap_s), str(shutdown_s), str(theirs), *flags),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, pass_fds=(theirs,), cwd=ROOT,
    )  # fmt: skip
    os.close(theirs)
    try:
        word = await asyncio.to_thread(os.read, ready, 100)
        assert process.stdout is not None
        said = b"".join([await process.stdout.readline() for _ in range(3)]) if word else b""
        yield Child(process, word, said.decode())
    finally:
        os.close(ready)
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_it_says_that_it_is_ready_what_it_serves_and_how_to_try_it() -> None:
    async with child(3, 0) as served:
        assert served.ready == b"ready\n"
        assert "played" in served.said
        assert "8,192 tokens" in served.said
        assert f"curl http://127.0.0.1:{served.port}/v1/chat/completions" in served.said
        reader, writer = await post(served.port, "/v1/chat/completions", ASKED)
        assert b"[DONE]" in await reader.readuntil(b"[DONE]")
        writer.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
async def test_a_signal_lets_running_replies_end_and_takes_no_new_ones(number: int, code: int) -> None:
    async with child(20, 0.05) as served:
        reader, writer = await post(served.port, "/v1/chat/completions", ASKED)
        await reader.readuntil(b'" word"')
        served.process.send_signal(number)

        rest = await reader.readuntil(b"[DONE]")

        assert rest.count(b'" word"') == 19
        with pytest.raises(ConnectionRefusedError):
            await post(served.port, "/v1/chat/completions", ASKED)
        writer.close()
        assert await served.code() == code


async def test_replies_that_do_not_end_in_time_are_cut_off_with_a_word() -> None:
    async with child(8_000, 0.05, shutdown_s=1) as served:
        reader, writer = await post(served.port, "/v1/chat/completions", ASKED)
        whole, other = await post(served.port, "/v1/chat/completions", {**ASKED, "stream": False})
        await reader.readuntil(b'" word"')
        served.process.terminate()

        rest, answer = await reader.read(), await whole.read()

        assert b'"message":"The server is stopping' in rest[rest.rindex(b'data: {"error"') :]
        assert b"[DONE]" in rest
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: " in answer
        assert await served.code() == 0
        assert await _complaints(served) == []
        for each in (writer, other):
            each.close()


async def _complaints(served: Child) -> list[str]:
    """What stands in standard error, but for the one line on what was cut off."""
    assert served.process.stderr is not None
    told = (await served.process.stderr.read()).decode().splitlines()
    return [line for line in told if "timeout graceful shutdown exceeded" not in line]


async def test_a_second_signal_stops_at_once() -> None:
    async with child(8_000, 0.05, shutdown_s=600) as served:
        reader, writer = await post(served.port, "/v1/chat/completions", ASKED)
        await reader.readuntil(b'" word"')
        served.process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.3)
        assert served.process.returncode is None
        served.process.send_signal(signal.SIGINT)

        assert await served.code() == 130
        assert await _complaints(served) == []
        writer.close()


async def test_an_engine_that_dies_ends_the_server_with_an_error_and_no_traceback() -> None:
    async with child(3, 0, "--die") as served:
        assert await served.code() == 1
        assert served.process.stderr is not None
        told = (await served.process.stderr.read()).decode()

    assert "error: The engine's process ended (killed by signal 9)" in told
    assert "Traceback" not in told


async def test_a_server_that_follows_its_parent_stops_when_the_parent_is_gone() -> None:
    # The parent in between starts the server, tells its process id, and is killed.
    parent_code = (
        "import os, subprocess, sys, time\n"
        "r, w = os.pipe()\n"
        "p = subprocess.Popen([sys.executable, '-m', 'tests.serve.api.served_child', '0', '3', '0', '5', str(w), "
        "'--stop-with-parent'], pass_fds=(w,), stdout=subprocess.DEVNULL)\n"
        "os.close(w)\n"
        "os.read(r, 10)\n"
        "print(p.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent_code, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()

    async with asyncio.timeout(30):
        while _runs(pid):
            await asyncio.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except FileNotFoundError:
        return False
    return state != "Z"


async def test_a_taken_port_is_told_before_anything_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with child(3, 0, port=port) as served:
            assert served.ready == b""
            assert await served.code() == 1
            assert served.process.stderr is not None
            told = (await served.process.stderr.read()).decode()

    assert f"Port {port} on 127.0.0.1 is taken" in told
    assert f"sport = :{port}" in told
    assert f"--port {port + 1}" in told
    assert "Traceback" not in told
