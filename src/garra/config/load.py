"""From the file to a typed configuration: includes, older shapes, variables, schema, in this order.

Nothing is created or written. Every fault is collected before one error is raised.
"""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec

from garra.config.check import Checker, Fault
from garra.config.includes import Document, is_there, read_document
from garra.config.keypath import KeyPath, format_path, parse_path
from garra.config.older import Rewrite, rewrite
from garra.config.paths import Paths, expand
from garra.config.rules import apply_rules, leave_out_unspoken
from garra.config.schema import AgentEntry, Config
from garra.config.section import SecretRef
from garra.config.variables import Missing, fill, read_dotenv
from garra.errors import ConfigError, MissingVariable

OPENCLAW_FILE = "openclaw.json"


class Configuration(msgspec.Struct, frozen=True):
    """What the person configured, with the environment it was read in.

    `data` is the file's content in today's shape, before variables are filled in and without defaults.
    """

    config: Config
    paths: Paths
    env: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()
    exists: bool = False
    data: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Configuration({self.paths.config_file})"  # the rest may hold secrets

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("config_file", self.paths.config_file)]

    def check(self, prefix: str) -> None:
        """Raise MissingVariable if a variable is missing at the key or below it. Call it before using a subtree."""
        wanted = parse_path(prefix)
        for missing in self.missing:
            if missing.key[: len(wanted)] == wanted:
                raise MissingVariable(missing.variable, missing.path)

    def secret(self, value: str | SecretRef | None, path: str) -> str | None:
        """The text of a secret: a literal, `$NAME`, or a reference to the environment."""
        self.check(path)
        if isinstance(value, SecretRef):
            return self._referenced(value, path)
        if isinstance(value, str) and value.startswith("$") and _is_variable_name(value[1:]):
            return self._variable(value[1:], path)
        return value or None

    def _referenced(self, ref: SecretRef, path: str) -> str:
        if ref.source != "env":
            raise ConfigError(f"{path}: secrets from {ref.source!r} cannot be read; use the source env")
        return self._variable(ref.id, path)

    def _variable(self, name: str, path: str) -> str:
        value = self.env.get(name)
        if not value:
            raise MissingVariable(name, path)
        return value

    @property
    def default_agent(self) -> str:
        """The agent that is meant where none is named."""
        entries = self.config.agents.entries
        marked = next((name for name, entry in entries.items() if entry.default), None)
        return marked or ("main" if "main" in entries or not entries else next(iter(entries)))

    def agent(self, agent: str = "main") -> AgentEntry:
        """An agent's own settings; `main` is the default agent where none has that name."""
        return self.config.agents.entries.get(self._agent_name(agent), AgentEntry())

    def _agent_name(self, agent: str) -> str:
        return agent if agent in self.config.agents.entries or agent != "main" else self.default_agent

    def workspace(self, agent: str = "main") -> Path:
        """The agent's working folder."""
        name = self._agent_name(agent)
        own, shared = self.agent(agent).workspace, self.config.agents.defaults.workspace
        if own:
            self.check(format_path(("agents", "entries", name, "workspace")))
            return expand(own, self.env)
        self.check("agents.defaults.workspace")
        base = expand(shared, self.env) if shared else self._usual_workspace()
        if name == self.default_agent:
            return base
        return base / name if shared else base.with_name(f"{base.name}-{name}")

    def _usual_workspace(self) -> Path:
        """Beside an OpenClaw configuration that is used as it is, its workspace; else Garra's own."""
        beside = self.paths.config_file.parent / "workspace"
        if self.paths.config_file.name == OPENCLAW_FILE and beside.is_dir():
            return beside
        return self.paths.default_workspace


def _is_variable_name(text: str) -> bool:
    return text.isascii() and text[:1].isalpha() and text.upper() == text and text.replace("_", "").isalnum()


def load_configuration(paths: Paths, env: Mapping[str, str]) -> Configuration:
    """The configuration; defaults where there is no file. Raises ConfigError with every fault."""
    env = layered_env(paths, env)
    if not is_there(paths.config_file):
        _must_be_usual(paths)
        return Configuration(Config(), paths, env)
    return interpret(read_document(paths.config_file, env), paths, env)


