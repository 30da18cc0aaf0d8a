"""What onboarding writes: a few keys of the configuration, and the key of the server, which goes into the key store.

All of it or nothing: an edit that is refused takes the stored key back, and Ctrl-C waits until the writing is done.
What is there already stays, comments too.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from garra.cli.app import App
from garra.config.edit import Set, edit, get_value, refuse_read_only
from garra.config.keypath import KeyPath, format_path
from garra.config.load import Configuration
from garra.models.profiles import Profiles, change_profiles, load_profiles
from garra.models.providers import DEFAULT_BASE_URL, IMPLICIT, provider_ids


class Setup(msgspec.Struct, frozen=True):
    """What was decided. `key` is one to store; `reference` names the variable that holds it instead."""

    provider: str
    base_url: str
    model_id: str
    key: str | None = None
    reference: str | None = None
    workspace: str | None = None

    @property
    def ref(self) -> str:
        return f"{self.provider}/{self.model_id}"

    @property
    def profile(self) -> str:
        return f"{self.provider}:default"

    def __repr__(self) -> str:
        return f"Setup({self.ref} at {self.base_url})"  # without the key


def changes(configuration: Configuration, setup: Setup) -> list[Set]:
    """The keys that are set; none that says what holds anyway."""
    model: KeyPath = ("agents", "defaults", "model")
    plain = isinstance(get_value(configuration.data, model), str)
    provider: KeyPath = ("models", "providers", _written_name(configuration, setup.provider))
    wanted: list[tuple[KeyPath, Any]] = []
    if not _is_reached(configuration, setup):
        wanted.append(((*provider, "baseUrl"), setup.base_url))
    if setup.reference:
        wanted.append(((*provider, "apiKey"), f"${{{setup.reference}}}"))
    wanted.append((model if plain else (*model, "primary"), setup.ref))
    if setup.workspace:
        wanted.append((("agents", "defaults", "workspace"), setup.workspace))
    return [Set(path, value) for path, value in wanted if get_value(configuration.data, path, ...) != value]


def _written_name(configuration: Configuration, provider: str) -> str:
    """The provider's name as the configuration spells it."""
    names = configuration.config.models.providers
    return next((name for name in names if name.lower() == provider), provider)


def _is_reached(configuration: Configuration, setup: Setup) -> bool:
    """Whether the provider is at that address without a word."""
    settings = configuration.config.models.providers.get(_written_name(configuration, setup.provider))
    if settings is not None and settings.base_url is not None:
        return settings.base_url.rstrip("/") == setup.base_url
    if setup.provider != IMPLICIT or setup.base_url != DEFAULT_BASE_URL:
        return False
    profiles = load_profiles(configuration.paths.auth_file)
    if setup.key:
        profiles = profiles.with_key(setup.profile, setup.key)
    return bool(settings is not None or setup.reference) or IMPLICIT in provider_ids(configuration, profiles)


def shown(app: App, setup: Setup, wanted: list[Set]) -> list[str]:
    """What will be written, and where; the key is not shown."""
    lines = [f"{app.paths.config_file}: {format_path(change.path)} = {change.value}" for change in wanted]
    if setup.key:
        lines.append(f"{app.paths.auth_file}: the key, as {setup.profile}")
    return lines or [f"{app.paths.config_file}: nothing, all of it stands there already"]


def write(app: App, setup: Setup, wanted: list[Set]) -> Configuration:
    """Write all of it; the configuration as it is then."""
    refuse_read_only(app.env)
    before = load_profiles(app.paths.auth_file)
    with _undisturbed():
        if setup.key:
            key = setup.key
            change_profiles(app.paths.auth_file, lambda profiles: profiles.with_key(setup.profile, key))
        try:
            return edit(app.paths, app.env, wanted).configuration
        except BaseException:
            if setup.key:
                change_profiles(app.paths.auth_file, lambda profiles: _as_before(profiles, before, setup.profile))
            raise


def _as_before(profiles: Profiles, before: Profiles, profile: str) -> Profiles:
    key = before.key(profile)
    return profiles.with_key(profile, key) if key else profiles.without(profile)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold Ctrl-C back until the block is left."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
