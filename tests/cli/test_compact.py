"""`/compact` in the chat, and what the transcript shows afterwards."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from garra.testing import ScriptedModel

pytestmark = pytest.mark.anyio

PROSE = "The photos of that summer lie in several folders, and some of them twice. " * 12


async def garra(home: Path, *words: str, lines: tuple[str, ...] = ()) -> tuple[int, str, str]:
    """One command with these lines as its input: exit code, output, and what stands beside it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "garra", "--config", str(home / "garra.json"), *words),
        env=dict(os.environ, HOME=str(home)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, aside = await asyncio.wait_for(process.communicate("".join(f"{line}\n" for line in lines).encode()), 120)
    return process.returncode or 0, out.decode(), aside.decode()


def configure(home: Path, server: ScriptedModel) -> None:
    providers = {"vllm": {"baseUrl": server.base_url, "apiKey": "local", "models": []}}
    agents = {"defaults": {"model": "vllm/scripted", "workspace": str(home / "workspace")}}
    (home / "garra.json").write_text(json.dumps({"agents": agents, "models": {"providers": providers}}))


async def test_the_person_compacts_a_conversation_and_the_transcript_keeps_all_of_it(home: Path) -> None:
    answers = [f"Answer {number}. {PROSE}" for number in range(3)]
    async with ScriptedModel([*answers, "## Goal\nSort the photos.", "Later."]) as server:
        configure(home, server)
        questions = tuple(f"Question {number}: {PROSE}" for number in range(3))
        code, _, aside = await garra(home, "chat", lines=(*questions, "/compact keep the prices", "And then?"))
        _, shown, _ = await garra(home, "sessions", "show", "main")

        assert code == 0, aside
        assert "Compacting" in aside
        assert "Compacted: " in aside
        asked, after = (chat.body["messages"] for chat in server.chats[-2:])
        assert "keep the prices" in asked[-1]["content"]
        assert "Sort the photos." in after[1]["content"]
        for number in range(3):
            assert f"Question {number}" in shown
            assert f"Answer {number}" in shown
        assert "Compacted here: " in shown


async def test_there_is_nothing_to_compact_in_a_conversation_that_has_not_begun(home: Path) -> None:
    async with ScriptedModel() as server:
        configure(home, server)

        code, _, aside = await garra(home, "chat", lines=("/compact",))

        assert code == 0, aside
        assert "Nothing to compact yet." in aside
        assert server.chats == []


async def test_the_status_after_it_tells_what_the_conversation_takes_now(home: Path) -> None:
    answers = [f"Answer {number}. {PROSE}" for number in range(3)]
    async with ScriptedModel([*answers, "## Goal\nSort the photos."]) as server:
        configure(home, server)
        questions = tuple(f"Question {number}: {PROSE}" for number in range(3))
        _, _, aside = await garra(home, "chat", lines=(*questions, "/status", "/compact", "/status"))

    counts = [line for line in aside.splitlines() if line.startswith("tokens")]
    compacted = next(line for line in aside.splitlines() if line.startswith("Compacted: "))
    assert "the last prompt had" in counts[0]
    assert "since older turns were summarised" in counts[1]
    assert counts[1].split()[2] == compacted.partition("-> about ")[2].split()[0]
