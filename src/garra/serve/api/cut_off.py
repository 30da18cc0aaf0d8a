"""What a client is told when the server stops before its reply has ended.

A server that stops cancels what is still running. Here that becomes a last word to the client, an error of the usual
shape, where the wire still carries one; it is nothing to write a traceback about.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from garra.serve.api.answers import DONE
from garra.serve.api.errors import Refused


class CutOff:
    """Plain ASGI middleware, the outermost."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun: list[Message] = []

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.append(message)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:
            if not begun:
                await _stopping().response()(scope, receive, send)
            elif _is_stream(begun[0]):
                last = b"data: " + _stopping().body() + b"\n\n" + DONE
                await send({"type": "http.response.body", "body": last, "more_body": False})


def _is_stream(start: Message) -> bool:
    return any(name == b"content-type" and b"event-stream" in value for name, value in start["headers"])


def _stopping() -> Refused:
    return Refused("The server is stopping; this request was not finished.", status=503, retry_s=5)
