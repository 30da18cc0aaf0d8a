"""JSON5 text as a tree with positions: where each key and value stands, and what is wrong with a broken file.

Used when an error must be shown with its line, or the text is edited; plain reading is done by a faster reader. No
values are kept but the names of keys.
"""

import re
from typing import NoReturn

import msgspec

from garra.config.keypath import MAX_DEPTH

_BLANK = re.compile(r"(?:[\s\ufeff]+|//[^\n\r\u2028\u2029]*|/\*.*?\*/)*", re.DOTALL)
_WORD = re.compile(r"(?:[\w$\u200c\u200d]|\\u[0-9a-fA-F]{4})+")
_NUMBER = re.compile(r"[+-]?(?:Infinity|NaN|0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w$.])")
_STRING = re.compile(r"""(?s:"(?:[^"\\\n\r]|\\.)*"|'(?:[^'\\\n\r]|\\.)*')""")


class Node(msgspec.Struct, frozen=True):
    """A value in the text, from `start` up to, not with, `end`. `kind`: object, list or scalar."""

    kind: str
    start: int
    end: int
    members: tuple["Member", ...] = ()
    items: tuple["Node", ...] = ()


class Member(msgspec.Struct, frozen=True):
    """One key of an object, and its value."""

    key: str
    start: int
    value: Node


class BrokenText(Exception):
    """The text is not JSON5. `at` is the offset where reading stopped."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message


def parse(text: str) -> Node:
    """The tree of a JSON5 text."""
    reader = _Reader(text)
    root = reader.value(reader.blank(0), 0)
    rest = reader.blank(root.end)
    if rest < len(text):
        reader.fail(rest, "the end of the file")
    return root


def line_and_column(text: str, at: int) -> tuple[int, int]:
    """Both counted from 1."""
    before = text[:at]
    return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1


def blank_end(text: str, at: int) -> int:
    """The offset behind spaces and comments."""
    match = _BLANK.match(text, at)
    return match.end() if match else at


def find(node: Node, key: str | int) -> Node | None:
    """The value under a key or index. Of a key that is there twice, the last counts."""
    if isinstance(key, int):
        return node.items[key] if node.kind == "list" and key < len(node.items) else None
    found = find_member(node, key)
    return found.value if found else None


def find_member(node: Node, key: str) -> Member | None:
    """The last member of that name."""
    return next((member for member in reversed(node.members) if member.key == key), None)


class _Reader:
    """Recursive descent over one text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def blank(self, at: int) -> int:
        """The offset behind spaces and comments."""
        end = blank_end(self.text, at)
        if self.text.startswith("/*", end):
            raise BrokenText(end, "this comment is never closed; expected */")
        return end

    def fail(self, at: int, expected: str) -> NoReturn:
        """Say what was expected, and what is there instead."""
        found = f"found {self.text[at]!r}" if at < len(self.text) else "the file ends here"
        raise BrokenText(at, f"expected {expected}, {found}")

    def value(self, at: int, depth: int) -> Node:
        """Any value."""
        if depth > MAX_DEPTH:
            raise BrokenText(at, f"nested deeper than {MAX_DEPTH} levels")
        first = self.text[at : at + 1]
        if first == "{":
            return self._object(at, depth)
        if first == "[":
            return self._list(at, depth)
        if first in ('"', "'"):
            return Node("scalar", at, self._string_end(at))
        return self._plain(at)

    def _plain(self, at: int) -> Node:
        word = _WORD.match(self.text, at)
        found = _NUMBER.match(self.text, at) or (word if word and word[0] in ("true", "false", "null") else None)
        if found:
            return Node("scalar", at, found.end())
        if word:
            raise BrokenText(at, "expected a value; a text needs quotes")
        return self.fail(at, "a value")

    def _string_end(self, at: int) -> int:
        match = _STRING.match(self.text, at)
        if not match:
            raise BrokenText(at, f"this text is never closed; expected {self.text[at]} before the line ends")
        return match.end()

    def _object(self, at: int, depth: int) -> Node:
        members: list[Member] = []
        here = self.blank(at + 1)
        while not self.text.startswith("}", here):
            member, here = self._member(here, depth)
            members.append(member)
            here = self._separator(here, "}")
        return Node("object", at, here + 1, members=tuple(members))

    def _member(self, at: int, depth: int) -> tuple[Member, int]:
        key, end = self._key(at)
        colon = self.blank(end)
        if not self.text.startswith(":", colon):
            self.fail(colon, "':' after the key")
        value = self.value(self.blank(colon + 1), depth + 1)
        return Member(key, at, value), value.end

    def _key(self, at: int) -> tuple[str, int]:
        if self.text.startswith(('"', "'"), at):
            end = self._string_end(at)
            return _unquoted(self.text[at:end], at), end
        word = _WORD.match(self.text, at)
        if not word or word[0][0].isdigit():
            self.fail(at, "a key or '}'")
        return re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), word[0]), word.end()

    def _list(self, at: int, depth: int) -> Node:
        items: list[Node] = []
        here = self.blank(at + 1)
        while not self.text.startswith("]", here):
            item = self.value(here, depth + 1)
            items.append(item)
            here = self._separator(item.end, "]")
        return Node("list", at, here + 1, items=tuple(items))

    def _separator(self, at: int, close: str) -> int:
        """The offset of what comes next: another member, or the closing bracket."""
        here = self.blank(at)
        if self.text.startswith(",", here):
            return self.blank(here + 1)
        if not self.text.startswith(close, here):
            self.fail(here, f"',' or '{close}'")
        return here


def _unquoted(text: str, at: int) -> str:
    import pyjson5

    try:
        return str(pyjson5.decode(text))
    except pyjson5.Json5DecoderException as error:
        raise BrokenText(at, "this key is not a valid text") from error
