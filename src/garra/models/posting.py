"""One bounded POST to a model server, and its answer as JSON. Knows no route and judges no answer."""

import asyncio
from typing import Any

from garra.errors import ServerSilent
from garra.models.catalogue import Chosen
from garra.wire.body import decode
from garra.wire.http import Http, HttpResponse

POST_TIMEOUT_S = 10.0


async def post(
    http: Http, chosen: Chosen, url: str, body: dict[str, Any], timeout_s: float = POST_TIMEOUT_S
) -> HttpResponse:
    """One POST, bounded in time as a whole: an answer that drips is none."""
    headers = chosen.endpoint.request_headers() | {"accept": "application/json"}
    try:
        async with asyncio.timeout(timeout_s):
            return await http.request("POST", url, headers=headers, json=body, timeout_s=timeout_s)
    except TimeoutError:
        raise ServerSilent(f"{url} did not answer in full within {timeout_s:g} s. Check the server's log.") from None


def json_of(response: HttpResponse) -> Any:
    """The body, or None where it is no JSON."""
    try:
        return decode(response.body)
    except ValueError:
        return None
