"""The configuration's text, with what it includes, as plain data.

An include must lie in the folder of the configuration, or in a folder that `GARRA_INCLUDE_ROOTS` names. Nothing is
validated here but the includes themselves and the JSON5.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from garra.config.keypath import MAX_DEPTH
from garra.errors import ConfigError

if TYPE_CHECKING:
    from garra.config.text import Node

INCLUDE = "$include"
MAX_LEVELS = 10
MAX_BYTES = 2 * 1024 * 1024
MAX_PATH_CHARS = 4096


class Document(msgspec.Struct, frozen=True):
    """A configuration file's data, after its includes; `text` is that of the file itself."""

    file: Path
    text: str
    data: dict[str, Any]
    has_includes: bool


def read_document(file: Path, env: Mapping[str, str], text: str | None = None) -> Document:
    """The data of a configuration file; `text` stands for what the file will hold."""
    source = read_text(file) if text is None else text
    raw = decode(source, file)
    reader = _Includer(include_roots(file, env))
    data = reader.resolve(raw, file, (file.resolve(),))
    if not isinstance(data, dict):
        raise ConfigError(f"{file}: the configuration must be an object: {{ … }}")
    return Document(file, source, data, reader.used)


def is_there(file: Path) -> bool:
    """Whether the file exists. Raises where the system will not say: a name too long, a folder that is closed."""
    try:
        return file.exists()
    except OSError as error:
        raise ConfigError(f"cannot read {str(file)[:200]}: {error.strerror}") from error


def read_text(file: Path) -> str:
    """The text of a file, if it is a regular one of a sane size."""
    try:
        if not file.is_file():
            raise ConfigError(f"{file} {'is not a file' if file.exists() else 'does not exist'}")
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{file} is larger than 2 MB; that is no configuration file")
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error


def decode(text: str, file: Path) -> Any:
    """The data of a JSON5 text; a broken one names line, column and what was expected."""
    import pyjson5

    try:
        return pyjson5.decode(text, maxdepth=MAX_DEPTH)
    except pyjson5.Json5Exception as error:
        raise _broken(text, file, str(error.args[0])) from None


def _broken(text: str, file: Path, reason: str) -> ConfigError:
    """What is wrong with a text that could not be read; `reason` is the reader's own word for it."""
    try:
        tree(text, file)
    except ConfigError as error:
        return error
    near = re.search(r"near (\d+)", reason)
    return _broken_at(text, file, min(int(near[1]), len(text)) if near else 0, reason)


def _broken_at(text: str, file: Path, at: int, reason: str) -> ConfigError:
    from garra.config.text import line_and_column

    line, column = line_and_column(text, at)
    return ConfigError(f"{file} is not valid JSON5", [f"{file.name}:{line}:{column}: {reason}"])


def tree(text: str, file: Path) -> "Node":
    """The text with its positions. The fast reader lets a few oddities pass (`+-0`) that are refused here."""
    from garra.config.text import BrokenText, parse

    try:
        return parse(text)
    except BrokenText as fault:
        raise _broken_at(text, file, fault.at, fault.message) from None


def include_paths(value: Any) -> list[str] | None:
    """The paths that an object includes, None if it includes nothing; one that is no text stays in as it is."""
    if not isinstance(value, dict) or INCLUDE not in value:
        return None
    paths = value[INCLUDE]
    return paths if isinstance(paths, list) else [paths]


def include_file(path: Any, parent: Path, roots: tuple[Path, ...]) -> Path:
    """The file that an include names, if it may be read."""
    if not isinstance(path, str) or not path or "\0" in path or len(path) >= MAX_PATH_CHARS:
        raise ConfigError(f'{parent}: $include must be a path, or a list of paths: {{ $include: "./models.json5" }}')
    target = (parent.parent / Path(path).expanduser()).resolve()
    if not any(target.is_relative_to(root) for root in roots):
        raise ConfigError(
            f"{parent}: $include {path!r} lies outside {roots[0]}. Move it there, or name its folder in "
            "GARRA_INCLUDE_ROOTS"
        )
    return target


def include_roots(file: Path, env: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders that may be included from; the first is the configuration's own."""
    named = f"{env.get('GARRA_INCLUDE_ROOTS', '')}{os.pathsep}{env.get('OPENCLAW_INCLUDE_ROOTS', '')}"
    extra = (Path(root).expanduser() for root in named.split(os.pathsep) if root.strip())
    return tuple(folder.resolve() for folder in (file.parent, *extra))


class _Includer:
    """Replaces every `$include` by what it names."""

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self.roots = roots
        self.used = False

    def resolve(self, value: Any, file: Path, chain: tuple[Path, ...]) -> Any:
        """The value without includes. `chain` holds the files that led here."""
        if isinstance(value, list):
            return [self.resolve(item, file, chain) for item in value]
        if not isinstance(value, dict):
            return value
        siblings = {key: self.resolve(item, file, chain) for key, item in value.items() if key != INCLUDE}
        paths = include_paths(value)
        return siblings if paths is None else self._included(paths, siblings, file, chain)

    def _included(self, paths: list[str], siblings: dict[str, Any], file: Path, chain: tuple[Path, ...]) -> Any:
        self.used = True
        parts = [self._read(path, file, chain) for path in paths]
        if len(parts) == 1 and not siblings:
            return parts[0]
        merged: Any = {}
        for part in (*parts, siblings):
            if not isinstance(part, dict):
                raise ConfigError(f"{file}: what is included beside other keys must be an object")
            merged = merge(merged, part)
        return merged

    def _read(self, path: str, file: Path, chain: tuple[Path, ...]) -> Any:
        target = include_file(path, file, self.roots)
        if target in chain:
            raise ConfigError(f"{file}: $include {path!r} goes round in a circle: " + " > ".join(map(str, chain)))
        if len(chain) > MAX_LEVELS:
            raise ConfigError(f"{file}: $include {path!r} is nested deeper than {MAX_LEVELS} levels")
        if not target.is_file():
            raise ConfigError(f"{file}: $include {path!r} names {target}, which does not exist")
        return self.resolve(decode(read_text(target), target), target, (*chain, target))


def merge(below: Any, above: Any) -> Any:
    """Objects merge key by key, lists are joined, and of anything else the later one wins."""
    if isinstance(below, dict) and isinstance(above, dict):
        merged = dict(below)
        for key, value in above.items():
            merged[key] = merge(merged[key], value) if key in merged else value
        return merged
    if isinstance(below, list) and isinstance(above, list):
        return [*below, *above]
    return above