def _must_be_usual(paths: Paths) -> None:
    """Only the usual file may be absent: one that was named is a mistake in the name."""
    if paths.config_file != paths.home / "garra.json":
        raise ConfigError(
            f"{paths.config_file} does not exist. Check the name (--config, GARRA_CONFIG), or create it with: "
            f"garra --config {paths.config_file} config set KEY VALUE"
        )


def layered_env(paths: Paths, env: Mapping[str, str]) -> dict[str, str]:
    """The process environment, and what it lacks from the `.env` of the home, or of the OpenClaw folder in use."""
    beside = paths.config_file.parent / ".env"
    openclaw = read_dotenv(beside) if paths.config_file.name == OPENCLAW_FILE else {}
    return {**openclaw, **read_dotenv(paths.home / ".env"), **env}


def interpret(
    document: Document, paths: Paths, env: Mapping[str, str], *, verdict: str = "is not valid"
) -> Configuration:
    """The typed configuration of a document; raises ConfigError with every fault."""
    configuration, faults = examine(document, paths, env)
    if configuration is None:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ConfigError(f"{document.file} {verdict}: {count}", [str(fault) for fault in faults])
    return configuration


def examine(
    document: Document, paths: Paths, env: Mapping[str, str]
) -> tuple[Configuration | None, tuple["PlacedFault", ...]]:
    """The typed configuration, or all that is wrong with it."""
    data = deepcopy(document.data)
    older = rewrite(data)
    env = {**_variables(data, env), **env}
    missing: list[Missing] = []
    filled = fill(data, env, missing)
    left_out = leave_out_unspoken(filled)
    checker = Checker({each.key: each.variable for each in missing})
    clean = checker.clean(filled, Config, ())
    apply_rules(clean, checker)
    if faults := [*older.faults, *checker.faults]:
        return None, _placed(faults, document, older, env)
    unused = _outermost([*checker.unused, *older.removed])
    warnings = (*_unused(document.file, unused, older), *left_out)
    wanted = tuple(each for each in missing if not any(each.key[: len(key)] == key for key in unused))
    return Configuration(msgspec.convert(clean, Config), paths, env, warnings, wanted, True, data), ()


def _variables(data: dict[str, Any], env: Mapping[str, str]) -> dict[str, str]:
    """`env.vars`, themselves filled in; other values may use them."""
    section = data.get("env")
    values = section.get("vars") if isinstance(section, dict) else None
    if not isinstance(values, dict):
        return {}
    lost: list[Missing] = []
    filled = fill(values, env, lost)
    broken = {each.key[0] for each in lost}
    return {name: value for name, value in filled.items() if isinstance(value, str) and name not in broken}


def _outermost(keys: list[KeyPath]) -> list[KeyPath]:
    return [key for key in keys if not any(key[:length] in keys for length in range(1, len(key)))]


def _unused(file: Path, keys: list[KeyPath], older: Rewrite) -> list[str]:
    if not keys:
        return []
    listed = ", ".join(format_path(older.written(key)) for key in keys)
    return [
        f"{file.name} has {len(keys)} {'key that is' if len(keys) == 1 else 'keys that are'} not used yet: {listed}"
    ]


class PlacedFault(msgspec.Struct, frozen=True):
    """One thing that is wrong: the key as it is written, `file:line`, and the message."""

    path: str
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.path}: {self.message}" if self.path else f"{self.place}: {self.message}"


def _placed(faults: list[Fault], document: Document, older: Rewrite, env: Mapping[str, str]) -> tuple[PlacedFault, ...]:
    from garra.config.locate import Locator

    locator = Locator(document, env)
    written = [(older.written(fault.path), fault.message) for fault in faults]
    written.sort(key=lambda fault: locator.order(fault[0]))
    return tuple(PlacedFault(format_path(path), locator.place(path), message) for path, message in written)
