"""A process killed at any moment loses nothing that it acknowledged, and leaves a transcript that loads."""

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from garra.sessions.store import Entry, Said, Store
from garra.sessions.transcript import history, mend, open_calls
from garra.wire.messages import Assistant, ToolResult

pytestmark = pytest.mark.anyio

WRITER = Path(__file__).with_name("writer.py")
KEY = "agent:main:main"
KILLS = 50


def start(path: Path, name: str, *turns: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, WRITER, path, KEY, name, *turns], stdout=subprocess.PIPE, text=True)


def run_and_kill(path: Path, name: str, rolled: random.Random) -> list[int]:
    """Kill a writer while it starts, or while it writes; the sequence numbers that it acknowledged."""
    child = start(path, name)
    assert child.stdout is not None
    with child.stdout as acknowledgements:
        lines = [acknowledgements.readline()] if rolled.random() < 0.8 else []
        time.sleep(rolled.uniform(0, 0.04 if lines else 0.3))
        child.kill()
        lines += acknowledgements
    child.wait()
    return [int(seq) for line in lines if line.endswith("\n") for seq in line.split()[1:]]


def check(entries: Sequence[Entry], acknowledged: set[int]) -> None:
    assert acknowledged <= {entry.seq for entry in entries}
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    sent = history(entries)
    asked = [call.id for message in sent if isinstance(message, Assistant) for call in message.calls]
    answered = [message.call_id for message in sent if isinstance(message, ToolResult)]
    assert answered == asked
    assert len(set(asked)) == len(asked)


async def test_nothing_that_was_acknowledged_is_lost_when_the_process_is_killed(path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rolled, acknowledged, cut_in_a_call = random.Random(seed), set[int](), 0

    for kill in range(KILLS):
        told = await asyncio.to_thread(run_and_kill, path, f"w{kill}", rolled)
        assert not acknowledged & set(told)
        acknowledged |= set(told)
        async with await Store.open(path) as store:
            entries = await store.entries(KEY)
            check(entries, acknowledged)
            cut_in_a_call += bool(open_calls(entries))
            mended = await mend(store, KEY)
            check(await store.entries(KEY), acknowledged | {entry.seq for entry in mended})
            assert open_calls(await store.entries(KEY)) == ()

    assert len(acknowledged) > KILLS
    assert cut_in_a_call > 0, "no kill came between a call and its result: the test has lost its aim"


async def test_two_processes_writing_to_one_session_get_distinct_numbers_without_gaps(path: Path) -> None:
    turns = 25
    children = [start(path, name, str(turns)) for name in ("a", "b")]

    told = [await asyncio.to_thread(child.communicate) for child in children]

    assert [child.returncode for child in children] == [0, 0]
    numbers = [[int(seq) for line in out.splitlines() for seq in line.split()[1:]] for out, _ in told]
    each = 1 + turns * 6
    assert [len(seqs) for seqs in numbers] == [each, each]
    assert sorted(numbers[0] + numbers[1]) == list(range(1, 2 * each + 1))
    async with await Store.open(path) as store:
        entries = await store.entries(KEY)
        assert len(entries) == 2 * each
        assert len(await store.search("answer", limit=1000)) == 2 * turns
    for name, seqs in zip("ab", numbers, strict=True):
        asked = [entry.seq for entry in entries if isinstance(entry.item, Said) and f"ask {name}-" in str(entry.item)]
        assert asked == sorted(asked)
        assert set(asked) <= set(seqs)


async def test_many_processes_can_make_the_store_at_the_same_time(path: Path) -> None:
    children = [start(path, f"c{number}", "1") for number in range(6)]

    told = [await asyncio.to_thread(child.communicate) for child in children]

    assert [child.returncode for child in children] == [0] * 6
    numbers = [int(seq) for out, _ in told for line in out.splitlines() for seq in line.split()[1:]]
    assert sorted(numbers) == list(range(1, 6 * 7 + 1))
