"""The check of a provider's replicas: whether each answers, and serves what the first that answers does."""

import asyncio

import msgspec

from garra.config.load import Configuration
from garra.doctor.finding import Finding, command, hint, ok
from garra.doctor.parsers import serve_line
from garra.errors import ModelError
from garra.models.discovery import ask
from garra.models.providers import Access
from garra.wire.http import Http


async def check_replicas(http: Http, access: Access, configuration: Configuration) -> Finding:
    """Ask each of them what it serves."""
    asked = await asyncio.gather(*(_served(http, access, url) for url in access.replicas))
    served = {url: ids for url, ids in zip(access.replicas, asked, strict=True) if ids is not None}
    down = [url for url in access.replicas if url not in served]
    usual = next(iter(served.values()), frozenset())
    other = [url for url, ids in served.items() if ids != usual]
    if not down and not other:
        return ok("replicas", f"all {len(served)} answer, and serve the same")
    faults = [*(f"{url} does not answer" for url in down), *(f"{url} serves other models" for url in other)]
    name = min(usual, default="MODEL")
    mend = [serve_line(name, url) for url in (*down, *other)]
    mend.append(
        command(configuration.paths, "config", "set", f"models.providers.{access.provider}.baseUrls", "[URL, …]")
    )
    means = "Conversations move to those that answer, and begin there without their prefix in the cache."
    return hint("replicas", "; ".join(faults), means, *mend)


async def _served(http: Http, access: Access, base_url: str) -> frozenset[str] | None:
    """The ids that one of them lists; None where it cannot be asked."""
    try:
        return frozenset((await ask(http, msgspec.structs.replace(access.endpoint, base_url=base_url))).ids)
    except ModelError:
        return None
