"""Places at a server: capped and in order, over tasks and over processes that may die; never in the way of a turn."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garra.models.slots import slot, taken

pytestmark = pytest.mark.anyio
SERVER = "http://127.0.0.1:8000/v1"

HOLDER = """
import asyncio, sys
from pathlib import Path
from garra.models.slots import slot

async def main() -> None:
    folder, place, cap, name = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    async with slot(folder, place, cap, waiting=lambda position: print("waiting", position, flush=True)):
        print("running", name, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
    print("left", name, flush=True)

asyncio.run(main())
"""


class Process:
    """Another process that wants a place; it holds it until it is told to leave."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def says(self) -> str:
        assert self._process.stdout is not None
        return (await asyncio.wait_for(self._process.stdout.readline(), 60)).decode().strip()

    async def leaves(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        while not (await self.says()).startswith("left"):
            pass

    async def dies(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    async def is_over(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


@asynccontextmanager
async def process(folder: Path, cap: int, name: str) -> AsyncIterator[Process]:
    """A process that has drawn its ticket, or holds its place, by the time that this is entered and it spoke."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", HOLDER, str(folder), SERVER, str(cap), name),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    other = Process(started)
    try:
        yield other
    finally:
        await other.is_over()


async def until(folder: Path, count: int) -> None:
    """Wait until so many hold or want a place."""
    async with asyncio.timeout(60):
        while taken(folder, SERVER) != count:
            await asyncio.sleep(0.01)


async def test_no_more_run_at_once_than_the_cap_and_the_rest_goes_in_order(tmp_path: Path) -> None:
    order, running, most = list[int](), 0, 0

    async def turn(number: int) -> None:
        nonlocal running, most
        async with slot(tmp_path / "slots", SERVER, 2):
            order.append(number)
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1

    tasks = []
    for number in range(9):
        tasks.append(asyncio.create_task(turn(number)))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)

    assert order == list(range(9))
    assert most == 2
    assert taken(tmp_path / "slots", SERVER) == 0


async def test_who_waits_is_told_the_position_when_it_begins_and_when_it_changes(tmp_path: Path) -> None:
    told: list[int] = []
    first, second = AsyncExitStack(), AsyncExitStack()
    await first.enter_async_context(slot(tmp_path, SERVER, 1, waiting=told.append))
    ahead = asyncio.create_task(second.enter_async_context(slot(tmp_path, SERVER, 1)))
    await until(tmp_path, 2)

    async def wait() -> None:
        async with slot(tmp_path, SERVER, 1, waiting=told.append):
            told.append(0)

    last = asyncio.create_task(wait())
    await until(tmp_path, 3)
    while not told:
        await asyncio.sleep(0.01)
    await first.aclose()
    await ahead
    while len(told) < 2:
        await asyncio.sleep(0.01)
    await second.aclose()
    await last

    assert told == [2, 1, 0]


async def test_servers_have_places_of_their_own(tmp_path: Path) -> None:
    async with slot(tmp_path, SERVER, 1), slot(tmp_path, "http://127.0.0.1:9000/v1", 1):
        assert taken(tmp_path, SERVER) == 1


async def test_a_cap_below_one_is_none(tmp_path: Path) -> None:
    async with slot(tmp_path / "slots", SERVER, 0), slot(tmp_path / "slots", SERVER, -1):
        assert not (tmp_path / "slots").exists()


async def test_who_is_cancelled_in_line_or_at_work_leaves_no_ticket(tmp_path: Path) -> None:
    async def turn() -> None:
        async with slot(tmp_path, SERVER, 1):
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(turn()) for _ in range(3)]
    await until(tmp_path, 3)
    for task in reversed(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert taken(tmp_path, SERVER) == 0
    assert [path.name for path in tmp_path.glob("*/*")] == ["door"]


async def test_an_error_of_the_turn_passes_and_frees_the_place(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="mine"):
        async with slot(tmp_path, SERVER, 1):
            raise OSError("mine")

    assert taken(tmp_path, SERVER) == 0


async def test_processes_share_the_places_and_keep_the_order(tmp_path: Path) -> None:
    async with process(tmp_path, 1, "a") as a, process(tmp_path, 1, "b") as b, process(tmp_path, 1, "c") as c:
        first = [await asyncio.wait_for(one.says(), 60) for one in (a, b, c)]
        line = sorted(zip(first, (a, b, c), strict=True), key=lambda pair: pair[0])

        assert [word.rstrip(" abc") for word, _ in line] == ["running", "waiting 1", "waiting 2"]
        (_, running), (_, following), (_, last) = line
        await running.leaves()
        assert (await following.says()).startswith("running")
        assert await last.says() == "waiting 1"
        await following.leaves()
        assert (await last.says()).startswith("running")


async def test_a_process_that_is_killed_frees_its_place_at_once_and_its_ticket_goes(tmp_path: Path) -> None:
    async with process(tmp_path, 1, "a") as a:
        assert await a.says() == "running a"
        async with process(tmp_path, 1, "b") as b:
            assert await b.says() == "waiting 1"

            await a.dies()

            assert await b.says() == "running b"
            await until(tmp_path, 1)
            assert len(tickets_of(tmp_path)) == 1


async def test_one_that_dies_in_line_holds_nobody_up(tmp_path: Path) -> None:
    async with slot(tmp_path, SERVER, 1):
        async with process(tmp_path, 1, "a") as a:
            assert await a.says() == "waiting 1"
            async with process(tmp_path, 1, "b") as b:
                assert await b.says() == "waiting 2"
                await a.dies()
                await until(tmp_path, 2)
                assert await b.says() == "waiting 1"


def tickets_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*/0*"))


async def test_tickets_that_the_dead_left_behind_are_cleared_away(tmp_path: Path) -> None:
    async with slot(tmp_path, SERVER, 1):
        [queue] = tmp_path.iterdir()
        for number in range(2, 40):
            (queue / f"{number:012d}-4711").touch()

    async with slot(tmp_path, SERVER, 1):
        assert len(tickets_of(tmp_path)) == 1


async def test_a_file_of_somebody_elses_in_the_folder_is_let_be(tmp_path: Path) -> None:
    async with slot(tmp_path, SERVER, 1):
        [queue] = tmp_path.iterdir()
    for name in ("1", "note.txt", "99999999999x-1", "²²²²²²²²²²²²-1"):
        (queue / name).touch()

    async with slot(tmp_path, SERVER, 1):
        assert taken(tmp_path, SERVER) == 1
    assert len(list(queue.iterdir())) == 5


async def test_the_folders_and_tickets_are_for_their_owner_alone(tmp_path: Path) -> None:
    async with slot(tmp_path / "slots", SERVER, 1):
        made = [tmp_path / "slots", *(tmp_path / "slots").rglob("*")]

        assert {path.stat().st_mode & 0o777 for path in made if path.is_dir()} == {0o700}
        assert {path.stat().st_mode & 0o777 for path in made if path.is_file()} == {0o600}


async def test_the_servers_address_is_no_part_of_any_name(tmp_path: Path) -> None:
    async with slot(tmp_path, "http://me:secret@127.0.0.1/../../v1", 1):
        assert not [path for path in tmp_path.rglob("*") if "secret" in path.name]
        assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
async def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        async with slot(tmp_path / "slots", SERVER, 1), slot(tmp_path / "slots", SERVER, 1):
            assert not (tmp_path / "slots").exists()
    finally:
        tmp_path.chmod(0o700)


async def test_a_file_in_the_place_of_the_folder_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "slots").touch()

    async with slot(tmp_path / "slots", SERVER, 1), slot(tmp_path / "slots", SERVER, 1):
        assert taken(tmp_path / "slots", SERVER) == 0


async def test_a_folder_that_vanishes_lets_who_waits_go_ahead(tmp_path: Path) -> None:
    import shutil

    async with slot(tmp_path / "slots", SERVER, 1):
        stack = AsyncExitStack()
        waiting = asyncio.create_task(stack.enter_async_context(slot(tmp_path / "slots", SERVER, 1)))
        await until(tmp_path / "slots", 2)
        shutil.rmtree(tmp_path / "slots")
        await asyncio.wait_for(waiting, 60)
        await stack.aclose()


@settings(max_examples=10, deadline=None)
@given(cap=st.integers(1, 5), pauses=st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_whatever_the_turns_take_the_cap_holds_and_all_get_their_place(
    tmp_path_factory: pytest.TempPathFactory, cap: int, pauses: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("slots")
    running, most, done = 0, 0, 0

    async def turn(pause: int) -> None:
        nonlocal running, most, done
        async with slot(folder, SERVER, cap):
            running += 1
            most = max(most, running)
            await asyncio.sleep(pause / 1000)
            running -= 1
            done += 1

    async def all_of_them() -> None:
        await asyncio.gather(*(turn(pause) for pause in pauses))

    asyncio.run(all_of_them())

    assert 1 <= most <= cap
    assert done == len(pauses)
