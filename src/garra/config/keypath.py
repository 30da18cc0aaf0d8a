"""Paths to keys of the configuration: `agents.defaults.models["vllm/*"]`, `models.providers.vllm.models[0].id`.

A path is a tuple of names and list indices. Nothing here looks at a configuration.
"""

import re
from typing import TypeAlias

from garra.errors import UsageFault

KeyPath: TypeAlias = tuple[str | int, ...]

MAX_DEPTH = 100  # of objects and lists in each other

_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_PIECE = re.compile(
    r"""(?P<dot>\.)?(?:(?P<name>[^.\[\]"']+)|\[(?P<index>\d+)\]|\["(?P<double>(?:[^"\\]|\\.)*)"\]|\['(?P<single>[^']*)'\])"""
)


def parse_path(text: str) -> KeyPath:
    """The path that a person wrote, with dots or brackets."""
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None or bool(piece["dot"]) != bool(parts and piece["name"] is not None):
            raise UsageFault(f'{text!r} is not a path: write it as a.b, a[0] or a["x/y"]')
        parts.append(_part(piece))
        at = piece.end()
    if not parts:
        raise UsageFault("the path is empty: name a key, as in agents.defaults.model")
    return tuple(parts)


def _part(piece: "re.Match[str]") -> str | int:
    if piece["index"] is not None:
        return int(piece["index"])
    if piece["double"] is not None:
        return re.sub(r"\\(.)", r"\1", piece["double"])
    return str(piece["single"] if piece["single"] is not None else piece["name"])


def format_path(path: KeyPath) -> str:
    """The path as a person would write it."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN.fullmatch(part):
            text += f".{part}" if text else part
        else:
            escaped = part.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{escaped}"]'
    return text
