"""Chat completions: a request out, the reply's events in.

Nothing here retries, logs or stores: the caller decides what a failure means, and what had arrived by then was given
already. `Finish` is always the last event; a generator that ends without an error has given one.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from garra.errors import ModelError
from garra.wire.body import request_body
from garra.wire.events import Event
from garra.wire.http import Http, HttpResponse, StreamResponse
from garra.wire.reading import ReplyReader
from garra.wire.request import ChatRequest, Endpoint
from garra.wire.status import error_of

__all__ = ["ChatCompletions", "ChatRequest", "Endpoint", "check_status", "error_of"]

ERROR_LIMIT_BYTES = 1024 * 1024
ERROR_LIMIT_S = 5.0


class ChatCompletions:
    """The models behind one endpoint. The caller owns the client."""

    def __init__(self, http: Http, endpoint: Endpoint) -> None:
        self._http, self._endpoint = http, endpoint

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event]:
        """Ask, and give the reply as it comes. Closing the generator ends the request at the server at once."""
        endpoint = self._endpoint
        body = request_body(request, max_tokens_field=endpoint.max_tokens_field, dialect=endpoint.dialect)
        async with self._http.stream(
            "POST",
            self._endpoint.url("chat/completions"),
            headers=self._endpoint.request_headers(),
            json=body,
            timeouts=self._endpoint.timeouts,
        ) as response:
            await check_status(response, self._endpoint, model=request.model)
            async with aclosing(ReplyReader(response, self._endpoint, request.model).events()) as events:
                async for event in events:
                    yield event


async def check_status(response: StreamResponse, endpoint: Endpoint, *, model: str = "") -> None:
    """Raise the fitting error unless the answer is a success."""
    if not 200 <= response.status < 300:
        try:
            async with asyncio.timeout(ERROR_LIMIT_S):
                body = await response.body(ERROR_LIMIT_BYTES)
        except (ModelError, TimeoutError):
            body = b""  # the status alone says what happened
        raise error_of(HttpResponse(response.status, response.headers, body), endpoint, model=model)
