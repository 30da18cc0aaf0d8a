"""Which HTTP client should carry the wire: ours, or httpx2, httpcore2 or aiohttp.

Prints, side by side and as medians: the CPU that a process spends on importing each and on a first streamed request,
and what 200 concurrent streams of 50 tokens a second cost for some seconds: CPU of the reading process, and how late a
token is read after the server (another process) wrote it. A peer that is not installed is said to be so.

    python bench/wire.py [--streams 200] [--rate 50] [--seconds 5] [--runs 5]
"""

import argparse
import asyncio
import importlib
import importlib.util
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
STAMP = re.compile(rb'"content":" (\d+\.\d+)"')
Read = Callable[[bytes], None]
Reader = Callable[[str, int, Read], Coroutine[Any, Any, None]]


def frame() -> bytes:
    """One token as vLLM frames it; the token is the time it was written."""
    text = f'data: {{"id":"chatcmpl-b31f9c056bd66051","object":"chat.completion.chunk","created":1795358808,"model":"smollm2","choices":[{{"index":0,"delta":{{"content":" {time.monotonic():.6f}"}},"logprobs":null,"finish_reason":null,"token_ids":null}}]}}\n\n'  # noqa: E501
    return _chunk(text.encode())


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def serve(rate: float, seconds: float) -> None:
    """The server process: every request gets a stream, at an even rate."""
    frames = round(rate * seconds)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        await reader.readexactly(int(size[1]) if size else 0)
        writer.write(HEAD)
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number in range(1, frames + 1):
            writer.write(frame())
            await asyncio.sleep(start + number / rate - loop.time())
        writer.write(_chunk(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'))
        writer.write(b"0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def with_garra(url: str, streams: int, read: Read) -> None:
    """Our client, bytes only: what the others are measured on."""
    from garra.wire.http import Http

    async with Http() as http:

        async def one() -> None:
            async with http.stream("POST", url, json={}) as response, aclosing(response.chunks()) as chunks:
                async for chunk in chunks:
                    read(chunk)

        await asyncio.gather(*(one() for _ in range(streams)))


async def with_garra_events(url: str, streams: int, read: Read) -> None:
    """Our client and the reader behind it: the events that the loop gets."""
    from garra.wire.chat import ChatCompletions, ChatRequest, Endpoint
    from garra.wire.events import TextDelta
    from garra.wire.http import Http

    async with Http() as http:
        chat = ChatCompletions(http, Endpoint(url.removesuffix("/chat/completions")))

        async def one() -> None:
            async with aclosing(chat.stream(ChatRequest("m", ()))) as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        read(b'"content":"%b"' % event.text.encode())

        await asyncio.gather(*(one() for _ in range(streams)))


async def with_httpx2(url: str, streams: int, read: Read) -> None:
    httpx2 = importlib.import_module("httpx2")
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:

        async def one() -> None:
            async with client.stream("POST", url, json={}) as response:
                async for chunk in response.aiter_raw():
                    read(chunk)

        await asyncio.gather(*(one() for _ in range(streams)))


async def with_httpcore2(url: str, streams: int, read: Read) -> None:
    httpcore2 = importlib.import_module("httpcore2")
    async with httpcore2.AsyncConnectionPool(max_connections=1000) as pool:

        async def one() -> None:
            headers = {"content-length": "2", "content-type": "application/json"}
            timeout = {"timeout": {"read": 60}}
            async with pool.stream("POST", url, headers=headers, content=b"{}", extensions=timeout) as response:
                async for chunk in response.aiter_stream():
                    read(chunk)

        await asyncio.gather(*(one() for _ in range(streams)))


async def with_aiohttp(url: str, streams: int, read: Read) -> None:
    aiohttp = importlib.import_module("aiohttp")
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def one() -> None:
            async with session.post(url, json={}) as response:
                async for chunk in response.content.iter_any():
                    read(chunk)

        await asyncio.gather(*(one() for _ in range(streams)))


PEERS: dict[str, tuple[str, Reader]] = {
    "garra": ("garra.wire.http", with_garra),
    "garra, events": ("garra.wire.chat", with_garra_events),
    "httpx2": ("httpx2", with_httpx2),
    "httpcore2": ("httpcore2", with_httpcore2),
    "aiohttp": ("aiohttp", with_aiohttp),
}


async def measure(peer: str, url: str, streams: int) -> dict[str, float]:
    """In a process of its own: CPU and lag of reading so many streams."""
    lags: list[float] = []

    def read(chunk: bytes) -> None:
        now = time.monotonic()
        lags.extend(now - float(stamp) for stamp in STAMP.findall(chunk))

    importlib.import_module(PEERS[peer][0])
    imported_s = time.process_time()
    await PEERS[peer][1](url, streams, read)
    ordered = sorted(lags)
    return {
        "import_s": imported_s,
        "total_s": time.process_time(),
        "stream_s": time.process_time() - imported_s,
        "tokens": len(lags),
        "p50_ms": 1000 * ordered[len(lags) // 2],
        "p99_ms": 1000 * ordered[len(lags) * 99 // 100],
    }


def run(peer: str, *, streams: int, rate: float, seconds: float) -> dict[str, float]:
    """One measurement: a server process, a reading process."""
    arguments = [sys.executable, __file__, "--rate", str(rate), "--seconds", str(seconds)]
    with subprocess.Popen([*arguments, "--serve"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1/chat/completions"
        try:
            command = [*arguments, "--peer", peer, "--url", url, "--streams", str(streams)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        finally:
            server.terminate()
    result: dict[str, float] = json.loads(done.stdout)
    return result


def bare_s(runs: int) -> float:
    """CPU of a process that imports what everything here needs: asyncio and msgspec."""
    code = "import asyncio, msgspec, time; asyncio.run(asyncio.sleep(0)); print(time.process_time())"
    command = [sys.executable, "-c", code]
    return statistics.median(
        float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout) for _ in range(runs)
    )


def compare(streams: int, rate: float, seconds: float, runs: int) -> None:
    """The table, one peer a row."""
    bare = bare_s(max(runs, 5))
    print(f"CPU seconds of python, asyncio and msgspec alone: {bare:.3f} (taken off the first two columns)")
    print(f"{streams} streams, {rate:g} tokens/s each, {seconds:g} s; medians of {runs}")
    titles = ("import", "+1 request", "streams CPU", "us/token", "lag p50", "lag p99")
    print(f"{'client':15s}" + "".join(f"{title:>13s}" for title in titles))
    here = {peer: importlib.util.find_spec(module.partition(".")[0]) is not None for peer, (module, _) in PEERS.items()}
    present = [peer for peer, found in here.items() if found]
    # In turns, so that another load on the machine falls on all of them.
    first = [{peer: run(peer, streams=1, rate=1000, seconds=0.001) for peer in present} for _ in range(max(runs, 5))]
    many = [{peer: run(peer, streams=streams, rate=rate, seconds=seconds) for peer in present} for _ in range(runs)]
    for peer, found in here.items():
        cells = row([turn[peer] for turn in first], [turn[peer] for turn in many], bare) if found else "  not installed"
        print(f"{peer:15s}{cells}")


def row(first: list[dict[str, float]], many: list[dict[str, float]], bare: float) -> str:
    """One peer's medians."""
    cpu, tokens = _median(many, "stream_s"), _median(many, "tokens")
    cells = (
        f"{_median(first, 'import_s') - bare:.3f} s",
        f"{_median(first, 'total_s') - bare:.3f} s",
        f"{cpu:.2f} s",
        f"{1e6 * cpu / tokens:.0f}",
        f"{_median(many, 'p50_ms'):.1f} ms",
        f"{_median(many, 'p99_ms'):.1f} ms",
    )
    return "".join(f"{cell:>13s}" for cell in cells)


def _median(results: list[dict[str, float]], key: str) -> float:
    return statistics.median(result[key] for result in results)


async def _measured(peer: str, url: str, streams: int) -> None:
    print(json.dumps(await measure(peer, url, streams)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(given.rate, given.seconds))
    elif given.peer:
        asyncio.run(_measured(given.peer, given.url, given.streams))
    else:
        compare(given.streams, given.rate, given.seconds, given.runs)


if __name__ == "__main__":
    main()
