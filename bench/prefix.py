"""How much of each request the server has seen before: the prefix that its cache can serve.

A session of `--turns` turns, each with a tool call and in a process of its own, against a scripted server on the
loopback address. For every request after the first: how much of the one before it begins it, byte for byte as it was
sent (tools, then messages), and how much of its own length that is. `--described`: the tools stand in the prompt.

With `--url`, the same session (without the calls) on a running vLLM server that does nothing else, and the share of the
prompt tokens that came from its prefix cache, by its own counters.

    .venv/bin/python bench/prefix.py
"""

import argparse
import asyncio
import json
import re
import statistics
import tempfile
from itertools import pairwise
from pathlib import Path

import msgspec
from homes import configure, turn

from garra.testing import Call, ScriptedModel, Step
from garra.wire.http import Http

HITS, QUERIES = "vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"


class Body(msgspec.Struct):
    """A request as its bytes came."""

    messages: list[msgspec.Raw]
    stream: bool = False
    tools: msgspec.Raw = msgspec.Raw(b"")

    def before_scalars(self) -> bytes:
        """All that a chat template makes the prompt of."""
        return b"\n".join([bytes(self.tools), *map(bytes, self.messages)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--described", action="store_true", help="the server takes no `tools`")
    parser.add_argument("--url", help="the base URL of a running vLLM server, such as http://127.0.0.1:8000/v1")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        asyncio.run(on_server(home, given.url, given.turns) if given.url else scripted(home, given))


async def scripted(home: Path, given: argparse.Namespace) -> None:
    script: list[Step] = []
    for number in range(given.turns):
        script += [[Call(f"call_{number}", "read", {"path": "note.txt"})], f"That is answer {number}."]
    async with ScriptedModel(script, max_model_len=1_000_000, takes_tools=not given.described) as server:
        configure(home, server.base_url)
        workspace = home / ".garra" / "workspace"
        workspace.mkdir()
        (workspace / "note.txt").write_text("Milk, bread and the blue paint.\n")
        for number in range(given.turns):
            await turn(home, "agent", "-m", f"Question {number}: what is in my note?")
        bodies = [msgspec.json.decode(chat.raw, type=Body) for chat in server.chats]
    report([body.before_scalars() for body in bodies if body.stream], given.turns)


def report(sent: list[bytes], turns: int) -> None:
    kept, share = [], []
    for before, after in pairwise(sent):
        common = common_prefix(before, after)
        kept.append(common / len(before))
        share.append(common / len(after))
    print(f"{len(sent)} requests of {turns} turns, each turn in a process of its own; {len(sent[-1]):,} bytes at last")
    print(f"of the request before, kept as a prefix: least {min(kept):.2%}, median {statistics.median(kept):.2%}")
    print(f"of the request itself, seen before:      least {min(share):.2%}, median {statistics.median(share):.2%}")
    print("target: 100% kept")


def common_prefix(one: bytes, other: bytes) -> int:
    """How many bytes they begin with alike."""
    shorter = min(len(one), len(other))
    if one[:shorter] == other[:shorter]:
        return shorter
    return next(place for place in range(shorter) if one[place] != other[place])


async def on_server(home: Path, url: str, turns: int) -> None:
    root_url = url.rstrip("/").removesuffix("/v1")
    configure(home, f"{root_url}/v1", temperature=0, maxTokens=24)
    shares = []
    async with Http() as http:
        await turn(home, "agent", "-m", "Question 0: what is two and two?")
        first = before = await counters(http, root_url)
        for number in range(1, turns):
            said = json.loads(await turn(home, "agent", "--json", "-m", f"Question {number}: what is two and two?"))
            now = await counters(http, root_url)
            hits, before = now[HITS] - before[HITS], now
            shares.append(hits / said["usage"]["prompt_tokens"])
    hits, asked = before[HITS] - first[HITS], before[QUERIES] - first[QUERIES]
    print(
        f"{turns} turns at {root_url}, each in a process of its own, {said['usage']['prompt_tokens']:,} tokens at last"
    )
    print(f"prompt tokens from the prefix cache: {hits:,.0f} of {asked:,.0f} ({hits / asked:.1%})")
    print(f"turn by turn: least {min(shares):.1%}, median {statistics.median(shares):.1%}, last {shares[-1]:.1%}")


async def counters(http: Http, root_url: str) -> dict[str, float]:
    """The server's counters of its prefix cache, over all of its engines."""
    text = (await http.request("GET", f"{root_url}/metrics")).body.decode()
    found = {name: re.findall(rf"^{name}\{{[^}}]*\}} (\S+)$", text, re.MULTILINE) for name in (HITS, QUERIES)}
    return {name: sum(map(float, values)) for name, values in found.items()}


if __name__ == "__main__":
    main()
