"""Text on its way to a terminal: lines broken between words, and nothing in it that a terminal would obey.

What a model or a server says may hold control characters, by chance or by design. A pipe gets every text as it is.
"""

import os
import re
from typing import TextIO

_KEPT = "\n\t"
_CONTROLS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in _KEPT}
_LABEL = re.compile(r"\s*(?:· |\S+(?: \S+)?\s{2,})?")
_LEAST_WIDTH = 40


def harmless(text: str, stream: TextIO) -> str:
    """The text without control characters, where the stream is a terminal."""
    return text.translate(_CONTROLS) if stream.isatty() else text


def wrapped(text: str, stream: TextIO) -> str:
    """The text in lines that the terminal does not break inside a word; below a label they are indented as it is."""
    width = _width(stream)
    return "\n".join(_in_lines(line, width) for line in text.split("\n")) if width else text


def _width(stream: TextIO) -> int:
    """The columns of the terminal; 0 where the stream is none, or where they are too few to be worth it."""
    if not stream.isatty():
        return 0
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return 0
    return columns if columns >= _LEAST_WIDTH else 0


def _in_lines(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    from textwrap import wrap

    label = _LABEL.match(line)
    indent = len(label[0]) if label and len(label[0]) <= width // 2 else 0
    lines = wrap(line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines) or line
