"""The providers there are, and how to reach each: base URL, key, headers, time limits, listed models.

A provider is what the configuration lists under `models.providers`, and `vllm` at its usual address where it is not
listed there but opted into. Nothing is asked from any server here, and no key is read for a provider until it is used.
"""

from urllib.parse import urlsplit

import msgspec

from garra.config.keypath import KeyPath, format_path
from garra.config.load import Configuration
from garra.config.schema_models import ModelRow, Provider
from garra.config.section import Secret
from garra.errors import ConfigError
from garra.models.auth import Key, find_key, key_variable
from garra.models.profiles import Profiles
from garra.wire.address import basic, parse_url
from garra.wire.http import Timeouts
from garra.wire.request import Endpoint

IMPLICIT = "vllm"
DEFAULT_BASE_URL = "http://127.0.0.1:8000/v1"


class Access(msgspec.Struct, frozen=True):
    """How to reach one provider, and what the configuration says about it.

    `explicit`: it is listed in the configuration. `discovers`: what its server lists is part of the catalogue, as the
    wildcard says, or because no models are listed that could be one. `replicas`: all base URLs of several.
    """

    provider: str
    endpoint: Endpoint
    key: Key | None
    settings: Provider
    path: KeyPath
    explicit: bool
    discovers: bool
    replicas: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without the settings, which may hold secrets."""
        return f"Access({self.endpoint!r}, {self.key!r})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("endpoint", self.endpoint), ("key", self.key)]

    def row(self, model_id: str) -> ModelRow | None:
        """What the configuration says about one model."""
        return next((row for row in self.settings.models if row.id == model_id), None)

    @property
    def row_ids(self) -> tuple[str, ...]:
        """The ids of the listed models."""
        return tuple(row.id for row in self.settings.models)


def provider_ids(configuration: Configuration, profiles: Profiles) -> tuple[str, ...]:
    """Every provider, in the order of the configuration; the implicit one last."""
    listed = tuple(dict.fromkeys(name.lower() for name in configuration.config.models.providers))
    return (*listed, IMPLICIT) if _implicit(configuration, profiles, listed) else listed


def _implicit(configuration: Configuration, profiles: Profiles, listed: tuple[str, ...]) -> bool:
    """Whether vLLM's usual address is asked: opted in by a key, or there is nothing else that could be meant."""
    if IMPLICIT in listed or configuration.config.models.mode == "replace":
        return False
    has_key = bool(configuration.env.get(key_variable(IMPLICIT), "").strip() or profiles.of(IMPLICIT))
    return has_key or not listed


def find_access(
    provider: str, configuration: Configuration, profiles: Profiles, *, pinned: str | None = None
) -> Access:
    """How to reach a provider, one of `provider_ids`. Raises ConfigError for what keeps it from being used."""
    name, settings = _settings(provider, configuration)
    path: KeyPath = ("models", "providers", name)
    (base_url, credentials), *others = _base_urls(settings, path, configuration)
    headers, key = _headers(settings, path, configuration)
    configured = None if settings.api_key is None else ((*path, "apiKey"), settings.api_key)
    key = key or find_key(provider, configuration, profiles, configured=configured, pinned=pinned)
    login = {"Authorization": basic(credentials)} if credentials else {}
    endpoint = Endpoint(base_url, key.value if key else None, login | headers, _timeouts(settings), provider=provider)
    explicit = name in configuration.config.models.providers
    replicas = (base_url, *(url for url, _ in others)) if others else ()
    return Access(provider, endpoint, key, settings, path, explicit, _discovers(provider, configuration), replicas)


def shown_base_url(provider: str, configuration: Configuration) -> str:
    """The base URL for people, also where it cannot be used; without credentials."""
    name, settings = _settings(provider, configuration)
    try:
        return _base_urls(settings, ("models", "providers", name), configuration)[0][0]
    except ConfigError:
        return ""


def _settings(provider: str, configuration: Configuration) -> tuple[str, Provider]:
    """The provider's name as the configuration spells it, and what stands there."""
    for name, settings in configuration.config.models.providers.items():
        if name.lower() == provider:
            return name, settings
    return provider, Provider()


def _discovers(provider: str, configuration: Configuration) -> bool:
    config = configuration.config
    if config.models.mode == "replace":
        return False
    has_rows = bool(_settings(provider, configuration)[1].models)
    return not has_rows or any(name.lower() == f"{provider}/*" for name in config.agents.defaults.models)


def _base_urls(settings: Provider, path: KeyPath, configuration: Configuration) -> list[tuple[str, str]]:
    """The base URLs without trailing slashes, each once, and the user name and password that they held; never none."""
    written = [(settings.base_url, (*path, "baseUrl"))] if settings.base_url is not None else []
    written += [(url, (*path, "baseUrls", at)) for at, url in enumerate(settings.base_urls)]
    if not written and str(path[-1]).lower() != IMPLICIT:
        key_path = format_path((*path, "baseUrl"))
        raise ConfigError(f"{key_path} is missing. Set it: garra config set {key_path} http://HOST:PORT/v1")
    found: dict[str, str] = {}
    for url, place in written or [(DEFAULT_BASE_URL, (*path, "baseUrl"))]:
        key_path = format_path(place)
        configuration.check(key_path)
        base_url, credentials = clean_url(url, key_path)
        if found and credentials not in ("", next(iter(found.values()))):
            raise ConfigError(f"{key_path} has a login of its own; the replicas of a provider share the first one's")
        found.setdefault(base_url, credentials)
    return list(found.items())


def clean_url(url: str, key_path: str) -> tuple[str, str]:
    """A configured URL as it is used and shown, and its credentials apart."""
    try:
        target = parse_url(url)
    except ConfigError as error:
        raise ConfigError(f"{key_path} cannot be used. {error}") from None
    if urlsplit(url.strip()).query:
        raise ConfigError(
            f"{key_path} must end with the path, as in http://127.0.0.1:8000/v1; a query has no place in it"
        )
    return target.shown.rstrip("/"), target.credentials


def _headers(settings: Provider, path: KeyPath, configuration: Configuration) -> tuple[dict[str, str], Key | None]:
    """The provider's own headers, and the key where `request.auth` holds one."""
    headers = read_headers(settings.headers, (*path, "headers"), configuration)
    headers |= read_headers(settings.request.headers, (*path, "request", "headers"), configuration)
    auth, place = settings.request.auth, (*path, "request", "auth")
    if auth.mode == "authorization-bearer" and auth.token is not None:
        source = format_path((*place, "token"))
        return headers, Key(source, configuration.secret(auth.token, source))
    if auth.mode == "header" and auth.header_name and auth.value is not None:
        value = configuration.secret(auth.value, format_path((*place, "value"))) or ""
        return headers | {auth.header_name: f"{auth.prefix or ''}{value}"}, Key(format_path(place), None)
    return headers, None


def read_headers(headers: dict[str, Secret], path: KeyPath, configuration: Configuration) -> dict[str, str]:
    """Headers with their secrets filled in."""
    return {name: configuration.secret(value, format_path((*path, name))) or "" for name, value in headers.items()}


def _timeouts(settings: Provider) -> Timeouts:
    if settings.timeout_seconds is None:
        return Timeouts()
    return Timeouts(first_event_s=settings.timeout_seconds, gap_s=settings.timeout_seconds)
