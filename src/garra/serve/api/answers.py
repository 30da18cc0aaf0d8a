"""Answers that end when the client goes away: a whole one, and a stream of server-sent events.

Both do their work while they listen for the client. Once it is gone the work is cancelled, and with it the engine's
place. An error before the first frame is an ordinary error answer; after it, a last frame of the stream.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from garra.errors import GarraError
from garra.serve.api.errors import Refused, refused_of

log = logging.getLogger("garra.serve")

DONE = b"data: [DONE]\n\n"


class Whole(Response):
    """A JSON answer that takes time to make."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, bytes]]) -> None:
        self._make = make
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer() -> None:
            try:
                response = Response(await self._make(), media_type="application/json")
            except (GarraError, Refused) as error:
                response = _refusal(error).response()
            await response(scope, receive, send)

        await while_connected(receive, answer())


class Stream(Response):
    """A stream of server-sent events. `frames` yields each as its whole bytes."""

    def __init__(self, frames: AsyncGenerator[bytes, None]) -> None:
        self._frames = frames
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await while_connected(receive, self._play(scope, receive, send))

    async def _play(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._frames) as frames:
            try:
                first = await anext(frames)
            except (GarraError, Refused) as error:
                await _refusal(error).response()(scope, receive, send)
                return
            await send({"type": "http.response.start", "status": 200, "headers": _EVENT_STREAM})
            await send({"type": "http.response.body", "body": first, "more_body": True})
            try:
                async for frame in frames:
                    await send({"type": "http.response.body", "body": frame, "more_body": True})
            except (GarraError, Refused) as error:
                last = b"data: " + _refusal(error).body() + b"\n\n"
                await send({"type": "http.response.body", "body": last, "more_body": True})
            await send({"type": "http.response.body", "body": DONE, "more_body": False})


_EVENT_STREAM = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


async def while_connected(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do the work for as long as somebody waits for it."""
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for task in (working, gone):
            task.cancel()
        for task in (working, gone):
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _refusal(error: GarraError | Refused) -> Refused:
    refused = error if isinstance(error, Refused) else refused_of(error)
    if refused.status >= 500:
        log.error("a request failed: %s", error)
    return refused
