"""How busy a server is, as its `/metrics` tell: one small question, bounded in time and size. Nothing is kept.

A server without that route, or whose answer is too long, too slow or no metrics of vLLM's, is not measured.
"""

import asyncio

import msgspec

from garra.errors import ModelError
from garra.models.facts import root_url
from garra.wire.http import Http
from garra.wire.request import Endpoint

ASK_TIMEOUT_S = 1.0
ANSWER_LIMIT_BYTES = 1024 * 1024
_RUNNING, _WAITING = "vllm:num_requests_running", "vllm:num_requests_waiting"


class Queue(msgspec.Struct, frozen=True):
    """How many requests the server is working on, and how many wait inside it."""

    running: int
    waiting: int


async def queue_of(http: Http, endpoint: Endpoint) -> Queue | None:
    """The server's queue now; None where it does not tell."""
    url = f"{root_url(endpoint)}/metrics"
    headers = endpoint.request_headers() | {"accept": "text/plain"}
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            answer = await http.request(
                "GET", url, headers=headers, timeout_s=ASK_TIMEOUT_S, limit_bytes=ANSWER_LIMIT_BYTES
            )
    except (ModelError, TimeoutError):
        return None
    return read_queue(answer.body.decode("utf-8", "replace")) if answer.status == 200 else None


def read_queue(metrics: str) -> Queue | None:
    """The queue in the text of the metrics, summed over the server's engines."""
    running, waiting = _sum(metrics, _RUNNING), _sum(metrics, _WAITING)
    return None if running is None or waiting is None else Queue(running, waiting)


def _sum(metrics: str, name: str) -> int | None:
    """The values of a gauge added up; None where there is none that can be read."""
    import re

    values = re.findall(rf"(?m)^{name}(?:{{.*}})? +(\S+)", metrics)
    try:
        return int(sum(map(float, values))) if values else None
    except (ValueError, OverflowError):
        return None
