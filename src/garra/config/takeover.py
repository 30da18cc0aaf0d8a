"""Takes an OpenClaw configuration over: the text with its comments, and what Garra needs to behave the same.

Reads the source and works out the result; only `carry_out` writes, and only into Garra's home. Secrets in the text
go into the private file and are never shown.
"""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec

from garra.config.edit import backup, get_value, refuse_read_only, write_config
from garra.config.includes import INCLUDE, Document, decode, read_document, tree
from garra.config.keypath import KeyPath, format_path
from garra.config.load import OPENCLAW_FILE, Configuration, interpret, layered_env
from garra.config.paths import Paths, expand, private_folder, write_private
from garra.config.splice import set_in
from garra.config.variables import read_dotenv
from garra.errors import ConfigError

_SHOWN_LEVELS = 3


class Takeover(msgspec.Struct, frozen=True):
    """What taking over would do. `lines` tell it in words, without secrets."""

    source: Path
    target: Path
    text: str
    dotenv: bytes | None
    lines: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Takeover({self.source} -> {self.target})"  # the text may hold secrets


def source_file(env: Mapping[str, str], path: str | None) -> Path:
    """The OpenClaw configuration that is meant."""
    if path:
        found = expand(path, env)
        return found / OPENCLAW_FILE if found.is_dir() else found
    if env.get("OPENCLAW_CONFIG_PATH"):
        return expand(env["OPENCLAW_CONFIG_PATH"], env)
    return expand(env.get("OPENCLAW_STATE_DIR") or "~/.openclaw", env) / OPENCLAW_FILE


def plan(paths: Paths, env: Mapping[str, str], source: Path) -> Takeover:
    """Work out what taking over the file would do; raises ConfigError where it is not valid."""
    if not source.exists():
        raise ConfigError(f"{source} does not exist; name the file: garra import openclaw PATH")
    there = Paths(paths.home, source, paths.models_cache)
    variables = {**read_dotenv(source.parent / ".env"), **layered_env(paths, env)}
    document = read_document(source, variables)
    found = interpret(document, there, variables)
    text, workspaces = _with_workspaces(_flat(document), source, found, env)
    here = Paths(paths.home, paths.home / "garra.json", paths.models_cache)
    interpret(read_document(here.config_file, variables, text), here, variables)
    dotenv, dotenv_lines = _dotenv(source, paths)
    lines = [*_taken(found), *workspaces, *dotenv_lines, *_remarks(document, found)]
    return Takeover(source, paths.config_file, text, dotenv, tuple(lines))


def carry_out(takeover: Takeover, paths: Paths, env: Mapping[str, str], *, force: bool) -> list[str]:
    """Write what was planned; the lines say what was written."""
    refuse_read_only(env)
    target, done = takeover.target, []
    if target.exists() and not force:
        raise ConfigError(f"{target} is already there; --force replaces it and keeps it as {backup(target, 0).name}")
    if target.exists():
        done.append(f"kept the old configuration as {backup(target, 0)}")
    if target.parent == paths.home or not target.parent.exists():
        private_folder(target.parent)
    write_config(target, takeover.text)
    done.append(f"wrote {target}")
    if takeover.dotenv is not None:
        write_private(paths.home / ".env", takeover.dotenv)
        done.append(f"wrote {paths.home / '.env'}")
    return done


def _flat(document: Document) -> str:
    """The text with everything that it includes put in its place, since includes may not lie elsewhere."""
    text = document.text
    tree(text, document.file)  # raises where positions cannot be told
    raw = decode(text, document.file)
    if INCLUDE in raw:
        return json.dumps(document.data, ensure_ascii=False, indent=2) + "\n"
    for path in _includes(raw, ()):
        text = set_in(text, path, get_value(document.data, path))
    return text


def _includes(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    """The outermost objects that include something."""
    if isinstance(value, dict) and INCLUDE in value:
        yield path
    elif isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _includes(item, (*path, key))


def _place(folder: Path) -> str:
    return f"{folder}, used where it is" if folder.is_dir() else f"{folder}, made there when it is first used"


def _with_workspaces(text: str, source: Path, found: Configuration, env: Mapping[str, str]) -> tuple[str, list[str]]:
    """The text with the folders that OpenClaw would use by default written down."""
    defaults = found.config.agents.defaults
    if defaults.workspace:
        return text, [f"workspace: {_place(expand(defaults.workspace, env))}"]
    named = env.get("OPENCLAW_WORKSPACE_DIR")
    folder = Path(named) if named else source.parent / "workspace"
    text = set_in(text, ("agents", "defaults", "workspace"), str(folder))
    lines = [f"workspace: {_place(folder)} (agents.defaults.workspace is added)"]
    for name, entry in found.config.agents.entries.items():
        if name != found.default_agent and not entry.workspace:
            own = source.parent / f"workspace-{name}"
            text = set_in(text, _written_entry(found, text, source, name), str(own))
            lines.append(f"workspace of {name}: {_place(own)}")
    return text, lines


def _written_entry(found: Configuration, text: str, source: Path, name: str) -> KeyPath:
    from garra.config.older import rewrite

    return rewrite(deepcopy(decode(text, source))).written(("agents", "entries", name, "workspace"))


def _taken(found: Configuration) -> list[str]:
    """The keys that Garra uses, to a readable depth; no values."""
    used = msgspec.to_builtins(found.config)
    keys = [path for path in _keys(found.data, ()) if get_value(used, path, default=...) is not ...]
    return [f"taken over: {format_path(path)}" for path in keys if path[0] not in ("meta", "$schema")]


def _keys(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    if isinstance(value, dict) and value and len(path) < _SHOWN_LEVELS:
        for key, item in value.items():
            yield from _keys(item, (*path, key))
    elif path:
        yield path


def _dotenv(source: Path, paths: Paths) -> tuple[bytes | None, list[str]]:
    """The `.env` beside the source is copied where there is none yet."""
    beside, own = source.parent / ".env", paths.home / ".env"
    theirs = read_dotenv(beside)
    if not theirs:
        return None, []
    if not own.exists():
        return beside.read_bytes(), [f"taken over: {beside} with {', '.join(theirs)}"]
    lacking = [name for name in theirs if name not in read_dotenv(own)]
    return None, [f"not taken over: {', '.join(lacking)} of {beside}; add them to {own}"] if lacking else []


def _remarks(document: Document, found: Configuration) -> list[str]:
    lines = list(found.warnings)
    lines += [f"{each.path} wants the environment variable {each.variable}, which is not set" for each in found.missing]
    if get_value(found.data, ("tools", "exec", "mode"), default=...) is ...:
        lines.append(
            "tools.exec.mode is not set: OpenClaw runs every command then, Garra asks first (mode full does not)"
        )
    if document.has_includes:
        lines.append("what is included was put into the one file; the comments of the included files stay behind")
    return lines
