"""Killed at any moment, a session loses nothing that was acknowledged and loads with every call answered."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from garra.sessions.entries import Entry, Said, written_text
from garra.sessions.store import Store
from garra.sessions.transcript import history, mend
from garra.testing import Call, ScriptedModel, Step
from garra.wire.messages import Assistant, Message, ToolResult, User

pytestmark = [pytest.mark.anyio, pytest.mark.live]

KILLS = 50
KEY = "agent:main:explicit:crash"
CHILD = Path(__file__).with_name("crash_child.py")


def endless_turns() -> list[Step]:
    """Turns of two tool calls and a reply, each with ids and texts of its own."""
    script: list[Step] = []
    for turn in range(4_000):
        script += [
            [Call(f"w{turn}", "write", {"path": "note.txt", "content": f"turn {turn}\n" * 20})],
            [Call(f"r{turn}", "read", {"path": "note.txt"})],
            f"Reply number {turn}.",
        ]
    return script


async def test_a_process_killed_at_random_moments_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    database = tmp_path / "home" / "sessions.sqlite"
    acknowledged: list[str] = []

    async with ScriptedModel(endless_turns(), max_model_len=100_000_000) as server:
        config = configure(tmp_path, server.base_url)
        for kill in range(KILLS):
            acknowledged += await asyncio.to_thread(killed, config, tmp_path, moments)
            async with await Store.open(database) as store:
                check(await store.entries(KEY), acknowledged, f"kill {kill}, seed {seed}")

    assert sum(line.startswith("finished") for line in acknowledged) > KILLS / 5
    async with await Store.open(database) as store:
        await mend(store, KEY)
        entries = await store.entries(KEY)
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        assert every_call_is_answered_once(stored_messages(entries))


def configure(folder: Path, base_url: str) -> Path:
    home = folder / "home"
    home.mkdir(mode=0o700)
    file = home / "garra.json"
    file.write_text(
        json.dumps(
            {
                "agents": {"defaults": {"model": "vllm/scripted", "workspace": str(folder / "workspace")}},
                "models": {"providers": {"vllm": {"baseUrl": base_url, "apiKey": "local", "models": []}}},
            }
        )
    )
    return file


def killed(config: Path, folder: Path, moments: random.Random) -> list[str]:
    """Start the child, let it acknowledge a few things, kill it a moment later; the lines that it had written."""
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(config), KEY],
        env={**os.environ, "GARRA_HOME": str(folder / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    started = child.stdout.readline()
    assert started == b"started\n", child.stderr.read().decode()
    told = b"".join(child.stdout.readline() for _ in range(moments.randrange(12)))
    time.sleep(moments.uniform(0.0, 0.03))
    child.kill()
    rest, complaint = child.communicate()
    assert child.returncode == -signal.SIGKILL, complaint.decode()
    whole, _, _ = (told + rest).decode().rpartition("\n")  # a line that was cut was not yet acknowledged
    return whole.splitlines()


def check(entries: tuple[Entry, ...], acknowledged: list[str], where: str) -> None:
    """All that was acknowledged is in the transcript, in its order, and the transcript can be sent."""
    messages = stored_messages(entries)
    asked = [written_text(m.content) for m in messages if isinstance(m, User) and isinstance(m.content, str)]
    results = [m.call_id for m in messages if isinstance(m, ToolResult)]
    replies = [m.text for m in messages if isinstance(m, Assistant) and not m.calls]
    for word, stored in (("accepted", asked), ("result", results), ("finished", replies)):
        told = [line.partition(" ")[2] for line in acknowledged if line.startswith(word)]
        left = iter(stored)
        assert all(item in left for item in told), f"{word}: something acknowledged is gone ({where})"
    assert every_call_is_answered_once(list(history(entries))), where


def stored_messages(entries: tuple[Entry, ...]) -> list[Message]:
    return [entry.item.message for entry in entries if isinstance(entry.item, Said)]


def every_call_is_answered_once(messages: list[Message]) -> bool:
    """Each call is followed by its own result before anything else is said, and no result stands without a call."""
    waiting: list[str] = []
    for message in messages:
        if isinstance(message, ToolResult):
            if message.call_id not in waiting:
                return False
            waiting.remove(message.call_id)
        elif waiting:
            return False
        elif isinstance(message, Assistant):
            waiting = [call.id for call in message.calls]
    return not waiting
