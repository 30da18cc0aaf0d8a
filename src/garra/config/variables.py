"""`${VAR}` in the configuration's texts, and the `.env` file. The names are those of shell variables, in capitals.

A variable that is missing or empty leaves the text as it is and is reported: nobody may use that text as a value.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from garra.config.keypath import KeyPath, format_path

_VARIABLE = re.compile(r"(\$?)\$\{([A-Z_][A-Z0-9_]*)\}")
_LINE = r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$"


class Missing(msgspec.Struct, frozen=True):
    """A variable without a value, and the key that wants it."""

    variable: str
    key: KeyPath

    @property
    def path(self) -> str:
        """The key as a person writes it."""
        return format_path(self.key)


def fill(value: Any, env: Mapping[str, str], missing: list[Missing], path: KeyPath = ()) -> Any:
    """The same data with every `${VAR}` filled in."""
    if isinstance(value, str):
        return _fill_text(value, env, lambda name: missing.append(Missing(name, path))) if "${" in value else value
    if isinstance(value, dict):
        return {key: fill(item, env, missing, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, env, missing, (*path, at)) for at, item in enumerate(value)]
    return value


def _fill_text(text: str, env: Mapping[str, str], report: Callable[[str], None]) -> str:
    def one(match: "re.Match[str]") -> str:
        if match[1]:
            return match[0][1:]
        value = env.get(match[2])
        if not value:
            report(match[2])
            return match[0]
        return value

    return _VARIABLE.sub(one, text)


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables of a `.env` file; an empty mapping where there is none."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return dict(_assignments(text))


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    for line in text.lstrip("\ufeff").splitlines():
        found = re.match(_LINE, line)
        if found:
            yield found[1], _unquote(found[2])


def _unquote(value: str) -> str:
    quoted = re.match(r"""(["'`])(.*?)(?<!\\)\1\s*(?:#.*)?$""", value)
    if not quoted:
        return re.sub(r"(?:^|\s+)#.*$", "", value)
    if quoted[1] != '"':
        return quoted[2]
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t", "r": "\r"}.get(match[1], match[1]), quoted[2])
