"""What HTTP costs: `garra serve` beside the bare engine, in one run, taken in turns.

Both run the default model with the same settings on the same prompts, each in processes of its own; the bare engine
(bench/bare_engine.py) is handed token ids and has neither a pipe nor a server around it. Prints medians over the
rounds, and the cost of the layer as the median of what each round paid. Servers that run already (`--vllm`, `--llama`)
are asked the same, in the same turns.

The CPU of the HTTP process is counted by the kernel, so that a busy machine does not blur it as it does the rest.

    python bench/serve.py [--vllm URL] [--llama URL] [--rounds 7] [--limit 150]
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from garra.config.paths import resolve_paths
from garra.wire.http import Http

TOKENS, LONG_WORDS = 128, 1_900
AS_A_STREAM = {"temperature": 0, "ignore_eos": True, "stream": True, "stream_options": {"include_usage": True}}
TICKS = os.sysconf("SC_CLK_TCK")


class Run(Struct, frozen=True):
    """One job: how long to the first token, how long in all, and how many tokens came."""

    first_s: float
    total_s: float
    tokens: int

    @property
    def rate(self) -> float:
        return self.tokens / self.total_s


class Target(Protocol):
    """Whoever is measured."""

    name: str

    async def run(self, texts: list[str], max_tokens: int) -> Run: ...


class Bare:
    """The engine alone. The ids are those that the server made of the same messages."""

    name = "bare engine"

    def __init__(self, process: "subprocess.Popen[str]", tokenizer: "Server") -> None:
        self._process = process
        self._tokenizer = tokenizer

    async def run(self, texts: list[str], max_tokens: int) -> Run:
        prompts = [await self._tokenizer.ids(text) for text in texts]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"prompts": prompts, "max_tokens": max_tokens}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(await asyncio.to_thread(self._process.stdout.readline))
        return Run(answer["first_s"], answer["total_s"], answer["tokens"])


class Server:
    """An OpenAI-compatible server."""

    def __init__(self, name: str, url: str, http: Http) -> None:
        self.name = name
        self._url = url.rstrip("/").removesuffix("/v1")
        self._http = http
        self._model = ""

    async def run(self, texts: list[str], max_tokens: int) -> Run:
        if not self._model:
            rows = await self._http.request("GET", f"{self._url}/v1/models")
            self._model = json.loads(rows.body)["data"][0]["id"]
        start = time.perf_counter()
        firsts = await asyncio.gather(*(self._stream(text, max_tokens) for text in texts))
        return Run(min(firsts) - start, time.perf_counter() - start, len(texts) * max_tokens)

    async def _stream(self, text: str, max_tokens: int) -> float:
        """When the first frame came. That all tokens came is checked."""
        body = {"model": self._model, "messages": _messages(text), "max_tokens": max_tokens, **AS_A_STREAM}
        first, last = 0.0, b""
        url = f"{self._url}/v1/chat/completions"
        async with self._http.stream("POST", url, json=body) as response, aclosing(response.chunks()) as chunks:
            async for chunk in chunks:
                first = first or time.perf_counter()
                last = (last + chunk)[-4_000:]
        told = [json.loads(line[6:]) for line in last.splitlines() if line.startswith(b'data: {"') and b"usage" in line]
        assert told, f"{self.name} told no usage: {last!r}"
        assert told[-1]["usage"]["completion_tokens"] == max_tokens, told[-1]["usage"]
        return first

    async def ids(self, text: str) -> list[int]:
        """The prompt as the model gets it."""
        answer = await self._http.request("POST", f"{self._url}/tokenize", json={"messages": _messages(text)})
        ids: list[int] = json.loads(answer.body)["tokens"]
        return ids


def _messages(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


class Started(Struct, frozen=True):
    """A process of ours, ready."""

    process: "subprocess.Popen[str]"
    ready_s: float
    port: int = 0


@contextmanager
def serving(cache: Path) -> Iterator[Started]:
    """`garra serve`, until the block is left."""
    ready, child_end = os.pipe()
    command = [*(sys.executable, "-m", "garra", "serve", "--port", "0"), "--ready-fd", str(child_end)]
    env = {**{name: value for name, value in os.environ.items() if name != "VLLM_API_KEY"}, "GARRA_CACHE": str(cache)}
    start = time.perf_counter()
    process = subprocess.Popen(command, pass_fds=(child_end,), stdout=subprocess.PIPE, text=True, env=env)
    os.close(child_end)
    try:
        if os.read(ready, 6) != b"ready\n":
            raise SystemExit("garra serve did not start; see above.")
        ready_s = time.perf_counter() - start
        assert process.stdout is not None
        line = next(line for line in process.stdout if "Listening on" in line)
        yield Started(process, ready_s, int(line.split("/v1")[0].rpartition(":")[2]))
    finally:
        os.close(ready)
        process.terminate()
        process.wait(60)


@contextmanager
def bare_engine(cache: Path) -> Iterator[Started]:
    """The bare engine's process, until the block is left."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("bare_engine.py")), str(cache)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise SystemExit("The bare engine did not start; see above.")
        yield Started(process, time.perf_counter() - start)
    finally:
        process.kill()
        process.wait()


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def memory_mb(pid: int) -> float:
    """Resident, of the process and its descendants."""
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_s(pid: int) -> float:
    """What this process alone has computed so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


Rows = dict[str, dict[str, list[float]]]
"""Measure, target, and a value for each round."""


class Bench:
    """The rounds, and what they gave."""

    def __init__(self, targets: list[Target], http_pid: int) -> None:
        self.targets = targets
        self.rows: Rows = {}
        self._http_pid = http_pid

    async def round(self, number: int) -> None:
        """Everybody once, the order turned from round to round."""
        turned = self.targets[number % len(self.targets) :] + self.targets[: number % len(self.targets)]
        for streams in (1, 8):
            texts = [f"Tell the story number {random.randrange(10**9)} at length." for _ in range(streams)]
            for target in turned:
                before = cpu_s(self._http_pid)
                run = await target.run(texts, TOKENS)
                self._note(f"tokens/s, {streams}", target.name, run.rate)
                if target.name == "garra serve":
                    spent = (cpu_s(self._http_pid) - before) / run.tokens
                    self._note(f"CPU of the HTTP process per token, us, {streams}", target.name, spent * 1e6)
        long = " ".join(str(random.randrange(10)) for _ in range(LONG_WORDS // 2))
        for state in ("cold", "cached"):
            for target in turned:
                run = await target.run([long], 2)
                self._note(f"first token, {state}, ms", target.name, run.first_s * 1e3)

    def _note(self, measure: str, name: str, value: float) -> None:
        self.rows.setdefault(measure, {}).setdefault(name, []).append(value)


async def measure(bench: Bench, rounds: int, limit_s: float) -> int:
    """As many rounds as fit the time, three at least; how many."""
    start = time.perf_counter()
    for target in bench.targets:
        await target.run(["Warm up."] * 8, 8)
    for number in range(rounds):
        await bench.round(number)
        each_s = (time.perf_counter() - start) / (number + 1)
        if number >= 2 and time.perf_counter() - start + each_s > limit_s:
            return number + 1
    return rounds


def report(rows: Rows, names: list[str]) -> None:
    """Medians side by side, then what HTTP costs."""
    print(f"{'':44}" + "".join(f"{name:>16}" for name in names))
    for measure_, values in rows.items():
        cells = (f"{statistics.median(values[name]):16.1f}" if name in values else f"{'':16}" for name in names)
        print(f"{measure_:44}" + "".join(cells))
    print("\nWhat the layer costs, pair by pair (median, least, most):")
    for measure_, values in rows.items():
        if measure_.startswith("tokens/s"):
            _cost(values, measure_, "%", lambda bare, served: (bare - served) / bare * 100)
        elif measure_.startswith("first token"):
            _cost(values, measure_, "ms", lambda bare, served: served - bare)


def _cost(values: Mapping[str, list[float]], measure_: str, unit: str, of: Callable[[float, float], float]) -> None:
    costs = sorted(of(bare, served) for bare, served in zip(values[Bare.name], values["garra serve"], strict=True))
    print(f"  {measure_:24} {statistics.median(costs):+6.1f} {unit:2}  ({costs[0]:+.1f} to {costs[-1]:+.1f})")


async def run(args: argparse.Namespace, cache: Path) -> None:
    """Start all, measure, report."""
    with serving(cache):
        pass  # so that the next is a second start
    with serving(cache) as server, bare_engine(cache) as engine:
        async with Http() as http:
            ours = Server("garra serve", f"http://127.0.0.1:{server.port}", http)
            peers = [Server(name, url, http) for name, url in _peers(args)]
            targets: list[Target] = [Bare(engine.process, ours), ours, *peers]
            bench = Bench(targets, server.process.pid)
            rounds = await measure(bench, args.rounds, args.limit)
        print(f"{rounds} rounds, {TOKENS} tokens a stream, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
        bench.rows["ready, s"] = {Bare.name: [engine.ready_s], ours.name: [server.ready_s]}
        sizes = {Bare.name: memory_mb(engine.process.pid), ours.name: memory_mb(server.process.pid)}
        bench.rows["memory, MB"] = {name: [size] for name, size in sizes.items()}
        report(bench.rows, [target.name for target in targets])


def _peers(args: argparse.Namespace) -> list[tuple[str, Any]]:
    return [(name, url) for name, url in (("vLLM", args.vllm), ("llama.cpp", args.llama)) if url]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--vllm", metavar="URL", help="a vLLM server that runs already")
    parser.add_argument("--llama", metavar="URL", help="a llama.cpp server that runs already")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--limit", type=float, default=120.0, help="seconds for the rounds, of which there are three at least"
    )
    args = parser.parse_args()
    asyncio.run(run(args, resolve_paths(dict(os.environ)).models_cache))


if __name__ == "__main__":
    main()
