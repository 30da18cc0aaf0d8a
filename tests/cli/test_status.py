"""`/status` and `/model` in the chat: who answers, where, and what speaks against it."""

import json
from pathlib import Path
from typing import Any

import pytest

from garra.testing import ScriptedModel
from tests.cli.test_compact import garra

pytestmark = pytest.mark.anyio


def configure(home: Path, model: Any, **providers: dict[str, Any]) -> None:
    agents = {"defaults": {"model": model, "workspace": str(home / "workspace")}}
    (home / "garra.json").write_text(json.dumps({"agents": agents, "models": {"providers": providers}}))


def status(aside: str) -> dict[str, str]:
    """The lines of the last status by their labels."""
    lines = aside[aside.rindex("model     ") :].splitlines()
    return {line.split()[0]: line.partition(" ")[2].strip() for line in lines if line}


async def test_the_status_names_the_replica_that_answers(home: Path) -> None:
    async with ScriptedModel() as first, ScriptedModel() as second:
        both = [first.base_url, second.base_url]
        configure(home, "vllm/scripted", vllm={"baseUrls": both, "apiKey": "local"})
        await garra(home, "chat", lines=("Hello.",))
        answered, other = (first, second) if first.played else (second, first)
        await answered.stop()
        _, _, aside = await garra(home, "chat", lines=("Hello again.", "/status"))

        assert other.played == 1
        assert status(aside)["model"] == f"vllm/scripted at {other.base_url} (8,192 tokens), 1 of 2 servers"


async def test_the_status_names_another_model_that_answered(home: Path) -> None:
    async with ScriptedModel() as first, ScriptedModel() as spare:
        providers = {"vllm": {"baseUrl": first.base_url}, "spare": {"baseUrl": spare.base_url}}
        configure(home, {"primary": "vllm/scripted", "fallbacks": ["spare/scripted"]}, **providers)
        _, _, before = await garra(home, "chat", lines=("Hello.", "/status"))
        port = first.port
        await first.stop()
        await garra(home, "agent", "-m", "And now?")
        async with ScriptedModel(port=port):
            _, _, after = await garra(home, "chat", lines=("/status",))

    assert "answered" not in status(before)
    assert status(after)["answered"] == "spare/scripted, the last time"
    assert status(after)["model"].startswith("vllm/scripted at ")


async def test_a_model_that_its_server_does_not_list_is_taken_with_a_warning(home: Path) -> None:
    async with ScriptedModel() as server:
        configure(home, "vllm/scripted", vllm={"baseUrl": server.base_url})
        _, _, aside = await garra(home, "chat", lines=("/model vllm/other", "/model vllm/scripted"))

    assert aside.count("warning:") == 1
    assert f"warning: {server.base_url} does not list it. Served there: scripted" in aside


async def test_the_status_of_the_model_names_all_its_servers_and_the_one_that_answers(home: Path) -> None:
    async with ScriptedModel() as first, ScriptedModel() as second:
        both = [first.base_url, second.base_url]
        configure(home, "vllm/scripted", vllm={"baseUrls": both})
        await first.stop()
        code, out, _ = await garra(home, "models", "status")

    assert code == 0
    assert f"Server      {second.base_url} (answers" in out
    assert f"Replicas    {', '.join(both)}" in out
