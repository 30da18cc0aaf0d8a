"""The assistant that this one follows was run against a vLLM server too, and failed. A test a failure: not here.

Each drives the real command line and is named after the promise it holds, V4 to V14. V3 needs the usual port, and so
stands with the embedded server in `test_provider`.
"""

import json
import time
from asyncio import to_thread
from pathlib import Path
from typing import Any

import pytest

from garra.testing import ScriptedModel
from tests.live.served import config, explicit, free_port, garra

pytestmark = [pytest.mark.anyio, pytest.mark.live]
LONG_S = 30.0
"""Far less than the 75 s of silent retries, and far more than a start and a refused connection take."""


def data(home: Path, *args: str, **env: str) -> dict[str, Any]:
    """What a command prints as JSON."""
    done = garra(home, *args, "--json", **env)
    assert done.returncode == 0, done.stdout + done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


async def test_v4_the_first_list_shows_what_is_served_and_nothing_in_it_is_guessed(home: Path) -> None:
    """There: nothing until it is told to refresh; window, images and reasoning are guesses."""
    async with ScriptedModel(max_model_len=5_432) as server:
        config(home, f"{{ {explicit(server.base_url)} }}")
        listed = await to_thread(data, home, "models", "list")
        probed = await to_thread(data, home, "models", "probe")

    assert [(model["key"], model["contextWindow"]) for model in listed["models"]] == [("vllm/scripted", 5_432)]
    assert any(b"image_url" in chat.raw for chat in server.chats)
    assert isinstance(probed["images"], bool)
    assert (listed["models"][0]["input"], listed["models"][0]["reasoning"]) == (["text"], False)


async def test_v6_a_listed_model_without_a_window_has_the_one_that_its_server_gives(home: Path) -> None:
    """There: 200,000 tokens, on a server that has 8,192."""
    row = '{ id: "scripted", name: "Mine" }'
    async with ScriptedModel() as server:
        config(home, f"{{ {explicit(server.base_url, row)} }}")
        listed = await to_thread(data, home, "models", "list")
        done = await to_thread(garra, home, "agent", "-m", "word " * 9_000)

    assert [model["contextWindow"] for model in listed["models"]] == [8_192]
    assert done.returncode == 1
    assert "8,192" in done.stderr


async def test_v9_a_variable_without_a_value_is_an_error_and_is_sent_to_nobody(home: Path) -> None:
    """There: the server gets the text `${VLLM_API_KEY}` for a key."""
    async with ScriptedModel() as server:
        config(home, f"{{ {explicit(server.base_url, key='${VLLM_API_KEY}')} }}")
        done = await to_thread(garra, home, "agent", "-m", "hello")
        heard = list(server.requests)
        again = await to_thread(garra, home, "agent", "-m", "hello", VLLM_API_KEY="now-set")

    assert done.returncode == 1
    assert "VLLM_API_KEY" in done.stderr
    assert "models.providers.vllm.apiKey" in done.stderr
    assert heard == []
    assert again.returncode == 0, again.stderr
    assert {request.headers.get("authorization") for request in server.chats} == {"Bearer now-set"}


async def test_v11_the_comments_of_the_file_outlive_every_command_that_writes_it(home: Path) -> None:
    """There: its own writes throw them away."""
    async with ScriptedModel() as server:
        file = config(home, f"// on the shelf\n{{ /* the lab's */ {explicit(server.base_url)}, // and no more\n}}\n")
        for command in (
            ("models", "set", "vllm/scripted"),
            ("config", "set", "agents.defaults.params.temperature", "0.5"),
            ("config", "unset", "agents.defaults.params.temperature"),
        ):
            done = await to_thread(garra, home, *command)
            assert done.returncode == 0, done.stderr

    written = file.read_text()
    assert all(comment in written for comment in ("// on the shelf", "/* the lab's */", "// and no more"))
    assert "vllm/scripted" in written
    assert "temperature" not in written


def test_v12_a_server_that_is_not_there_is_named_at_once(home: Path) -> None:
    """There: 75 s of silence, then a message that names no host."""
    base_url = f"http://127.0.0.1:{free_port()}/v1"
    config(home, f'{{ agents: {{ defaults: {{ model: "vllm/any" }} }}, {explicit(base_url)} }}')

    started = time.monotonic()
    done = garra(home, "agent", "-m", "hello")
    took_s = time.monotonic() - started

    assert done.returncode == 1
    assert f"curl {base_url}/models" in done.stderr
    assert took_s < LONG_S


async def test_v13_a_rejected_key_blocks_no_later_run(home: Path) -> None:
    """There: one 401 shuts the provider out, even for the right key."""
    async with ScriptedModel(["Hello!"], api_key="right") as server:
        config(home, f"{{ {explicit(server.base_url, key='${VLLM_API_KEY}')} }}")
        wrong = [await to_thread(garra, home, "agent", "-m", "hello", VLLM_API_KEY="wrong") for _ in range(2)]
        right = await to_thread(garra, home, "agent", "-m", "hello", VLLM_API_KEY="right")

    assert [done.returncode for done in wrong] == [1, 1]
    assert all("garra auth set vllm" in done.stderr and "VLLM_API_KEY" in done.stderr for done in wrong)
    assert right.returncode == 0, right.stderr
    assert "Hello!" in right.stdout


async def test_v14_an_unknown_model_is_answered_with_those_that_are_served(home: Path) -> None:
    """There: the message names nothing."""
    async with ScriptedModel(model="Org/Real-Model") as server:
        config(home, f'{{ agents: {{ defaults: {{ model: "vllm/Org/Reel-Model" }} }}, {explicit(server.base_url)} }}')
        done = await to_thread(garra, home, "agent", "-m", "hello")

    assert done.returncode == 1
    for part in ("Org/Reel-Model", server.base_url, "garra models set vllm/Org/Real-Model"):
        assert part in done.stderr
