"""Where in a text one stands: in a code fence, in a quotation, between backticks, or in the text itself.

It is told the text as it passes and keeps a few counts of it, never the text.
"""

import re

_MARKS = ("`", '"')
_PAIRS = {"“": "”", "«": "»", "‹": "›"}
_LOW, _LOW_ENDS = "„", "“”"
"""German opens low, and closes with what English opens with."""
_NOTABLE = re.compile(r"[\n`\"“”„«»‹›]")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})([^\n]*)")
_UNREAD_PIECES = 1_000
_HEAD_CHARS = 120
"""So much of a line tells whether it is a fence or a quotation."""


class Surroundings:
    """The text so far, as far as it matters for what comes next."""

    def __init__(self) -> None:
        self._unread: list[str] = []
        self._fence = ""
        self._head = ""
        self._last_two = "\n\n"
        self._shown = ""
        self._last_solid = ""
        self._line: dict[str, int] = {}
        self._paragraph: dict[str, int] = {}

    def add(self, text: str) -> None:
        """The text goes on. It is looked at when that matters, since most of it never does."""
        self._unread.append(text)
        if len(self._unread) > _UNREAD_PIECES:
            self._catch_up()

    def _catch_up(self) -> None:
        text = "".join(self._unread)
        self._unread.clear()
        first, *others = text.split("\n")
        self._grow(first)
        for line in others:
            self._end_line()
            self._grow(line)

    def inside(self) -> bool:
        """Whether what stands here is shown to somebody rather than said.

        It is asked where a call may begin. The rest of a call that was found to be shown is shown too: to the end of
        its quotation, or of its paragraph where that has no end of its own.
        """
        self._catch_up()
        if self._fence or _opened(self._head):
            return True
        if self._head.lstrip().startswith(">") or (self._last_two[1] == "'" and not self._last_two[0].isalnum()):
            self._shown = "paragraph"
        elif _ends(self._line) or self._last_solid in _ends(self._paragraph):
            self._shown = self._shown or "marks"
        return self._shown == "paragraph" or (self._shown == "marks" and bool(_ends(self._paragraph)))

    @property
    def last(self) -> str:
        """The character before: a line break where there is none."""
        self._catch_up()
        return self._last_two[1]

    def begins_line(self) -> bool:
        """Whether nothing but spaces stands before it on its line."""
        self._catch_up()
        return not self._head.strip()

    def closes(self, text: str) -> bool:
        """Whether this text, which comes next, begins with the end of a quotation that is open here."""
        self._catch_up()
        return text.lstrip()[:1] in _ends(self._paragraph, closing=True)

    def _grow(self, text: str) -> None:
        if not text:
            return
        self._last_two = (self._last_two + text)[-2:]
        if len(self._head) < _HEAD_CHARS:
            self._head += text[:_HEAD_CHARS]
        self._last_solid = text.rstrip()[-1:] or self._last_solid
        for mark in _NOTABLE.findall(text):
            for counts in (self._line, self._paragraph):
                counts[mark] = counts.get(mark, 0) + 1

    def _end_line(self) -> None:
        fence = _opened(self._head)
        if self._fence:
            if fence.startswith(self._fence) and self._head.strip() == fence:
                self._fence = ""
        else:
            self._fence = fence
        if fence or not self._head.strip():
            self._paragraph, self._last_solid, self._shown = {}, "", ""
        self._line, self._head, self._last_two = {}, "", "\n\n"


def _opened(line: str) -> str:
    """The fence that this line begins with; empty for any other line."""
    fence = _FENCE.match(line)
    return fence[1] if fence and not (fence[1].startswith("`") and "`" in fence[2]) else ""


def _ends(counts: dict[str, int], *, closing: bool = False) -> tuple[str, ...]:
    """The marks of the quotations that are open: how each begins, or how it will be closed."""
    if not counts:
        return ()
    open_marks = [(mark, mark) for mark in _MARKS if counts.get(mark, 0) % 2]
    if low := counts.get(_LOW, 0):
        open_marks += [(_LOW, end) for end in _LOW_ENDS if low > sum(counts.get(end, 0) for end in _LOW_ENDS)]
    else:
        open_marks += [pair for pair in _PAIRS.items() if counts.get(pair[0], 0) > counts.get(pair[1], 0)]
    return tuple(end if closing else begin for begin, end in open_marks)
