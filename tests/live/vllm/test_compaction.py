"""V22 on the real server: a conversation that outgrows the window is summarised by the model, and goes on."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.live.served import config, explicit, garra
from tests.live.vllm.real import MODEL, Real

pytestmark = pytest.mark.live
PINNED = 3_000
"""A window that fills soon: what is told of the model is believed before what the server says."""

NOTHING_LIKE_IT = 100_000


def configured(real: Real, home: Path, window: int) -> None:
    row = f'{{ id: "{MODEL}", name: "Smol", contextWindow: {window} }}'
    provider = explicit(real.base_url, row, key=real.sent_key)
    params = "params: { temperature: 0, maxTokens: 40 }"
    config(home, f'{{ {provider}, agents: {{ defaults: {{ model: "vllm/{MODEL}", {params} }} }} }}')


def turn(home: Path, text: str) -> dict[str, Any]:
    done = garra(home, "agent", "--json", "-m", text)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_before_the_window_is_full_the_older_turns_become_a_summary(real: Real, home: Path) -> None:
    if real.name != "plain":
        pytest.skip("other flags change nothing here, and a window takes long to fill")
    configured(real, home, PINNED)
    said = [turn(home, f"Question {number}. {'The shelf is by the door. ' * 100}") for number in range(6)]

    assert all(one["reply"].strip() for one in said)
    assert any("summar" in notice.lower() for one in said for notice in one["notices"])
    assert max(one["usage"]["prompt_tokens"] for one in said) < PINNED
    shown = garra(home, "sessions", "show", "main").stdout
    assert all(f"Question {number}." in shown for number in range(6))


def test_a_prompt_that_the_server_finds_too_long_is_summarised_and_sent_again(real: Real, home: Path) -> None:
    """The configuration names a window that the server has not; its refusal is what tells."""
    if real.name != "key":
        pytest.skip("the smallest window is enough to fill once")
    configured(real, home, NOTHING_LIKE_IT)
    said = [turn(home, f"Question {number}. {'The shelf is by the door. ' * 200}") for number in range(4)]

    assert all(one["reply"].strip() for one in said)
    assert any("summar" in notice.lower() for one in said for notice in one["notices"])
