"""Ask a server what it serves: `GET /models` turned into rows, and `GET /version` beside it.

Nothing is guessed: a row that names no window has none. A failure is a typed error that names the URL; whoever asked
decides what it means.
"""

import asyncio
import time
from typing import Any

import msgspec

from garra.errors import GarraError, ModelError, ServerSilent, StreamBroken
from garra.models.catalogue import Catalogue, Listing, Served
from garra.wire.body import decode
from garra.wire.http import Http, HttpResponse
from garra.wire.request import Endpoint
from garra.wire.status import error_of

ASK_TIMEOUT_S, VERSION_TIMEOUT_S = 5.0, 2.0
ANSWER_LIMIT_BYTES = 16 * 1024 * 1024
# vLLM's own name first; then what other servers call the window that they serve, and at last the one trained for.
_WINDOW_NAMES = ("max_model_len", "context_length", "context_window", "context_size")
_WINDOW_NAMES_IN_META = ("n_ctx", "n_ctx_train")


class Answer(msgspec.Struct, frozen=True):
    """What is known of a server after asking it. With an `error`, `listing` is what it said before, if ever."""

    listing: Listing | None
    error: GarraError | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        return self.listing.ids if self.listing else ()

    def window(self, model_id: str) -> int | None:
        """The window that the server gives a model."""
        return self.listing.window(model_id) if self.listing else None


class Servers:
    """What the servers list: from the cache while that is fresh, else asked, each server once at a time."""

    def __init__(self, http: Http, catalogue: Catalogue) -> None:
        self._http, self._catalogue = http, catalogue
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def listing(self, endpoint: Endpoint, *, refresh: bool = False) -> Answer:
        """What the server lists. One that cannot be asked keeps its last good list; an empty answer replaces it."""
        place = endpoint.provider, endpoint.base_url
        async with self._locks.setdefault(place, asyncio.Lock()):
            known = self._catalogue.listing(*place)
            if known is not None and not refresh and known.is_fresh(time.time()):
                return Answer(known)
            try:
                listing = await ask(self._http, endpoint)
            except ModelError as error:
                return Answer(known, error)
            self._catalogue.keep_listing(*place, listing)
            return Answer(listing)

    def last(self, endpoint: Endpoint) -> Listing | None:
        """What the server listed last, however long ago."""
        return self._catalogue.listing(endpoint.provider, endpoint.base_url)


def root_url(endpoint: Endpoint) -> str:
    """The server's root, where /version and /tokenize are: beside /v1."""
    return endpoint.base_url.removesuffix("/v1")


async def ask(http: Http, endpoint: Endpoint) -> Listing:
    """What the server lists now, and its version where it tells."""
    asked_at = time.time()
    version = asyncio.create_task(server_version(http, endpoint))
    try:
        url = endpoint.url("models")
        response = await _get(http, endpoint, url)
        if response.status != 200:
            raise error_of(response, endpoint, url=url)
        return Listing(asked_at, read_rows(response.body, url), await version)
    finally:
        version.cancel()
        await asyncio.wait([version])


async def server_version(http: Http, endpoint: Endpoint) -> str | None:
    """What GET /version says; None where there is no such route."""
    try:
        response = await _get(http, endpoint, f"{root_url(endpoint)}/version", VERSION_TIMEOUT_S)
        answer = decode(response.body) if response.status == 200 else None
    except (ModelError, ValueError):
        return None
    found = answer.get("version") if isinstance(answer, dict) else None
    return found if isinstance(found, str) else None


async def _get(http: Http, endpoint: Endpoint, url: str, limit_s: float = ASK_TIMEOUT_S) -> HttpResponse:
    """One small GET, bounded in time as a whole."""
    headers = endpoint.request_headers() | {"accept": "application/json"}
    try:
        async with asyncio.timeout(limit_s):
            return await http.request("GET", url, headers=headers, timeout_s=limit_s, limit_bytes=ANSWER_LIMIT_BYTES)
    except TimeoutError:
        raise ServerSilent(f"{url} did not answer in full within {limit_s:g} s. Check with: curl {url}") from None


def read_rows(body: bytes, url: str) -> tuple[Served, ...]:
    """The rows of an answer to /models. Rows without an id are passed over; an answer without a list is refused."""
    try:
        answer = decode(body)
    except ValueError:
        raise StreamBroken(
            f"{url} answered with something that is no JSON. Is it a model server? Try: curl {url}"
        ) from None
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        raise StreamBroken(f"{url} answered without a list of models (`data`). Is it a model server? Try: curl {url}")
    rows = {row["id"]: row for row in reversed(data) if _is_row(row)}
    return tuple(Served(model_id, _window(row, rows)) for model_id, row in reversed(rows.items()))


def _is_row(row: object) -> bool:
    return isinstance(row, dict) and isinstance(row.get("id"), str) and bool(row["id"].strip())


def _window(row: dict[str, Any], rows: dict[str, dict[str, Any]]) -> int | None:
    """The row's window; an adapter has that of the model it was made for."""
    own = _own_window(row)
    parent = rows.get(row["parent"]) if isinstance(row.get("parent"), str) else None
    return own if own is not None or parent is None else _own_window(parent)


def _own_window(row: dict[str, Any]) -> int | None:
    meta = row.get("meta")
    values: list[Any] = [row.get(name) for name in _WINDOW_NAMES]
    values += [meta.get(name) for name in _WINDOW_NAMES_IN_META] if isinstance(meta, dict) else []
    return next((int(value) for value in values if type(value) in (int, float) and 1 <= value < 1e12), None)
