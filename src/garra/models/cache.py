"""The file that remembers servers' answers.

It is a cache: one that is damaged, or of another version, is ignored and replaced, and one that cannot be written is
done without. It holds no keys. What a server said is kept under its base URL, so that no other server inherits it.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from garra.config.paths import locked_folder, private_folder, write_private
from garra.errors import ConfigError
from garra.models.catalogue import Listing, Tried
from garra.models.refs import ModelRef

_VERSION = 2


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

    def tried(self, ref: ModelRef, base_url: str) -> Tried | None:
        """What was last found out about a model on the server there, which may run otherwise by now."""
        return self._read().tried.get(tried_key(ref, base_url))

    def all_tried(self) -> Mapping[str, Tried]:
        """All that was found out, under `tried_key`."""
        return self._read().tried

    def keep_tried(self, ref: ModelRef, base_url: str, tried: Tried) -> None:
        """Remember what was found out."""
        self._change(lambda file: file.tried.update({tried_key(ref, base_url): tried}))

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


def tried_key(ref: ModelRef, base_url: str) -> str:
    """Under which what was found out about a model is kept: replicas of one provider are servers of their own."""
    return f"{ref} {base_url}"


def _place(provider: str, base_url: str) -> str:
    return f"{provider} {base_url}"
