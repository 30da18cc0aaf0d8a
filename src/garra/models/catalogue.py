"""What is known of the models: the values that the other rooms see, and the file that remembers servers' answers.

The file is a cache: one that is damaged, or of another version, is ignored and replaced, and one that cannot be written
is done without. It holds no keys. What a server said is kept under its base URL, so that no other server inherits it.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from garra.config.paths import locked_folder, private_folder, write_private
from garra.errors import ConfigError, GarraError
from garra.models.refs import ModelRef
from garra.models.thinking import Thinking
from garra.wire.request import Endpoint

Source: TypeAlias = Literal["config", "server", "both", "cache"]

STALE_AFTER_S = 600.0
_VERSION = 1


class ModelEntry(msgspec.Struct, frozen=True):
    """One model that can be chosen. `window` and `max_tokens` are None where nobody said. `served_window` is the
    server's own word, also where the configuration pins another."""

    ref: ModelRef
    name: str
    window: int | None
    max_tokens: int | None
    reasoning: bool
    input: tuple[str, ...]
    source: Source
    served_window: int | None = None


class ProviderView(msgspec.Struct, frozen=True):
    """One provider as it stands. `entries` is its catalogue, `served` the ids that its server listed at `asked_at`.

    `error` says why the server could not be asked just now; `stale`: what is shown is what it said before.
    """

    id: str
    base_url: str
    key_source: str | None
    entries: tuple[ModelEntry, ...]
    asked_at: float | None = None
    error: GarraError | None = None
    stale: bool = False
    server_version: str | None = None
    served: tuple[str, ...] | None = None


class Chosen(msgspec.Struct, frozen=True):
    """The model that answers, and how to ask it. `pinned`: the window is the configuration's word, not the server's.

    `params` are merged, under their wire names; `unused` names configured ones that no request carries; `key_source`
    says where the key came from; `no_tools`: the configuration says that the model takes none. `thinking` is how its
    thinking can be set, and the level that `params` are for. `replicas` are the base URLs that serve it alike, that of
    the endpoint among them; empty where there is but one.
    """

    ref: ModelRef
    endpoint: Endpoint
    window: int | None
    max_tokens: int | None
    params: dict[str, Any]
    reasoning: bool
    pinned: bool
    unused: tuple[str, ...] = ()
    key_source: str | None = None
    profile: str | None = None
    no_tools: bool = False
    thinking: Thinking = Thinking()
    replicas: tuple[str, ...] = ()


class Capabilities(msgspec.Struct, frozen=True):
    """What a model on its server can do, found by trying once. `reason` says what a refusal was about."""

    tools: Literal["native", "refused", "unknown"]
    structured: bool
    tokenize: bool
    reason: str = ""
    version: str = ""


class Served(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model as its server lists it."""

    id: str
    window: int | None = None


class Listing(msgspec.Struct, frozen=True):
    """What one server answered, and when (epoch seconds)."""

    asked_at: float
    models: tuple[Served, ...]
    server_version: str | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(model.id for model in self.models)

    def window(self, model_id: str) -> int | None:
        """The window that the server gives a model."""
        return next((model.window for model in self.models if model.id == model_id), None)

    def is_fresh(self, now: float) -> bool:
        """Whether it may be used without asking again. An answer from the future is none."""
        return 0 <= now - self.asked_at < STALE_AFTER_S


class Tried(msgspec.Struct, frozen=True):
    """Capabilities as they were found, and on which server (`identity`)."""

    identity: str
    tried_at: float
    found: Capabilities


class _File(msgspec.Struct):
    version: int = _VERSION
    listings: dict[str, Listing] = {}
    tried: dict[str, Tried] = {}


class Catalogue:
    """The cache file. It is read anew each time, since other processes write it too."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def listing(self, provider: str, base_url: str) -> Listing | None:
        """What the server there last listed to this provider's key."""
        return self._read().listings.get(_place(provider, base_url))

    def keep_listing(self, provider: str, base_url: str, listing: Listing) -> None:
        """Remember what a server listed, in the place of what it listed before."""
        self._change(lambda file: file.listings.update({_place(provider, base_url): listing}))

    def tried(self, ref: ModelRef, identity: str) -> Tried | None:
        """What was found out about a model on exactly this server."""
        found = self._read().tried.get(str(ref))
        return found if found is not None and found.identity == identity else None

    def keep_tried(self, ref: ModelRef, tried: Tried) -> None:
        """Remember what was found out."""
        self._change(lambda file: file.tried.update({str(ref): tried}))

    def _read(self) -> _File:
        try:
            file = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return _File()
        return file if file.version == _VERSION else _File()

    def _change(self, change: Callable[[_File], None]) -> None:
        """Change the file as it is now, so that what another process wrote meanwhile is kept."""
        with suppress(ConfigError, OSError), locked_folder(private_folder(self._path.parent)):
            file = self._read()
            change(file)
            write_private(self._path, msgspec.json.encode(file))


def _place(provider: str, base_url: str) -> str:
    return f"{provider} {base_url}"
