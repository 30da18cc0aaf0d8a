"""Ask a server what it serves: `GET /models` turned into rows, with `GET /version` and `GET /metrics` beside it.

Nothing is guessed: a row that names no window has none. A failure is a typed error that names the URL; whoever asked
decides what it means.
"""

import asyncio
import time
from typing import Any

import msgspec

from garra.errors import GarraError, ModelError, StreamBroken
from garra.models.cache import Catalogue
from garra.models.catalogue import Listing, Served
from garra.models.facts import Process, get, get_json, process_of, root_url, stable_created
from garra.wire.body import decode
from garra.wire.http import Http
from garra.wire.request import Endpoint
from garra.wire.status import error_of

ASK_TIMEOUT_S, VERSION_TIMEOUT_S = 5.0, 2.0
# vLLM's own name first; then what other servers call the window that they serve, and at last the one trained for.
_WINDOW_NAMES = ("max_model_len", "context_length", "context_window", "context_size")
_WINDOW_NAMES_IN_META = ("n_ctx", "n_ctx_train")


class Answer(msgspec.Struct, frozen=True):
    """What is known of a server after asking it. With an `error`, `listing` is what it said before, if ever.

    `base_url` is the one of several servers that this is from; empty where none could be asked.
    """

    listing: Listing | None
    error: GarraError | None = None
    base_url: str = ""

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

    async def listing_of_any(self, endpoint: Endpoint, replicas: tuple[str, ...], *, refresh: bool = False) -> Answer:
        """What the server lists, or the first of its replicas that can be asked; else why it could not be itself."""
        places = [msgspec.structs.replace(endpoint, base_url=url) for url in replicas] or [endpoint]
        now = time.time()
        for place in () if refresh else places:
            known = self.last(place)
            if known is not None and known.is_fresh(now) and not (known.doubted and replicas):
                return Answer(known, base_url=place.base_url)
        answers = []
        for place in places:
            answers.append(await self.listing(place, refresh=refresh))
            if answers[-1].error is None:
                return msgspec.structs.replace(answers[-1], base_url=place.base_url)
            self.doubt(place)
        return answers[0]

    def last(self, endpoint: Endpoint) -> Listing | None:
        """What the server listed last, however long ago."""
        return self._catalogue.listing(endpoint.provider, endpoint.base_url)

    def doubt(self, endpoint: Endpoint) -> None:
        """The server failed: it may be another process when it answers again."""
        known = self.last(endpoint)
        if known is not None and not known.doubted:
            doubted = msgspec.structs.replace(known, doubted=True)
            self._catalogue.keep_listing(endpoint.provider, endpoint.base_url, doubted)


async def ask(http: Http, endpoint: Endpoint) -> Listing:
    """What the server lists now, and beside it its version and its process, where it tells."""
    asked_at = time.time()
    version = asyncio.create_task(server_version(http, endpoint))
    process = asyncio.create_task(process_of(http, endpoint))
    try:
        url = endpoint.url("models")
        response = await get(http, endpoint, url, ASK_TIMEOUT_S)
        if response.status != 200:
            raise error_of(response, endpoint, url=url)
        rows, seen = read_rows(response.body, url), await process
        if seen.started is None:
            seen = Process(stable_created(response), seen.prefix_caching)
        return Listing(asked_at, rows, await version, seen.started, seen.prefix_caching)
    finally:
        version.cancel()
        process.cancel()
        await asyncio.wait([version, process])


async def server_version(http: Http, endpoint: Endpoint) -> str | None:
    """What GET /version says; None where there is no such route."""
    answer = await get_json(http, endpoint, f"{root_url(endpoint)}/version", VERSION_TIMEOUT_S)
    found = answer.get("version") if isinstance(answer, dict) else None
    return found if isinstance(found, str) else None


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
    return tuple(Served(model_id, _window(row, rows), _root(row)) for model_id, row in reversed(rows.items()))


def _is_row(row: object) -> bool:
    return isinstance(row, dict) and isinstance(row.get("id"), str) and bool(row["id"].strip())


def _root(row: dict[str, Any]) -> str:
    """Where the weights are from, where that is another name than the model's."""
    root = row.get("root")
    return root if isinstance(root, str) and root != row["id"] else ""


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
