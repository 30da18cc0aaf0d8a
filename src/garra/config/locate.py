"""Where a key of the configuration is written: which file, which line. Only needed when something is wrong."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from garra.config.includes import INCLUDE, Document, include_file, include_paths, include_roots, read_text, tree
from garra.config.keypath import KeyPath
from garra.config.text import Node, find, find_member, line_and_column
from garra.errors import ConfigError


class _Spot:
    """A node, and the file and text that it stands in."""

    def __init__(self, file: Path, text: str, node: Node, at: int | None = None) -> None:
        self.file, self.text, self.node = file, text, node
        self.at = node.start if at is None else at

    def members(self) -> Any:
        """The `$include` of this object as data, None if there is none."""
        import pyjson5

        found = find(self.node, INCLUDE)
        return {INCLUDE: pyjson5.decode(self.text[found.start : found.end])} if found else None


class Locator:
    """Finds keys in one configuration and the files that it includes."""

    def __init__(self, document: Document, env: Mapping[str, str]) -> None:
        self.root = document.file
        self.roots = include_roots(document.file, env)
        self.start = _Spot(document.file, document.text, tree(document.text, document.file))

    def place(self, path: KeyPath) -> str:
        """`file:line` of a key; of the nearest object around it where it is not written itself."""
        spot = self.spot(path)
        line, _ = line_and_column(spot.text, spot.at)
        name = spot.file.relative_to(self.root.parent) if spot.file.is_relative_to(self.root.parent) else spot.file
        return f"{name}:{line}"

    def order(self, path: KeyPath) -> tuple[bool, Path, int]:
        """Sorts keys as they are written, the file itself first."""
        spot = self.spot(path)
        return spot.file != self.root, spot.file, spot.at

    def included(self, path: KeyPath) -> Path | None:
        """The file that the key, or the nearest object around it, was included from."""
        spot = self.spot(path)
        return spot.file if spot.file != self.root else None

    def spot(self, path: KeyPath) -> _Spot:
        """The place of a key, or of the nearest object around it."""
        at = self.start
        for key in path:
            inner = self._inner(at, key)
            if inner is None:
                break
            at = inner
        return at

    def _inner(self, spot: _Spot, key: str | int) -> _Spot | None:
        if isinstance(key, str) and (member := find_member(spot.node, key)):
            return _Spot(spot.file, spot.text, member.value, member.start)
        if isinstance(key, int) and (item := find(spot.node, key)):
            return _Spot(spot.file, spot.text, item)
        return next((found for part in self._parts(spot) if (found := self._inner(part, key))), None)

    def _parts(self, spot: _Spot) -> list[_Spot]:
        """What the object includes, the one that wins first."""
        parts = []
        for path in reversed(include_paths(spot.members()) or []):
            try:
                file = include_file(path, spot.file, self.roots)
                text = read_text(file)
                parts.append(_Spot(file, text, tree(text, file)))
            except ConfigError:
                continue
        return parts
