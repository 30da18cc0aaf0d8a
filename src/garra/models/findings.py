"""What was found out about the models on their servers: kept while it holds, found out anew when it does not.

It holds for one process of one server with one model: when a server was started again, maybe with other flags, all is
tried anew. Where a server does not tell when it was started, what it refused is tried again after a while.
"""

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from garra.errors import AuthRejected, ModelUnreachable, ServerSilent
from garra.models.cache import Catalogue, tried_key
from garra.models.catalogue import STALE_AFTER_S, Capabilities, Chosen, Listing, ModelEntry, Tried
from garra.models.discovery import Answer, Servers
from garra.models.providers import Access
from garra.models.refs import ModelRef
from garra.wire.http import Http

REFUSAL_HOLDS_S = 60.0
_SEEN_IN_USE = ("images", "structural_tag", "stream_usage", "cached_tokens", "begins_calls")
"""What is not tried each time, and stays known until it is."""


class Findings:
    """What the models can do. Errors are raised as the wire made them."""

    def __init__(self, http: Http, catalogue: Catalogue, servers: Servers) -> None:
        self._http, self._catalogue, self._servers = http, catalogue, servers

    async def of(self, chosen: Chosen) -> Capabilities:
        """As it was found out on this server, or by trying now."""
        last = self._servers.last(chosen.endpoint)
        answer = await self._servers.listing(chosen.endpoint, refresh=last is not None and last.doubted)
        _check(answer)
        known = self._known(chosen, answer)
        if known is not None and not _holds(known) and answer.listing is not None and answer.listing.started:
            answer = await self._asked_again(chosen, answer)
            known = self._known(chosen, answer)
            if known is not None:
                return _as_configured(known.found, chosen)  # the very process that refused before
        if known is not None and _holds(known):
            return _as_configured(known.found, chosen)
        return await self._try_out(chosen, answer)

    async def anew(self, chosen: Chosen, *, whole: bool) -> Capabilities:
        """By trying now."""
        return await self._try_out(chosen, await self._servers.listing(chosen.endpoint, refresh=True), whole=whole)

    def learn(self, chosen: Chosen, changes: Mapping[str, Any]) -> None:
        """Change what is known of the model on its server as it last was. Where nothing is known, nothing is kept."""
        known = self._known(chosen, Answer(self._servers.last(chosen.endpoint)))
        if known is None or all(getattr(known.found, name) == value for name, value in changes.items()):
            return
        found = msgspec.structs.replace(known.found, **changes)
        tried_at = time.time() if "tools" in changes or "structured" in changes else known.tried_at
        self._keep(chosen, Tried(known.identity, tried_at, found))

    def shown_in(self, entries: tuple[ModelEntry, ...], access: Access, answer: Answer) -> tuple[ModelEntry, ...]:
        """The entries with what is known of them already. Nothing is tried."""
        tried, base_url = self._catalogue.all_tried(), access.endpoint.base_url
        shown = []
        for entry in entries:
            known = tried.get(tried_key(entry.ref, base_url))
            same = known is not None and known.identity == _identity(entry.ref, base_url, answer.listing)
            shown.append(msgspec.structs.replace(entry, able=known.found) if known and same else entry)
        return tuple(shown)

    async def _asked_again(self, chosen: Chosen, answer: Answer) -> Answer:
        """What the server says it is now, where it was not asked just before."""
        asked_at = answer.listing.asked_at if answer.listing else 0.0
        if 0 <= time.time() - asked_at < REFUSAL_HOLDS_S:
            return answer
        return await self._servers.listing(chosen.endpoint, refresh=True)

    async def _try_out(self, chosen: Chosen, answer: Answer, *, whole: bool = False) -> Capabilities:
        from garra.models.capabilities import try_out, try_rest  # once for a server; most turns go without

        _check(answer)
        listing = answer.listing
        version = (listing.server_version if listing else None) or ""
        found = await try_out(self._http, chosen, version, listing.prefix_caching if listing else None)
        found = self._completed(chosen, answer, found)
        found = await try_rest(self._http, chosen, found) if whole else found
        if found.tools != "unknown" or found.parser:
            identity = _identity(chosen.ref, chosen.endpoint.base_url, listing)
            self._keep(chosen, Tried(identity, time.time(), found))
        return _as_configured(found, chosen)

    def _completed(self, chosen: Chosen, answer: Answer, found: Capabilities) -> Capabilities:
        """With what was seen on the same server before and was not tried now."""
        known = self._known(chosen, answer)
        if known is None:
            return found
        old = {name: getattr(known.found, name) for name in _SEEN_IN_USE if getattr(found, name) is None}
        field = found.reasoning_field or known.found.reasoning_field
        return msgspec.structs.replace(found, reasoning_field=field, **old)

    def _known(self, chosen: Chosen, answer: Answer) -> Tried | None:
        """What was found out on exactly this server."""
        base_url = chosen.endpoint.base_url
        known = self._catalogue.tried(chosen.ref, base_url)
        same = known is not None and known.identity == _identity(chosen.ref, base_url, answer.listing)
        return known if same else None

    def _keep(self, chosen: Chosen, tried: Tried) -> None:
        self._catalogue.keep_tried(chosen.ref, chosen.endpoint.base_url, tried)


def _check(answer: Answer) -> None:
    """Raise what keeps the server from being used. One without a list of models may answer all the same."""
    if isinstance(answer.error, ModelUnreachable | ServerSilent | AuthRejected):
        raise answer.error


def _identity(ref: ModelRef, base_url: str, listing: Listing | None) -> str:
    """What makes it another server, or another model under the same name."""
    if listing is None:
        return f"{base_url} {ref.id}"
    row = next((row for row in listing.models if row.id == ref.id), None)
    told = [listing.server_version, listing.started, row.root if row else "", row.window if row else None]
    return f"{base_url} {ref.id} {' '.join(map(str, told))}"


def _as_configured(found: Capabilities, chosen: Chosen) -> Capabilities:
    """What was found, but for tools where the configuration says that the model takes none."""
    if not chosen.no_tools:
        return found
    return msgspec.structs.replace(found, tools="refused", reason="the configuration says so: compat.supportsTools")


def _holds(known: Tried) -> bool:
    """Whether what was found still counts by itself. A refusal may be lifted by a restart, and most by another flag."""
    found = known.found
    if found.tools == "native" and found.structured:
        return True
    hold_s = REFUSAL_HOLDS_S if found.parser is False else STALE_AFTER_S
    return 0 <= time.time() - known.tried_at < hold_s
