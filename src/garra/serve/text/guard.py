"""Keeps what people write from becoming control tokens.

A chat template mixes its own control tokens with text that somebody wrote, and the result is one string. Before it is
rendered, every string of the request that spells a control token gets a mark inside it, and so does one whose end or
beginning could complete a control token together with its neighbours. After rendering, only what the template itself
made still spells one. The mark is a character that occurs nowhere in the request; the tokenizer takes it out again.
A string that could never be mistaken is left alone, so that templates see what was written. A control token of a single
character cannot be broken; no known vocabulary has one.
"""

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any

_MARKS = (*range(0xFDD0, 0xFDF0), *range(0xF0000, 0xFFFFE))


class Guard:
    """The control tokens of one tokenizer, and how to break what looks like them."""

    def __init__(self, controls: Iterable[str]) -> None:
        names = sorted({name for name in controls if len(name) > 1}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, names)) if names else r"(?!)")
        self._names = names
        self._longest = max(map(len, names), default=1)

    def protect(self, value: Any, mark: str) -> Any:
        """The same JSON value with look-alikes broken, keys included."""
        if isinstance(value, str):
            return self.protect_text(value, mark)
        if isinstance(value, list | tuple):
            return [self.protect(item, mark) for item in value]
        if isinstance(value, dict):
            return {self.protect(key, mark): self.protect(item, mark) for key, item in value.items()}
        return value

    def protect_text(self, text: str, mark: str) -> str:
        """One string with look-alikes broken."""
        while self._pattern.search(text):  # more than once: look-alikes may overlap
            text = self._pattern.sub(lambda found: found[0][0] + mark + found[0][1:], text)
        if self._could_begin_inside(text):
            text = mark + text
        return text + mark if self._could_end_inside(text) else text

    def _could_begin_inside(self, text: str) -> bool:
        return any(text[:size] in self._tails for size in range(1, min(self._longest, len(text) + 1)))

    def _could_end_inside(self, text: str) -> bool:
        return any(text[-size:] in self._heads for size in range(1, min(self._longest, len(text) + 1)))

    @cached_property
    def _heads(self) -> frozenset[str]:
        return frozenset(name[:size] for name in self._names for size in range(1, len(name)))

    @cached_property
    def _tails(self) -> frozenset[str]:
        return frozenset(name[-size:] for name in self._names for size in range(1, len(name)))


def free_mark(*texts: str) -> str:
    """A character that none of the texts holds."""
    return next(mark for mark in map(chr, _MARKS) if not any(mark in text for text in texts))
