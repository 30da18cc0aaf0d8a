"""Which key goes to which provider, and where it came from.

The order is: a stored profile (`garra auth set`), the environment (`VLLM_API_KEY`, `<PROVIDER>_API_KEY`), then what the
configuration says under the provider. A variable that has no value is an error that names it: its name is never sent in
its place. Where a key came from is for people; the key itself is never part of a message or a repr.
"""

import re

import msgspec

from garra.config.keypath import KeyPath, format_path
from garra.config.load import Configuration
from garra.config.section import Secret, SecretRef
from garra.errors import ConfigError
from garra.models.profiles import Profiles

PROFILE, VARIABLE = "auth profile", "environment variable"
# What other set-ups write where a server wants no key. "vllm-local" is not among them: it is no secret either, but a
# server may have been started with exactly that key, and one without a key does not mind it.
_NO_KEY = ("custom-local", "ollama-local")
# `$NAME`, and the name alone where it can be nothing else, as OpenClaw's own set-up writes it: "VLLM_API_KEY".
_NAMED_VARIABLE = re.compile(r"(?:\$(?=[A-Z][A-Z0-9_]*$)|(?=[A-Z][A-Z0-9_]*_API_KEY$))([A-Z][A-Z0-9_]*)")


class Key(msgspec.Struct, frozen=True):
    """A key and its origin. `value` None: what is there only says that none is wanted."""

    source: str
    value: str | None

    def __repr__(self) -> str:
        return f"Key(source={self.source!r})"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("source", self.source)]


def key_variable(provider: str) -> str:
    """The environment variable of a provider's key: VLLM_API_KEY, MY_SERVER_API_KEY."""
    return re.sub(r"[^A-Z0-9]", "_", provider.upper()) + "_API_KEY"


def profile_order(provider: str, configuration: Configuration, profiles: Profiles) -> tuple[str, ...]:
    """The stored profiles to use, best first: `auth.order` alone where it is set, else `auth.profiles`, then others."""
    auth = configuration.config.auth
    stored = profiles.of(provider)
    for name, ordered in auth.order.items():
        if name.lower() == provider:
            return tuple(profile for profile in ordered if profile in stored)
    named = [profile for profile, entry in auth.profiles.items() if entry.provider.lower() == provider]
    return tuple(dict.fromkeys([profile for profile in named if profile in stored] + list(stored)))


def find_key(
    provider: str,
    configuration: Configuration,
    profiles: Profiles,
    *,
    configured: tuple[KeyPath, Secret] | None = None,
    pinned: str | None = None,
) -> Key | None:
    """The key for a provider, and None where there is none. `configured` is its `apiKey` and where that stands."""
    if pinned is not None:
        return _pinned(pinned, provider, profiles)
    for profile in profile_order(provider, configuration, profiles):
        return _key(profiles.key(profile), f"{PROFILE} {profile}")
    if value := configuration.env.get(key_variable(provider), "").strip():
        return _key(value, f"{VARIABLE} {key_variable(provider)}")
    if configured is None:
        return None
    path, secret = configured
    source = format_path(path)
    variable = _variable(secret)
    if variable is None:
        return _key(configuration.secret(secret, source), source)
    if isinstance(secret, str):
        secret = SecretRef(variable)
    return _key(configuration.secret(secret, source), f"{source} ({VARIABLE} {variable})")


def _variable(secret: Secret) -> str | None:
    """The name of the variable that holds the key; None when the text is the key."""
    if isinstance(secret, SecretRef):
        return secret.id
    found = _NAMED_VARIABLE.fullmatch(secret)
    return found[1] if found else None


def _pinned(profile: str, provider: str, profiles: Profiles) -> Key:
    value = profiles.key(profile) if profile in profiles.of(provider) else None
    if value is None:
        stored = ", ".join(profiles.of(provider)) or "none"
        raise ConfigError(
            f"There is no auth profile {profile} (stored for {provider}: {stored}). Store one: garra auth set {profile}"
        )
    return _key(value, f"{PROFILE} {profile}")


def _key(value: str | None, source: str) -> Key:
    text = (value or "").strip()
    return Key(source, None if text in ("", *_NO_KEY) else text)
