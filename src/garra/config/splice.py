"""Changes to JSON5 text that leave every other byte as it was: comments, spaces, quotes, trailing commas.

Works on text alone; nothing here reads or writes files, or knows what the keys mean.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from garra.config.keypath import KeyPath, format_path
from garra.config.text import Node, blank_end, find, parse
from garra.errors import ConfigError

_BARE = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_LINE_REST = re.compile(r"[ \t]*(?://[^\n\r]*|/\*[^\n\r]*?\*/[ \t]*(?=[\r\n]|$))?")


def set_in(text: str, path: KeyPath, value: Any) -> str:
    """The text with a value put at the path; objects on the way are made."""
    style = _Style(text)
    node = parse(text)
    for depth, key in enumerate(path):
        inner = find(node, key)
        if inner is None:
            return _insert(text, node, path[: depth + 1], _nested(path[depth + 1 :], value), style)
        node = inner
    return text[: node.start] + style.render(value, style.indent_at(node.start)) + text[node.end :]


def unset_in(text: str, path: KeyPath) -> str:
    """The text without the key, or the list's item; a key that stands there twice goes twice."""
    while True:
        node = parse(text)
        for key in path[:-1]:
            node = find(node, key) or Node("scalar", 0, 0)
        spans = _spans(node)
        found = _index(node, path[-1])
        if found is None:
            return text
        text = _cut(text, spans, found)
        if isinstance(path[-1], int):
            return text


def _nested(path: KeyPath, value: Any) -> Any:
    for key in reversed(path):
        if key == 0:
            value = [value]
        elif isinstance(key, str):
            value = {key: value}
        else:
            raise ConfigError(f"there is no list item {key} to change")
    return value


def _insert(text: str, node: Node, path: KeyPath, value: Any, style: "_Style") -> str:
    """The text with one more member in an object, or item in a list."""
    key = path[-1]
    if node.kind == "object" and isinstance(key, str):
        return _append(text, node, lambda indent: f"{style.key(key)}: {style.render(value, indent)}", style)
    if node.kind == "list" and key == len(node.items):
        return _append(text, node, lambda indent: style.render(value, indent), style)
    where = format_path(path[:-1]) or "the configuration"
    if node.kind == "list":
        raise ConfigError(f"{where} is a list of {len(node.items)}; name an item, as in {where}[0]")
    wanted = "a list" if isinstance(key, int) else "an object"
    raise ConfigError(f"{where} is not {wanted}, so {format_path(path)} cannot be set; set {where} as a whole")


def _append(text: str, node: Node, render: Callable[[str | None], str], style: "_Style") -> str:
    spans = _spans(node)
    if not spans:
        return _append_first(text, node, render, style)
    last = spans[-1][1]
    comma = blank_end(text, last)
    trailing = text.startswith(",", comma)
    if "\n" not in text[node.start : node.end]:
        at = comma + 1 if trailing else last
        return f"{text[:at]}{'' if trailing else ','} {render(None)}{',' if trailing else ''}{text[at:]}"
    indent = style.member_indent(node, spans)
    head = text[: comma + 1] if trailing else f"{text[:last]},"
    rest = text[comma + 1 :] if trailing else text[last:]
    same_line = _LINE_REST.match(rest)
    keep = same_line.end() if same_line else 0
    added = f"{style.newline}{indent}{render(indent)}{',' if trailing else ''}"
    if not rest[keep:].lstrip(" \t").startswith(("\n", "\r")):
        keep, added = 0, added + style.newline + style.indent_at(node.start)
        rest = rest.lstrip(" \t")
    return head + rest[:keep] + added + rest[keep:]


def _append_first(text: str, node: Node, render: Callable[[str | None], str], style: "_Style") -> str:
    outer = style.indent_at(node.start)
    indent = outer + style.unit
    inside = text[node.start + 1 : node.end - 1].rstrip()
    middle = f"{inside}{style.newline}{indent}{render(indent)}{style.newline}{outer}"
    return text[: node.start + 1] + middle + text[node.end - 1 :]


def _spans(node: Node) -> list[tuple[int, int]]:
    if node.kind == "list":
        return [(item.start, item.end) for item in node.items]
    return [(member.start, member.value.end) for member in node.members]


def _index(node: Node, key: str | int) -> int | None:
    if isinstance(key, int):
        return key if node.kind == "list" and key < len(node.items) else None
    at = [place for place, member in enumerate(node.members) if member.key == key]
    return at[-1] if at else None


def _cut(text: str, spans: list[tuple[int, int]], at: int) -> str:
    start, end = spans[at]
    comma = blank_end(text, end)
    if text.startswith(",", comma):
        end = comma + 1
    elif at:  # the last one of several, without a comma after it: the comma before it goes
        before = blank_end(text, spans[at - 1][1])
        if text[before + 1 : start].strip(" \t") == "":
            return text[:before] + text[end:]
        text = text[:before] + text[before + 1 :]
        start, end = start - 1, end - 1
    start, end = _whole_lines(text, start, end)
    return text[:start] + text[end:]


def _whole_lines(text: str, start: int, end: int) -> tuple[int, int]:
    """The span widened to its lines, where nothing else but a comment behind it stands on them."""
    line_start = text.rfind("\n", 0, start) + 1
    rest = _LINE_REST.match(text, end)
    stop = rest.end() if rest else end
    alone = not text[line_start:start].strip() and text.startswith(("\n", "\r\n"), stop)
    if alone:
        return line_start, text.index("\n", stop) + 1
    while text.startswith((" ", "\t"), end) and text[start - 1] in " \t[{":
        end += 1
    return start, end


class _Style:
    """How the text is written: indentation, quotes, line ends."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.newline = "\r\n" if "\r\n" in text else "\n"
        members = parse(text).members
        self.unit = next((found for member in members if (found := self.indent_at(member.start))), "  ")
        self.quoted = bool(members) and text[members[0].start] == '"'

    def indent_at(self, at: int) -> str:
        """The indentation of the line that holds the offset."""
        line = self.text[self.text.rfind("\n", 0, at) + 1 : at]
        return line[: len(line) - len(line.lstrip(" \t"))]

    def member_indent(self, node: Node, spans: list[tuple[int, int]]) -> str:
        """That of the last member which begins a line."""
        for start, _ in reversed(spans):
            line = self.text[self.text.rfind("\n", 0, start) + 1 : start]
            if not line.strip() and start > node.start and "\n" in self.text[node.start : start]:
                return line
        return self.indent_at(node.start) + self.unit

    def key(self, name: str) -> str:
        """A key, quoted as the others are."""
        return name if not self.quoted and _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)

    def render(self, value: Any, indent: str | None) -> str:
        """A value as text; objects take a line a key, or none of their own where there is no indentation."""
        inner = None if indent is None else indent + self.unit
        if isinstance(value, dict) and value:
            rows = [f"{self.key(key)}: {self.render(item, inner)}" for key, item in value.items()]
        elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
            rows = [self.render(item, inner) for item in value]
        else:
            return json.dumps(value, ensure_ascii=False)
        opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
        if indent is None:
            return f"{opening} {', '.join(rows)} {closing}"
        joined = f",{self.newline}{inner}".join(rows)
        return f"{opening}{self.newline}{inner}{joined}{self.newline}{indent}{closing}"
