"""What a check of the configuration found, for people and for programs."""

from collections.abc import Mapping
from typing import Any

import msgspec

from garra.config.includes import is_there, read_document
from garra.config.load import PlacedFault, examine, layered_env, load_configuration
from garra.config.paths import Paths
from garra.errors import ConfigError


class Report(msgspec.Struct, frozen=True):
    """The result of a check. A missing variable is no fault: it is one for whoever needs it."""

    file: str
    exists: bool
    issues: tuple[PlacedFault, ...] = ()
    warnings: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()

    @property
    def valid(self) -> bool:
        """Whether the configuration can be used."""
        return not self.issues

    def lines(self) -> list[str]:
        """The report in words."""
        if self.issues:
            return [f"{self.file} is not valid:", *(f"  {issue}" for issue in self.issues)]
        head = f"{self.file} is valid" if self.exists else f"{self.file} does not exist; the defaults are used"
        wanted = [f"{path} wants the environment variable {name}, which is not set" for path, name in self.missing]
        return [head, *(f"warning: {line}" for line in (*self.warnings, *wanted))]

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "file": self.file,
            "exists": self.exists,
            "valid": self.valid,
            "issues": [msgspec.to_builtins(issue) for issue in self.issues],
            "warnings": list(self.warnings),
            "missing": [{"path": path, "variable": name} for path, name in self.missing],
        }


def report(paths: Paths, env: Mapping[str, str]) -> Report:
    """Check the configuration; what cannot even be read is an issue too."""
    name, exists = str(paths.config_file), False
    try:
        exists = is_there(paths.config_file)
        if not exists:
            load_configuration(paths, env)
            return Report(name, exists=False)
        variables = layered_env(paths, env)
        found, issues = examine(read_document(paths.config_file, variables), paths, variables)
    except ConfigError as error:
        return Report(name, exists, _unread(error, name))
    if found is None:
        return Report(name, True, issues)
    return Report(name, True, (), found.warnings, tuple((each.path, each.variable) for each in found.missing))


def _unread(error: ConfigError, name: str) -> tuple[PlacedFault, ...]:
    placed = [issue.partition(": ") for issue in error.issues]
    return tuple(PlacedFault("", place, said) for place, _, said in placed) or (PlacedFault("", name, str(error)),)
