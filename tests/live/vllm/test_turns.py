"""V15 to V17 on the real server: turns with the default tools, sessions that keep their prefix, stopping."""

import asyncio
import json
import signal
import subprocess
from asyncio import to_thread
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.live.served import GARRA, environment, garra
from tests.live.vllm.forcing import Asked, forcing
from tests.live.vllm.real import MODEL, Real

pytestmark = [pytest.mark.anyio, pytest.mark.live]
TURNS = 10
SOON_S = 10
"""How long a stopped reply may keep its place; unstopped it would take minutes."""


def turn(home: Path, text: str, *args: str) -> dict[str, Any]:
    """One `garra agent` turn in a process of its own."""
    done = garra(home, "agent", "--json", *args, "-m", text)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def note(home: Path) -> None:
    """The file that the forced call reads."""
    workspace = home / ".garra" / "workspace"
    workspace.mkdir(parents=True, exist_ok=True)
    (workspace / "note.txt").write_text("Milk, bread and the blue paint.\n")


def test_a_turn_with_the_default_tools_works_in_the_servers_window(real: Real, home: Path) -> None:
    """V15: 8,192 tokens, or 4,096; all of the default tools are in the prompt."""
    real.configured(home)

    said = turn(home, "Say hello.")

    assert said["reply"].strip()
    assert said["model"] == f"vllm/{MODEL}"
    assert 300 < said["usage"]["prompt_tokens"] < 1_000
    assert said["usage"]["completion_tokens"] <= 60


async def test_a_tool_runs_and_the_model_replies_to_its_result(real: Real, home: Path) -> None:
    """V17: the real model writes the call, whatever the server's parser makes of it."""
    note(home)
    async with forcing(real) as relay:
        real.configured(home, base_url=relay.base_url)
        said = await to_thread(turn, home, "What is in my note?")

    assert [(call["name"], call["failed"]) for call in said["tool_calls"]] == [("read", False)]
    assert said["steps"] == 2
    assert "<tool_call>" not in said["reply"]
    assert "blue paint" in relay.asked[1].body.decode()


async def test_a_long_session_is_served_from_the_prefix_cache_over_restarts(
    real: Real, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """V16: every request begins with the one before it, and the server reuses all of that but its last block."""
    if real.name != "parser":
        pytest.skip("other flags change nothing here, and the session is long")
    note(home)
    async with forcing(real) as relay:
        real.configured(home, base_url=relay.base_url, params="maxTokens: 24")
        for number in range(TURNS):
            await to_thread(turn, home, f"Question {number}: what is in my note?", "--session", "long")

    assert len(relay.asked) >= 2 * TURNS  # more where the model calls once more by itself
    for before, after in pairwise(relay.asked):
        assert begins_with(after, before)
        # Whole blocks alone are cached. The last token of a prompt may belong to another one once text follows it.
        whole = (before.prompt_tokens - 1) // real.block_tokens * real.block_tokens
        assert after.cached_tokens >= whole, (before.prompt_tokens, after)
        if "--enable-prompt-tokens-details" in real.flags:
            assert after.told_cached_tokens == after.cached_tokens
    with capsys.disabled():
        print(f"\n{shares(relay.asked, real)}")


def begins_with(after: Asked, before: Asked) -> bool:
    """Whether a request's tools and messages start with those of the one before it."""
    new, old = json.loads(after.body), json.loads(before.body)
    same_tools = new.get("tools") == old.get("tools")
    return bool(same_tools and new["messages"][: len(old["messages"])] == old["messages"])


def shares(asked: list[Asked], real: Real) -> str:
    """What of the prompts came from the cache, for people to read."""
    later = asked[1:]
    each = sorted(request.cached_tokens / request.prompt_tokens for request in later)
    cached, all_of_it = sum(one.cached_tokens for one in later), sum(one.prompt_tokens for one in later)
    return (
        f"prefix cache, {real.name}: {cached:,} of {all_of_it:,} prompt tokens of {len(later)} requests reused "
        f"({cached / all_of_it:.1%}; least {each[0]:.1%}), in blocks of {real.block_tokens}"
    )


async def test_stopping_a_reply_frees_its_place_on_the_server_at_once(real: Real, home: Path) -> None:
    """Ctrl-C: the reply would go on for a thousand tokens."""
    real.configured(home, params="maxTokens: 1500, extra_body: { ignore_eos: true }")
    process = subprocess.Popen(
        [*GARRA, "agent", "-m", "Tell me a long story."],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background would ignore it
    )
    assert process.stdout is not None
    assert process.stderr is not None
    first = await to_thread(process.stdout.read, 1)
    assert first, process.stderr.read()
    assert await running(real) == 1

    process.send_signal(signal.SIGINT)
    rest, complaint = await to_thread(process.communicate, timeout=60)

    assert process.returncode == 130, complaint
    async with asyncio.timeout(SOON_S):
        while await running(real):
            await asyncio.sleep(0.1)
    kept = await to_thread(garra, home, "sessions", "show", "main")
    assert (first + rest).strip()[:20] in kept.stdout


async def running(real: Real) -> float:
    """How many requests the server is working on."""
    counted = await to_thread(real.counters)
    return counted["vllm:num_requests_running"] + counted["vllm:num_requests_waiting"]
