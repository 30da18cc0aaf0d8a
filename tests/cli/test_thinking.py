"""`/think` and `/reasoning` in a conversation, and how thinking is drawn."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from garra.cli.show_reasoning import ReasoningView
from tests.cli.test_slash import chat


def config(row: dict[str, Any], **defaults: Any) -> str:
    """A configuration of one model that no server is needed for."""
    rows = [{"id": "m", "contextWindow": 4096, **row}]
    provider = {"baseUrl": "http://127.0.0.1:1/v1", "apiKey": "k", "models": rows}
    return json.dumps(
        {"models": {"providers": {"vllm": provider}}, "agents": {"defaults": {"model": "vllm/m", **defaults}}}
    )


SWITCH = config({"compat": {"thinkingFormat": "qwen-chat-template"}})


def test_think_shows_the_level_and_what_is_offered(home: Path) -> None:
    done = chat(home, "/think", config=SWITCH)

    assert "Thinking: off (the default)" in done.stderr
    assert "vllm/m offers: off, on." in done.stderr


def test_a_level_is_kept_for_the_conversation_and_taken_back(home: Path) -> None:
    chat(home, "/t on", config=SWITCH)

    again = chat(home, "/think", "/think default", "/thinking", config=SWITCH)

    assert [line for line in again.stderr.splitlines() if line.startswith(("Thinking", "From"))] == [
        "Thinking: on",
        "From here on: off (the default)",
        "Thinking: off (the default)",
    ]


def test_a_new_conversation_begins_with_the_default(home: Path) -> None:
    done = chat(home, "/think on", "/new", "/think", config=SWITCH)

    assert "Thinking: off (the default)" in done.stderr


def test_on_a_model_of_which_nothing_is_known_think_says_so_and_keeps_nothing(home: Path) -> None:
    done = chat(home, "/think high", "/think", config=config({}))

    assert done.returncode == 1
    assert done.stderr.count("Nothing is known of how vllm/m is told to think") == 2
    assert "From here on" not in done.stderr


def test_a_level_that_params_hold_fast_is_said_to_change_nothing(home: Path) -> None:
    held = config({"compat": {"supportsReasoningEffort": True}, "params": {"reasoning_effort": "low"}})

    done = chat(home, "/think high", config=held)

    assert "high, but params in the configuration keep reasoning_effort as it is" in done.stderr


def test_a_level_that_sends_nothing_says_so(home: Path) -> None:
    done = chat(home, "/think off", config=config({"compat": {"supportsReasoningEffort": True}}))

    assert "off, which sends nothing, so the server's own default holds" in done.stderr


def test_reasoning_is_hidden_unless_configured_or_asked_for(home: Path) -> None:
    plain = chat(home, "/reasoning", "/reasoning stream", "/reasoning default", config=SWITCH)
    configured = chat(home, "/reasoning", "/reasoning off", config=config({}, reasoningDefault="on"))

    assert [line for line in plain.stderr.splitlines() if line.startswith("Reasoning")] == [
        "Reasoning: off (hidden)",
        "Reasoning: stream (shown as it comes)",
        "Reasoning: off (hidden)",
    ]
    assert [line for line in configured.stderr.splitlines() if line.startswith("Reasoning")] == [
        "Reasoning: on (shown after the reply)",
        "Reasoning: off (hidden)",
    ]


def test_another_word_after_reasoning_is_refused(home: Path) -> None:
    done = chat(home, "/reasoning loud", config=SWITCH)

    assert done.returncode == 1
    assert "/reasoning takes one of off, on, stream or default, not 'loud'" in done.stderr


def drawn(mode: str) -> str:
    """A turn of two steps: thinking, a tool, more thinking, the answer."""
    out = io.StringIO()
    view = ReasoningView(out, mode, begin="(", end=")")
    for piece in ("\nFirst", " this.\n"):
        view.take(piece)
    view.pause()
    view.take("Then that.")
    view.pause()
    view.finish()
    return out.getvalue()


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("off", ""),
        ("stream", "(thinking: First this.\n)(thinking: Then that.)\n"),
        ("on", "(thinking: First this.\nThen that.)\n"),
    ],
)
def test_thinking_is_drawn_as_the_mode_says(mode: str, text: str) -> None:
    assert drawn(mode) == text


def test_thinking_of_an_attempt_that_failed_is_not_shown_afterwards() -> None:
    out = io.StringIO()
    view = ReasoningView(out, "on")

    view.take("a step that was stored")
    view.settle()
    view.take("wrong")
    view.pause()  # an answer began, and broke off
    view.take("wrong too")
    view.void()
    view.take("right")
    view.finish()

    assert out.getvalue() == "thinking: a step that was stored\nright\n"
