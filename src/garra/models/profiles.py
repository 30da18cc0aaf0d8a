"""The keys that `garra auth` keeps, in one JSON file that nobody else may read.

The file is `{"version": 1, "profiles": {"vllm:default": {"type": "api_key", "provider": "vllm", "key": …}}}`. Profiles
of kinds that Garra cannot use are kept as they are. A file that cannot be read is an error and never overwritten: there
may be keys in it that exist nowhere else.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from garra.config.paths import locked_folder, private_folder, write_private
from garra.errors import ConfigError, UsageFault

_PROVIDER = re.compile(r"[a-z0-9][a-z0-9._-]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]*")
_SECRET_FIELDS = {"api_key": "key", "token": "token"}


class _File(msgspec.Struct, frozen=True):
    version: int = 1
    profiles: dict[str, dict[str, Any]] = {}


class Profiles:
    """What the file held when it was read. Changes give a new value; `save` writes it."""

    def __init__(self, entries: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._entries = {name: dict(entry) for name, entry in (entries or {}).items()}

    def key(self, profile_id: str) -> str | None:
        """The secret of a profile; None when there is no such profile, or none that holds a secret."""
        entry = self._entries.get(profile_id, {})
        secret = entry.get(_SECRET_FIELDS.get(str(entry.get("type")), ""))
        return secret if isinstance(secret, str) and secret else None

    def of(self, provider: str) -> tuple[str, ...]:
        """The provider's profiles that hold a secret, its `default` first, the others by name."""
        owned = [name for name in self._entries if _owner(name, self._entries[name]) == provider and self.key(name)]
        return tuple(sorted(owned, key=lambda name: (name != f"{provider}:default", name)))

    def providers(self) -> tuple[str, ...]:
        """Every provider that has a usable profile, sorted."""
        return tuple(sorted({_owner(name, self._entries[name]) for name in self._entries if self.key(name)}))

    def with_key(self, profile_id: str, key: str) -> "Profiles":
        """The same with this key added, or put in the place of the one that was there."""
        entry = {"type": "api_key", "provider": profile_id.partition(":")[0], "key": key}
        return Profiles(self._entries | {profile_id: entry})

    def without(self, profile_id: str) -> "Profiles":
        """The same without this profile."""
        return Profiles({name: entry for name, entry in self._entries.items() if name != profile_id})

    def save(self, path: Path) -> None:
        """Write the file, readable by its owner alone."""
        data = msgspec.json.encode(_File(profiles=self._entries))
        write_private(path, msgspec.json.format(data, indent=2) + b"\n")

    def __contains__(self, profile_id: object) -> bool:
        return profile_id in self._entries


def load_profiles(path: Path) -> Profiles:
    """What the file holds; nothing when there is none."""
    try:
        return Profiles(msgspec.json.decode(path.read_bytes(), type=_File).profiles)
    except FileNotFoundError:
        return Profiles()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not the JSON that garra auth writes"
        raise ConfigError(f"The keys in {path} cannot be read: {why}. Mend the file, or move it away.") from None


def change_profiles(path: Path, change: Callable[[Profiles], Profiles]) -> Profiles:
    """Change what is stored, one process at a time, so that no key is lost. Gives what is stored now."""
    with locked_folder(private_folder(path.parent)):
        profiles = change(load_profiles(path))
        profiles.save(path)
    return profiles


def profile_id(text: str, name: str | None = None) -> str:
    """`vllm`, `vllm:work` or `vllm` and a name, as the id of a profile."""
    provider, colon, inner = text.strip().partition(":")
    if colon and name:
        raise UsageFault(f"The profile is named twice: {text} and --profile {name}.")
    provider, name = provider.lower(), inner if colon else name or "default"
    if not _PROVIDER.fullmatch(provider) or not _NAME.fullmatch(name):
        raise UsageFault(f"{provider}:{name} is no profile. Write PROVIDER or PROVIDER:NAME, as in: vllm:work")
    return f"{provider}:{name}"


def clean_key(text: str) -> str:
    """The key without the space around it; refused when it could not stand in an HTTP header."""
    key = text.strip()
    if not key:
        raise UsageFault("The key is empty, so nothing was stored.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageFault("The key holds a space, a line break or a character that no HTTP header can carry.")
    return key


def _owner(name: str, entry: Mapping[str, Any]) -> str:
    provider = entry.get("provider")
    return provider.lower() if isinstance(provider, str) and provider else name.partition(":")[0].lower()
