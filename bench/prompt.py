"""What a first hello sends, in tokens: the system text, the tools, the message, for each way of calling tools.

Counted by the tokenizer of the model that answers: that of a running vLLM server (`--url`), else that of the embedded
default model. nanobot stands beside it where its command is given (`--nanobot PATH`), with its own first hello counted
in the same way in the same run. What others were measured at elsewhere is printed apart, and never called measured.

    .venv/bin/python bench/prompt.py
"""

import argparse
import asyncio
import json
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from homes import GARRA, configure, turn

from garra.testing import ScriptedModel
from garra.wire.http import Http

Count = Callable[[str], Awaitable[int]]
PARTS = ("system", "tools", "message", "all")
ELSEWHERE = {"nanobot": 8_489, "Hermes": 14_102, "OpenClaw": 15_302}
TARGET = "target: under 1,000 tokens"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="the base URL of a running vLLM server, such as http://127.0.0.1:8000/v1")
    parser.add_argument("--nanobot", help="the nanobot command of another environment")
    given = parser.parse_args()
    asyncio.run(measure(given.url, given.nanobot))


async def measure(url: str | None, nanobot: str | None) -> None:
    async with Http() as http:
        count, by = await server_count(http, url) if url else await embedded_count()
        rows = {
            "garra, tools sent as `tools`": await counted(await first_hello(GARRA, takes_tools=True), count),
            "garra, tools in the prompt": await counted(await first_hello(GARRA, takes_tools=False), count),
        }
        if nanobot:
            rows["nanobot"] = await counted(await first_hello(nanobot, takes_tools=True), count)
    print(f"{f'tokens, by {by}':52}" + "".join(f"{part:>9}" for part in PARTS))
    for name, parts in rows.items():
        print(f"{name:52}" + "".join(f"{parts[part]:9,}" for part in PARTS))
    print(TARGET)
    told = ", ".join(f"{name} {tokens:,}" for name, tokens in ELSEWHERE.items() if name not in rows)
    print(f"measured elsewhere, with other tokenizers, and not in this run: {told}")


async def first_hello(command: str, *, takes_tools: bool) -> dict[str, Any]:
    """The body of the request that answers the first "hello" of a new home."""
    async with ScriptedModel(["Hello!"], takes_tools=takes_tools) as server:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            configure(home, server.base_url)
            (home / ".nanobot").mkdir()
            (home / ".nanobot" / "config.json").write_text(json.dumps(nanobot_config(server.base_url)))
            await turn(home, "agent", "-m", "hello", command=command)
    body: dict[str, Any] = max((chat.body for chat in server.chats), key=lambda body: len(json.dumps(body)))
    return body


def nanobot_config(base_url: str) -> dict[str, Any]:
    return {
        "providers": {"vllm": {"apiKey": "local", "apiBase": base_url}},
        "agents": {"defaults": {"model": "scripted", "provider": "vllm"}},
    }


async def counted(body: dict[str, Any], count: Count) -> dict[str, int]:
    """The tokens of each part, as its text is sent; what a chat template puts around them is not the client's."""
    texts = {"system": "", "message": "", "tools": json.dumps(body["tools"]) if body.get("tools") else ""}
    for message in body["messages"]:
        texts["system" if message["role"] == "system" else "message"] += _text(message["content"])
    parts = {part: await count(text) if text else 0 for part, text in texts.items()}
    return parts | {"all": sum(parts.values())}


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


async def server_count(http: Http, url: str) -> tuple[Count, str]:
    """Counting at the server's /tokenize, with its first model."""
    base_url = url.rstrip("/")
    listed = json.loads((await http.request("GET", f"{base_url}/models")).body)
    model = listed["data"][0]["id"]

    async def count(text: str) -> int:
        body = {"model": model, "prompt": text, "add_special_tokens": False}
        answer = await http.request("POST", f"{base_url.removesuffix('/v1')}/tokenize", json=body, timeout_s=30)
        tokens: int = json.loads(answer.body)["count"]
        return tokens

    return count, f"{model} at {base_url}"


async def embedded_count() -> tuple[Count, str]:
    """Counting with the tokenizer of the embedded default model."""
    from garra.serve.text.tokenizer import load_tokenizer
    from garra.serve.weights.progress import ConsoleProgress
    from garra.serve.weights.resolve import resolve_weights

    cache = Path(os.environ.get("GARRA_CACHE") or Path.home() / ".cache" / "garra")
    tokenizer = load_tokenizer(await resolve_weights("default", cache=cache, progress=ConsoleProgress()))

    async def count(text: str) -> int:
        return len(tokenizer.encode_text(text))

    return count, "SmolLM2's tokenizer"


if __name__ == "__main__":
    main()
