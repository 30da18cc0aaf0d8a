"""The promise on size: a first hello with the default tools is under 1,000 tokens."""

import json
from asyncio import to_thread
from pathlib import Path

import pytest

from garra.serve.text.tokenizer import load_tokenizer
from garra.serve.weights import resolve
from garra.serve.weights.progress import ConsoleProgress
from garra.testing import ScriptedModel
from tests.live.served import config, explicit, garra
from tests.serve.model_cache import CACHE

pytestmark = [pytest.mark.anyio, pytest.mark.live]


@pytest.mark.parametrize("takes_tools", [True, False])
async def test_a_first_hello_with_all_default_tools_is_under_a_thousand_tokens(takes_tools: bool, home: Path) -> None:
    async with ScriptedModel(["Hello!"], takes_tools=takes_tools) as server:
        config(home, f"{{ {explicit(server.base_url)} }}")
        done = await to_thread(garra, home, "agent", "-m", "hello")
    assert done.returncode == 0, done.stderr
    body = next(chat.body for chat in server.chats if chat.body.get("stream"))
    tokenizer = load_tokenizer(await resolve("default", cache=CACHE, progress=ConsoleProgress()))

    text = "\n".join(message["content"] for message in body["messages"]) + json.dumps(body.get("tools", []))

    for name in ("read", "write", "edit", "exec", "find_tools"):
        assert name in text
    assert len(tokenizer.encode_text(text)) < 1_000
