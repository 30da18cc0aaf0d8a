"""Which model servers there are: those that are configured, and the usual ports of this machine.

A key goes to the server of its provider and to no other. Nothing is asked of other machines unless they are configured
or named. Writes nothing.
"""

import asyncio
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from garra.config.load import Configuration
from garra.errors import AuthRejected, ConfigError, GarraError, ModelError, RequestRefused, ServerSilent, StreamBroken
from garra.models.auth import find_key
from garra.models.discovery import ask
from garra.models.models import Models
from garra.models.profiles import load_profiles
from garra.models.providers import DEFAULT_BASE_URL, IMPLICIT, find_access, provider_ids
from garra.wire.address import parse_url
from garra.wire.http import Http
from garra.wire.request import Endpoint

USUAL = (
    ("vLLM", IMPLICIT, DEFAULT_BASE_URL),
    ("SGLang", "sglang", "http://127.0.0.1:30000/v1"),
    ("llama.cpp", "llamacpp", "http://127.0.0.1:8080/v1"),
    ("Ollama", "ollama", "http://127.0.0.1:11434/v1"),
    ("LM Studio", "lmstudio", "http://127.0.0.1:1234/v1"),
)
"""The programs whose port is looked at: name, provider id, base URL."""

LOOK_LIMIT_S = 2.0

_HOST_AND_PORT = r"([\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}(/\S*)?"


class Server(msgspec.Struct, frozen=True):
    """A server that answers. `wants_key`: it did not say what it serves, since it wants a key, or another one."""

    provider: str
    base_url: str
    served: tuple[str, ...] = ()
    wants_key: bool = False
    program: str = ""

    @property
    def line(self) -> str:
        """The server in one line."""
        what = "wants a key" if self.wants_key else f"serves {', '.join(self.served) or 'nothing'}"
        return f"{self.base_url}  {what}" + (f"  ({self.program}'s port)" if self.program else "")


async def find_servers(http: Http, configuration: Configuration) -> tuple[Server, ...]:
    """Every server that answers, the configured ones first."""
    models = Models(configuration, http)
    known = {provider: _base_url(models, provider) for provider in models.providers()}
    looks = [_look_at(http, _endpoint(configuration, provider, url)) for provider, url in known.items() if url]
    taken = {_place(url) for url in known.values() if url}
    for program, provider, url in USUAL:
        if _place(url) not in taken:
            looks.append(_look_at(http, Endpoint(url, provider=free_id(provider, known)), program))
    found = await asyncio.gather(*looks)
    return tuple(server for server in found if server is not None)


def _base_url(models: Models, provider: str) -> str:
    try:
        return models.access(provider).endpoint.base_url
    except GarraError:
        return ""  # it cannot be used as it is configured; `garra doctor` says why


def _endpoint(configuration: Configuration, provider: str, base_url: str) -> Endpoint:
    """The provider as it is configured; with `base_url`, and the key that it would have, where it is not."""
    profiles = load_profiles(configuration.paths.auth_file)
    if provider in provider_ids(configuration, profiles):
        access = find_access(provider, configuration, profiles)
        if _place(access.endpoint.base_url) == _place(base_url):
            return access.endpoint
    return Endpoint(base_url, provider=provider)


async def _look_at(http: Http, endpoint: Endpoint, program: str = "") -> Server | None:
    """What answers there; None where nothing does, or no model server."""
    try:
        async with asyncio.timeout(LOOK_LIMIT_S):
            return await look_at(http, endpoint, program)
    except (ModelError, ConfigError, TimeoutError):
        return None


async def look_at(http: Http, endpoint: Endpoint, program: str = "") -> Server:
    """What the server there serves. Raises why it does not say, unless all that it wants is a key."""
    try:
        listing = await ask(http, endpoint)
    except AuthRejected:
        return Server(endpoint.provider, endpoint.base_url, wants_key=True, program=program)
    return Server(endpoint.provider, endpoint.base_url, listing.ids, program=program)


async def look_for(http: Http, configuration: Configuration, provider: str, url: str, key: str | None) -> Server:
    """The server at a URL that a person gave; /v1 is put after it where it is missing."""
    endpoint = _endpoint(configuration, provider, url)
    endpoint = msgspec.structs.replace(endpoint, api_key=key) if key else endpoint
    try:
        return await look_at(http, endpoint)
    except (RequestRefused, StreamBroken, ServerSilent) as refused:
        if urlsplit(url).path.strip("/"):
            raise
        try:
            return await look_at(http, msgspec.structs.replace(endpoint, base_url=f"{url.rstrip('/')}/v1"))
        except GarraError:
            raise refused from None


def completed(address: str) -> str:
    """The URL of an address as people write it: `127.0.0.1:8000` is meant as http."""
    return f"http://{address}" if re.fullmatch(_HOST_AND_PORT, address) else address


def key_at_hand(configuration: Configuration, provider: str) -> str | None:
    """The key that the provider has by now, from the store, the environment or the configuration."""
    key = find_key(provider, configuration, load_profiles(configuration.paths.auth_file))
    return key.value if key else None


def provider_of(configuration: Configuration, base_url: str) -> str:
    """The provider for a URL: the configured one with that address, else vLLM's, else one named after the place."""
    providers = configuration.config.models.providers
    for name, settings in providers.items():
        if _place(settings.base_url or (DEFAULT_BASE_URL if name.lower() == IMPLICIT else "")) == _place(base_url):
            return name.lower()
    usual = next((provider for _, provider, url in USUAL if _place(url) == _place(base_url)), IMPLICIT)
    return free_id(usual, providers, base_url)


def free_id(wanted: str, known: Iterable[str], base_url: str = "") -> str:
    """A provider id that is not taken: what is configured is kept."""
    taken = {name.lower() for name in known}
    if wanted not in taken:
        return wanted
    parts = urlsplit(base_url)
    place = "-".join(filter(None, ((parts.hostname or "").replace(".", "-").replace(":", "-"), str(parts.port or ""))))
    named = f"{wanted}-{place}" if place else wanted
    return next(name for name in (named, *(f"{named}-{n}" for n in range(2, 1000))) if name not in taken)


def _place(url: str) -> tuple[str, int, str]:
    """What makes two URLs the same server."""
    try:
        target = parse_url(url)
    except ConfigError:
        return (url, 0, "")
    return ("127.0.0.1" if target.loopback else target.host, target.port, target.path.rstrip("/"))
