"""Changes to the configuration file that keep its comments, or do not happen at all.

A change is refused, with nothing written, where the result would not be valid, the key comes from an included file, or
the configuration is read-only. What was there before is kept in a ring of five backups.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec

from garra.config.includes import Document, decode, is_there, read_document, read_text, tree
from garra.config.keypath import KeyPath, format_path
from garra.config.load import Configuration, interpret, layered_env
from garra.config.locate import Locator
from garra.config.older import Rewrite, rewrite
from garra.config.paths import Paths, locked_folder, private_folder, replace_file
from garra.config.splice import set_in, unset_in
from garra.errors import ConfigError

BACKUPS = 5


class Set(msgspec.Struct, frozen=True):
    """Put a value at a key."""

    path: KeyPath
    value: Any


class Unset(msgspec.Struct, frozen=True):
    """Take a key away."""

    path: KeyPath


Change = Set | Unset


class Edited(msgspec.Struct, frozen=True):
    """What an edit did: whether a byte changed, and the configuration as it is now."""

    changed: bool
    configuration: Configuration


def edit(paths: Paths, env: Mapping[str, str], changes: Sequence[Change]) -> Edited:
    """Make all the changes, or none."""
    refuse_read_only(env)
    if not paths.config_file.parent.exists() and not _worked_out(paths, env, changes)[1].changed:
        return _worked_out(paths, env, changes)[1]  # no folder is made for nothing
    _ready_folder(paths)
    with locked_folder(paths.config_file.parent):
        after, edited = _worked_out(paths, env, changes)
        if edited.changed:
            write_config(paths.config_file, after)
    return edited


def _worked_out(paths: Paths, env: Mapping[str, str], changes: Sequence[Change]) -> tuple[str, Edited]:
    """The text after the changes, and what they mean. Raises where the result would not be valid."""
    before = (read_text(paths.config_file) if is_there(paths.config_file) else "") or "{}\n"
    variables = layered_env(paths, env)
    after = changed_text(before, changes, paths.config_file, variables)
    document = read_document(paths.config_file, variables, after)
    configuration = interpret(document, paths, variables, verdict="would not be valid, so nothing was written")
    return after, Edited(after != before, configuration)


def changed_text(text: str, changes: Sequence[Change], file: Path, env: Mapping[str, str]) -> str:
    """The text after the changes; the same text where they change nothing."""
    for change in changes:
        text = _one(text, change, read_document(file, env, text), env)
    return text


def _one(text: str, change: Change, document: Document, env: Mapping[str, str]) -> str:
    tree(text, document.file)  # raises where positions cannot be told
    older = rewrite(deepcopy(document.data))
    path = _as_written(change.path, older)
    _refuse_included(document, path, env)
    raw = decode(text, document.file)
    if isinstance(change, Unset):
        return _checked(unset_in(text, path), document, unset_value(raw, path))
    for outdated in _replaced_by(path, raw):
        text, raw = unset_in(text, outdated), unset_value(raw, outdated)
    if get_value(raw, path, default=...) is not ... and same(get_value(raw, path), change.value):
        return text
    edited = set_in(text, path, change.value)
    return _checked(edited, document, set_value(raw, path, change.value))


def _as_written(path: KeyPath, older: Rewrite) -> KeyPath:
    """Where the file, in an older shape, holds the key. What became of `security` and `ask` is written anew."""
    written = older.written(path)
    return path if written[-1] in ("security", "ask") else written


def _replaced_by(path: KeyPath, raw: Any) -> list[KeyPath]:
    if path[-2:] != ("exec", "mode"):
        return []
    older = [(*path[:-1], key) for key in ("security", "ask")]
    return [each for each in older if get_value(raw, each, default=...) is not ...]


def _refuse_included(document: Document, path: KeyPath, env: Mapping[str, str]) -> None:
    included = Locator(document, env).included(path) if document.has_includes else None
    if included:
        raise ConfigError(f"{format_path(path)} comes from {included}, which is included; change it there")


def _checked(text: str, document: Document, expected: Any) -> str:
    """The text, if it says what it should: better no edit than a wrong one."""
    if not same(decode(text, document.file), expected):
        raise ConfigError(f"{document.file} cannot be edited without changing something else; edit it by hand")
    return text


def same(one: Any, other: Any) -> bool:
    """Equal, types included: true is not 1."""
    return repr(one) == repr(other)


def get_value(data: Any, path: KeyPath, default: Any = None) -> Any:
    """What stands at a path of plain data."""
    for key in path:
        if isinstance(key, str) and isinstance(data, Mapping) and key in data:
            data = data[key]
        elif isinstance(key, int) and isinstance(data, list) and key < len(data):
            data = data[key]
        else:
            return default
    return data


def set_value(data: Any, path: KeyPath, value: Any) -> Any:
    """The data with a value put at the path."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(key, int):
        items = list(data) if isinstance(data, list) else []
        inner = set_value(items[key] if key < len(items) else None, rest, value)
        return [*items[:key], inner, *items[key + 1 :]]
    members = data if isinstance(data, dict) else {}
    return {**members, key: set_value(members.get(key), rest, value)}


def unset_value(data: Any, path: KeyPath) -> Any:
    """The data without the key."""
    key, rest = path[0], path[1:]
    if isinstance(data, dict) and key in data:
        if rest:
            return {**data, key: unset_value(data[key], rest)}
        return {name: value for name, value in data.items() if name != key}
    if isinstance(data, list) and isinstance(key, int) and key < len(data):
        return [*data[:key], *([unset_value(data[key], rest)] if rest else []), *data[key + 1 :]]
    return data


def refuse_read_only(env: Mapping[str, str]) -> None:
    """Raise where the environment forbids changes."""
    for name in ("GARRA_CONFIG_READONLY", "OPENCLAW_CONFIG_READONLY", "OPENCLAW_NIX_MODE"):
        if env.get(name, "") not in ("", "0", "false"):
            raise ConfigError(
                f"the configuration is read-only here, because {name} is set; unset it to change something"
            )


def write_config(file: Path, text: str) -> None:
    """Replace the file; the one before it becomes `.bak`, that one `.bak.1`, and so on to `.bak.4`."""
    if file.exists():
        for number in range(BACKUPS - 1, 0, -1):
            older = backup(file, number - 1)
            if older.exists():
                older.replace(backup(file, number))
        replace_file(backup(file, 0), file.read_bytes())
    replace_file(file, text.encode())


def backup(file: Path, number: int) -> Path:
    """The name of a backup; 0 is the newest."""
    return file.with_name(f"{file.name}.bak.{number}" if number else f"{file.name}.bak")


def _ready_folder(paths: Paths) -> None:
    """Garra's own home is closed to others; the folder of a file elsewhere is left as it is."""
    folder = paths.config_file.parent
    if folder == paths.home or not folder.exists():
        private_folder(folder)
