"""A whole `garra agent` turn: a file written by a tool, and a real model's reply to the result."""

import json
from asyncio import to_thread
from pathlib import Path

import pytest

from tests.live.relay import relay
from tests.live.served import Served, config, explicit, garra

pytestmark = [pytest.mark.anyio, pytest.mark.live]
MODEL = "Garra/Smol-LM2"
ARGUMENTS = '{"path": "notes/hello.txt", "content": "Hello, file.\\n"}'
CALL = f'<tool_call>\n{{"name": "write", "arguments": {ARGUMENTS}}}\n</tool_call>'


async def test_a_tool_writes_a_file_and_the_real_model_replies_to_its_result(served: Served, home: Path) -> None:
    async with relay(f"http://127.0.0.1:{served.port}", CALL, MODEL) as server:
        params = "params: { maxTokens: 40, temperature: 0 }"
        config(home, f"{{ {explicit(server.base_url)}, agents: {{ defaults: {{ {params} }} }} }}")

        done = await to_thread(garra, home, "agent", "--json", "-m", "Write a note that says hello.")

    assert done.returncode == 0, done.stdout + done.stderr
    assert (home / ".garra" / "workspace" / "notes" / "hello.txt").read_text() == "Hello, file.\n"
    report = json.loads(done.stdout)
    assert report["reply"].strip()
    assert report["steps"] == 2
    assert [(call["name"], call["failed"]) for call in report["tool_calls"]] == [("write", False)]
    first, second, *_ = (json.loads(body)["messages"] for body in server.asked)  # asked again where it goes in circles
    assert second[: len(first)] == first
    assert second[len(first)]["content"] == CALL
    shown = await to_thread(garra, home, "sessions", "show", "main")
    assert "notes/hello.txt" in shown.stdout
