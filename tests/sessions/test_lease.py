"""One turn at a time in a session, over tasks and processes."""

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from garra.errors import SessionError
from garra.sessions.lease import file_name, turn_lease

pytestmark = pytest.mark.anyio

KEY = "agent:main:main"
HOLDER = """
import asyncio, pathlib, sys
from garra.sessions.lease import turn_lease
async def hold():
    async with turn_lease(pathlib.Path(sys.argv[1]), sys.argv[2]):
        print("held", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
asyncio.run(hold())
"""


def holder(state: Path, key: str = KEY) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(state), key], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


async def test_turns_of_one_session_run_one_after_another_and_those_of_others_at_once(tmp_path: Path) -> None:
    running: dict[str, int] = {}
    most = {"a": 0, "b": 0}
    both = asyncio.Event()

    async def turn(key: str) -> None:
        async with turn_lease(tmp_path, key):
            running[key] = running.get(key, 0) + 1
            most[key] = max(most[key], running[key])
            if all(running.values()) and len(running) == 2:
                both.set()
            await both.wait()
            await asyncio.sleep(0.002)
            running[key] -= 1

    async with asyncio.timeout(30):
        await asyncio.gather(*(turn(key) for key in "abababab"))

    assert most == {"a": 1, "b": 1}


async def test_a_second_process_is_named_and_waited_for(tmp_path: Path) -> None:
    child = holder(tmp_path)
    told: list[int | None] = []
    got = asyncio.Event()

    async def turn() -> None:
        async with turn_lease(tmp_path, KEY, waiting=told.append):
            got.set()

    waiting = asyncio.create_task(turn())
    await asyncio.sleep(0.3)
    assert told == [child.pid]
    assert not got.is_set()
    await asyncio.to_thread(child.communicate, "go\n")
    await asyncio.wait_for(waiting, 30)

    assert got.is_set()
    assert told == [child.pid]


async def test_whoever_will_not_wait_is_told_which_process_runs_the_turn(tmp_path: Path) -> None:
    child = holder(tmp_path)

    with pytest.raises(SessionError, match=rf"process {child.pid} is running a turn in {KEY}"):
        async with turn_lease(tmp_path, KEY, wait=False):
            pass

    end(child)


async def test_a_killed_process_frees_its_sessions(tmp_path: Path) -> None:
    end(holder(tmp_path))

    async with turn_lease(tmp_path, KEY, wait=False):
        assert (tmp_path / "locks" / file_name(KEY)).read_text() == f"{os.getpid()}\n"


async def test_a_turn_that_fails_or_is_cancelled_frees_its_session(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with turn_lease(tmp_path, KEY):
            raise ZeroDivisionError
    async with turn_lease(tmp_path, KEY):
        waiting = asyncio.create_task(turn_lease(tmp_path, KEY).__aenter__())
        await asyncio.sleep(0.05)
        waiting.cancel()

    async with turn_lease(tmp_path, KEY, wait=False):
        pass


async def test_locks_are_private_and_gone_when_nobody_holds_them(tmp_path: Path) -> None:
    async with turn_lease(tmp_path, KEY):
        (lock,) = (tmp_path / "locks").iterdir()
        assert stat.S_IMODE(lock.stat().st_mode) == 0o600
        assert stat.S_IMODE(lock.parent.stat().st_mode) == 0o700

    assert list((tmp_path / "locks").iterdir()) == []


async def test_any_key_is_a_file_name_and_different_keys_are_different_files(tmp_path: Path) -> None:
    keys = [
        KEY,
        "agent.main.main",
        "agent/main/main",
        "../../etc",
        "é" * 500,
        "é" * 499 + "e",
        "Ω b",
        "é9",
        "\u0e99",
        "%3A",
        ":",
        ".",
    ]

    names = [file_name(key) for key in keys]

    assert len(set(names)) == len(keys)
    for key in keys:
        async with turn_lease(tmp_path, key):
            assert [file.name for file in (tmp_path / "locks").iterdir()] == [file_name(key)]


async def test_a_folder_that_cannot_hold_locks_is_named(tmp_path: Path) -> None:
    (tmp_path / "locks" / file_name(KEY)).mkdir(parents=True)

    with pytest.raises(SessionError, match="cannot lock the session"):
        async with turn_lease(tmp_path, KEY):
            pass


TAKE_TURNS = """
import asyncio, os, pathlib, sys
from garra.errors import SessionError
from garra.sessions.lease import turn_lease
state = pathlib.Path(sys.argv[1])
async def take_turns():
    taken = 0
    while taken < 400:
        try:
            async with turn_lease(state, "k", wait=bool(taken % 20)):
                mark = os.open(state / "inside", os.O_CREAT | os.O_EXCL)  # fails where another is inside
                os.close(mark)
                os.unlink(state / "inside")
            taken += 1
        except SessionError:
            pass
asyncio.run(take_turns())
"""


def test_processes_never_run_a_turn_at_the_same_time(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TAKE_TURNS, str(tmp_path)]
    children = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]

    ended = [(child.communicate()[1], child.returncode) for child in children]

    assert ended == [("", 0)] * 3
