"""Slash commands in a pipe: what is one, what comes after it, and which conversation it is about."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from garra.cli.slash.table import is_slash


def chat(home: Path, *lines: str, config: str = "{}") -> subprocess.CompletedProcess[str]:
    """A conversation of these lines, with nothing that serves a model."""
    file = home / "garra.json"
    file.write_text(config)
    return subprocess.run(
        [sys.executable, "-m", "garra", "--config", str(file), "chat"],
        input="".join(f"{line}\n" for line in lines),
        env=dict(os.environ, HOME=str(home)),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("line", ["/help", "/model vllm/Qwen/Qwen3-8B", "/nonsense", "/sessions a/b"])
def test_a_word_with_a_slash_before_it_is_a_command(line: str) -> None:
    assert is_slash(line)


@pytest.mark.parametrize("line", ["/etc/hosts looks odd", "/home/anna/notes.txt", "what does /help do?", "hello"])
def test_a_path_at_the_beginning_is_a_message(line: str) -> None:
    assert not is_slash(line)


def test_a_command_is_known_in_capitals_too(home: Path) -> None:
    done = chat(home, "/HELP")

    assert done.returncode == 0
    assert "/sessions" in done.stderr


def test_words_after_a_command_that_takes_none_are_not_dropped_in_silence(home: Path) -> None:
    done = chat(home, "/new and tell me a joke")

    assert done.returncode == 1
    assert "/new takes nothing after it" in done.stderr
    assert "A new conversation" not in done.stderr


def test_the_conversation_one_is_in_is_listed_before_anything_was_said_in_it(home: Path) -> None:
    done = chat(home, "/sessions work", "/sessions")

    assert "* agent:main:explicit:work (nothing said yet)" in done.stderr


def test_the_model_shown_is_that_of_the_agent_whose_conversation_it_is(home: Path) -> None:
    row = '{ id: "%s", contextWindow: 4096 }'
    config = (
        '{ models: { providers: { vllm: { baseUrl: "http://127.0.0.1:1/v1", apiKey: "k", models: '
        f'[{row % "first"}, {row % "second"}] }} }} }}, agents: {{ defaults: {{ model: "vllm/first" }}, '
        'entries: { main: { default: true }, research: { model: "vllm/second" } } } }'
    )

    done = chat(home, "/model", "/sessions agent:research:main", "/model", config=config)

    before, _, after = done.stderr.partition("Now in agent:research:main")
    assert "* vllm/first (4,096 tokens)" in before
    assert "* vllm/second (4,096 tokens)" in after
