"""Facts that a server tells of itself beside its models: when its process began, its prefix cache, its parallel slots.

Small GETs, bounded in time and size. A route that is not there, or that answers otherwise than expected, is no fact and
no error. Asks for no reply of a model.
"""

import asyncio
import re
from typing import Any

import msgspec

from garra.errors import ModelError, ServerSilent
from garra.wire.body import decode
from garra.wire.http import Http, HttpResponse
from garra.wire.request import Endpoint

FACT_TIMEOUT_S = 2.0
ANSWER_LIMIT_BYTES = 16 * 1024 * 1024
METRICS_LIMIT_BYTES = 4 * 1024 * 1024
_STARTED = re.compile(rb"^process_start_time_seconds(?:\{[^}\n]*\})? ([0-9.e+]{1,32})$", re.MULTILINE)
_PREFIX_CACHING = re.compile(rb'^vllm:cache_config_info\{[^\n]*\benable_prefix_caching="(True|False)"', re.MULTILINE)
_NOT_NOW_S = 2.0
"""A `created` that is older than this when it is sent was not made up for the answer."""


class Process(msgspec.Struct, frozen=True):
    """A server's process, as /metrics tells. None: it does not."""

    started: float | None = None
    prefix_caching: bool | None = None


def root_url(endpoint: Endpoint) -> str:
    """The server's root, where /version and /tokenize are: beside /v1."""
    return endpoint.base_url.removesuffix("/v1")


async def process_of(http: Http, endpoint: Endpoint) -> Process:
    """When the process behind the server began, and whether it caches prefixes."""
    url = f"{root_url(endpoint)}/metrics"
    try:
        response = await get(http, endpoint, url, FACT_TIMEOUT_S, METRICS_LIMIT_BYTES)
    except ModelError:
        return Process()
    return read_process(response.body) if response.status == 200 else Process()


def read_process(metrics: bytes) -> Process:
    """The same from the text of /metrics. Several API processes tell no one start; then there is none."""
    started, caching = _STARTED.findall(metrics), _PREFIX_CACHING.search(metrics)
    try:
        began = float(started[0]) if len(started) == 1 else None
    except ValueError:
        began = None
    return Process(began, caching.group(1) == b"True" if caching else None)


def stable_created(response: HttpResponse) -> float | None:
    """The `created` of the first row of /models, where it is older than the answer by the server's own clock.

    `garra serve` writes the start of its process there, Ollama the day of the model; vLLM writes the present.
    """
    from email.utils import parsedate_to_datetime

    try:
        sent = parsedate_to_datetime(response.headers.get("date", "")).timestamp()
        created = decode(response.body)["data"][0]["created"]
    except (ValueError, TypeError, LookupError):
        return None
    return float(created) if type(created) in (int, float) and created < sent - _NOT_NOW_S else None


async def max_num_seqs(http: Http, endpoint: Endpoint) -> int | None:
    """How many requests the server runs at once, where it tells: vLLM in its development mode, SGLang, llama.cpp."""
    root = root_url(endpoint)
    answers = await asyncio.gather(
        get_json(http, endpoint, f"{root}/server_info?config_format=json", FACT_TIMEOUT_S),
        get_json(http, endpoint, f"{root}/props", FACT_TIMEOUT_S),
    )
    return next((found for answer in answers if (found := _slots(answer)) is not None), None)


def _slots(answer: Any) -> int | None:
    if not isinstance(answer, dict):
        return None
    config = answer.get("vllm_config")
    scheduler = config.get("scheduler_config") if isinstance(config, dict) else None
    told = scheduler.get("max_num_seqs") if isinstance(scheduler, dict) else None
    values = (told, answer.get("max_running_requests"), answer.get("total_slots"))
    return next((value for value in values if type(value) is int and 0 < value < 1_000_000), None)


async def get_json(http: Http, endpoint: Endpoint, url: str, limit_s: float) -> Any:
    """What a route answers; None where it does not answer, or with something else."""
    try:
        response = await get(http, endpoint, url, limit_s)
        return decode(response.body) if response.status == 200 else None
    except (ModelError, ValueError):
        return None


async def get(
    http: Http, endpoint: Endpoint, url: str, limit_s: float, limit_bytes: int = ANSWER_LIMIT_BYTES
) -> HttpResponse:
    """One small GET, bounded in time as a whole."""
    headers = endpoint.request_headers() | {"accept": "application/json, text/plain"}
    try:
        async with asyncio.timeout(limit_s):
            return await http.request("GET", url, headers=headers, timeout_s=limit_s, limit_bytes=limit_bytes)
    except TimeoutError:
        raise ServerSilent(f"{url} did not answer in full within {limit_s:g} s. Check with: curl {url}") from None
