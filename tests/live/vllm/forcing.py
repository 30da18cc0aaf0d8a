"""A relay before the real server that has it call a tool: what a small model would not do of its own accord.

Nothing is made up. The real model writes the call, bound by a regular expression that is put into the request; the
server's own parser and stream carry it. All other requests go through as they are. What was asked is kept byte for byte
as the client sent it, with the tokens that the server then counted.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from garra.wire.http import Http
from tests.live.relay import listening
from tests.live.vllm.real import Real

CALL = r'<tool_call>\n\{"name": "read", "arguments": \{"path": "note\.txt"\}\}\n</tool_call>'
"""The call that is forced, in the form that the model is told to write."""


class Asked(msgspec.Struct):
    """One streamed chat request: its bytes, and the server's counts. `cached` are tokens of the prefix cache."""

    body: bytes
    forced: bool
    prompt_tokens: int = 0
    cached_tokens: int = 0
    told_cached_tokens: int | None = None


class Forcing:
    """The relay. A request whose last word is the person's is answered with a call."""

    def __init__(self, real: Real) -> None:
        self._real, self._http = real, Http()
        self.asked: list[Asked] = []
        self.port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        if b'"stream":true' not in body:
            url, headers = self._real.root_url + request.url.path, _headers(request)
            answer = await self._http.request(request.method, url, headers=headers, json=body or None, timeout_s=60)
            return Response(answer.body, answer.status, media_type=answer.headers.get("content-type"))
        data = json.loads(body)
        asked = Asked(body, _is_the_persons(data["messages"][-1]))
        self.asked.append(asked)
        if asked.forced:
            body = json.dumps(data | {"structured_outputs": {"regex": CALL}}).encode()
        return StreamingResponse(self._stream(request, body, asked), media_type="text/event-stream")

    async def _stream(self, request: Request, body: bytes, asked: Asked) -> AsyncIterator[bytes]:
        url, said = self._real.root_url + request.url.path, bytearray()
        hits = self._real.counters()["vllm:prefix_cache_hits_total"]
        async with self._http.stream("POST", url, headers=_headers(request), json=body) as stream:
            assert stream.status == 200, await stream.body(10_000)
            async for chunk in stream.chunks():
                said += chunk
                if b"[DONE]" in said[-100:]:
                    self._count(asked, bytes(said), hits)
                yield chunk

    def _count(self, asked: Asked, said: bytes, hits_before: float) -> None:
        """Take the counts before the end of the reply is passed on: nothing else is asked of the server until then."""
        asked.cached_tokens = int(self._real.counters()["vllm:prefix_cache_hits_total"] - hits_before)
        frames = [json.loads(line[6:]) for line in said.splitlines() if line.startswith(b"data: {")]
        usage = next(frame["usage"] for frame in reversed(frames) if frame.get("usage"))
        asked.prompt_tokens = usage["prompt_tokens"]
        asked.told_cached_tokens = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")

    async def close(self) -> None:
        await self._http.close()


def _is_the_persons(message: dict[str, Any]) -> bool:
    return message["role"] == "user" and not str(message["content"]).startswith("<tool_response>")


def _headers(request: Request) -> dict[str, str]:
    names = ("authorization", "content-type")
    return {name: request.headers[name] for name in names if name in request.headers}


@asynccontextmanager
async def forcing(real: Real) -> AsyncIterator[Forcing]:
    """The relay, listening on the loopback address until the block is left."""
    made = Forcing(real)
    try:
        async with listening(made.answer) as made.port:
            yield made
    finally:
        await made.close()
