"""A model server whose first words are written beforehand and whose other words are a real model's.

Small models do not call tools by themselves. So the call is scripted and everything else, the reply to its result
included, goes through to the real server.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from uvicorn import Config, Server

from garra.testing.frames import frames
from garra.testing.script import Answer
from garra.wire.http import Http


class Relay:
    """Plays `first` for the first streamed chat request, and passes all others on to `root_url`."""

    def __init__(self, root_url: str, first: str, model: str) -> None:
        self._root_url, self._first, self._model = root_url, first, model
        self._http = Http()
        self.asked: list[bytes] = []
        self.port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        if b'"stream":true' not in body:
            return await self._whole(request, body)
        self.asked.append(body)
        if len(self.asked) == 1:
            written = frames(Answer((self._first,)), model=self._model, prompt_tokens=1)
            return Response(b"".join(written), media_type="text/event-stream")
        return StreamingResponse(self._pass_on(request, body), media_type="text/event-stream")

    async def _whole(self, request: Request, body: bytes) -> Response:
        url = self._root_url + request.url.path
        answer = await self._http.request(request.method, url, headers=_headers(body), json=body or None, timeout_s=60)
        return Response(answer.body, answer.status, media_type=answer.headers.get("content-type"))

    async def _pass_on(self, request: Request, body: bytes) -> AsyncIterator[bytes]:
        url = self._root_url + request.url.path
        async with self._http.stream("POST", url, headers=_headers(body), json=body) as stream:
            async for chunk in stream.chunks():
                yield chunk

    async def close(self) -> None:
        await self._http.close()


def _headers(body: bytes) -> dict[str, str]:
    return {"content-type": "application/json"} if body else {}


@asynccontextmanager
async def relay(root_url: str, first: str, model: str) -> AsyncIterator[Relay]:
    """The relay, listening on the loopback address until the block is left."""
    made = Relay(root_url, first, model)
    try:
        async with listening(made.answer) as made.port:
            yield made
    finally:
        await made.close()


@asynccontextmanager
async def listening(answer: Callable[[Request], Awaitable[Response]]) -> AsyncIterator[int]:
    """A server that answers every request so; its port on the loopback address."""
    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    server = Server(Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving
