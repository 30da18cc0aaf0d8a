"""V18, V19 on the real server: parameters reach it, ones that nobody knows are refused, thinking is no answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.live.served import garra
from tests.live.vllm.real import Real

pytestmark = pytest.mark.live
SAMPLING = "topK: 1, min_p: 0.05, repetition_penalty: 1.1, top_p: 0.9, seed: 7, stop: ['zebra'], maxTokens: 8"


HELLO = 19556
"""The token of "Hello" in this model's vocabulary, as the recordings of /tokenize show it."""


def turn(home: Path, text: str) -> dict[str, Any]:
    done = garra(home, "agent", "--json", "-m", text)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_what_extra_body_holds_reaches_the_server(real: Real, home: Path) -> None:
    """A reply that only a bound model gives."""
    real.configured(home, params=f"maxTokens: 3, extra_body: {{ allowed_token_ids: [{HELLO}] }}")

    assert turn(home, "What is the capital of France?")["reply"] == "HelloHelloHello"


def test_sampling_parameters_are_taken_in_either_spelling(real: Real, home: Path) -> None:
    real.configured(home, params=SAMPLING)

    said = turn(home, "Say hello.")

    assert said["reply"].strip()
    assert said["usage"]["completion_tokens"] <= 8


def test_a_parameter_that_nobody_knows_is_refused_by_name_before_anything_is_sent(real: Real, home: Path) -> None:
    real.configured(home, params="temprature: 1")
    before = real.counters()["vllm:prompt_tokens_total"]

    done = garra(home, "agent", "-m", "Say hello.")

    assert done.returncode == 1
    assert "temprature" in done.stderr
    assert "extra_body" in done.stderr
    assert real.counters()["vllm:prompt_tokens_total"] == before


def test_thinking_within_the_text_is_kept_out_of_the_answer(real: Real, home: Path) -> None:
    """The real stream of a server without a reasoning parser, with the tags cut anywhere."""
    thought = r"<think>\nThe river is the Seine\.\n</think>\n\nParis it is\."
    bound = f"extra_body: {{ structured_outputs: {{ regex: {json.dumps(thought)} }} }}"
    real.configured(home, params=bound, more="tools: { deny: ['*'] }")

    assert turn(home, "Which city?")["reply"].strip() == "Paris it is."
