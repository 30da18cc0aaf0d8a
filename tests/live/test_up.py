"""`garra up` as a newcomer runs it: with nothing configured, and nobody at a terminal."""

import os
import signal
import subprocess
import time
from asyncio import to_thread
from pathlib import Path

import pytest

from garra.testing import ScriptedModel
from tests.live.served import GARRA, config, environment, explicit, free_port, garra, is_free

pytestmark = [pytest.mark.anyio, pytest.mark.live]


def embedded_pid(told: str) -> int:
    """The process that `garra up` says it has started."""
    return int(told.partition("process ")[2].partition(",")[0])


def started(home: Path) -> tuple[subprocess.Popen[str], int]:
    """`garra up` on a free port, as far as its embedded server's being ready; and that server's process id."""
    config(home, f"{{ {explicit(f'http://127.0.0.1:{free_port()}/v1')} }}")
    up = subprocess.Popen(
        [*GARRA, "up"], env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert up.stdout is not None
    return up, embedded_pid(up.stdout.readline())


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_without_a_server_one_is_started_says_hello_and_is_stopped_again(home: Path) -> None:
    port = free_port()
    config(home, f"{{ {explicit(f'http://127.0.0.1:{port}/v1')} }}")

    done = garra(home, "up")

    assert done.returncode == 0, done.stderr
    for part in ("vllm/SmolLM2-135M-Instruct", "8,192 tokens", "Tools", "Structured", "tried"):
        assert part in done.stdout
    hello = done.stdout.partition("you> ")[2].partition("\n")[2]
    assert hello.strip()
    assert not is_alive(embedded_pid(done.stdout))
    assert is_free(port)


def test_terminated_in_the_middle_it_stops_what_it_started(home: Path) -> None:
    port = free_port()
    config(home, f"{{ {explicit(f'http://127.0.0.1:{port}/v1')} }}")
    up = subprocess.Popen(
        [*GARRA, "up"], env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert up.stdout is not None
    first = up.stdout.readline()

    up.send_signal(signal.SIGTERM)
    up.communicate(timeout=60)

    assert up.returncode == 143
    assert not is_alive(embedded_pid(first))


def test_killed_it_leaves_no_server_behind(home: Path) -> None:
    port = free_port()
    config(home, f"{{ {explicit(f'http://127.0.0.1:{port}/v1')} }}")
    up = subprocess.Popen(
        [*GARRA, "up"], env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert up.stdout is not None
    pid = embedded_pid(up.stdout.readline())

    up.kill()
    up.communicate()

    for _ in range(600):
        if not is_alive(pid):
            break
        time.sleep(0.05)
    assert not is_alive(pid)


async def test_a_server_that_is_there_is_used_and_left_running(home: Path) -> None:
    async with ScriptedModel(["Hello from the script."]) as server:
        config(home, f"{{ {explicit(server.base_url)} }}")

        done = await to_thread(garra, home, "up")

        assert done.returncode == 0, done.stderr
        assert "already running" in done.stdout
        assert "Hello from the script." in done.stdout
        assert (await to_thread(garra, home, "agent", "-m", "still there?")).returncode == 0


def test_a_server_of_another_machine_is_never_started_here(home: Path) -> None:
    config(home, f"{{ {explicit('http://127.0.0.1:1/other/v1')} }}")

    done = garra(home, "up")

    assert done.returncode == 1
    assert "curl http://127.0.0.1:1/other/v1/models" in done.stderr
