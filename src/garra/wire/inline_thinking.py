"""Thinking that a model writes into its text, between `<think>` tags, becomes reasoning while it streams.

That is how it comes from a server without a reasoning parser (`--reasoning-parser` of vLLM). A tag counts at the
beginning of the reply or of a line, and not inside a code fence. What may become a tag is held back, nothing else. A
block that begins the reply is given as it comes; one further down is held until its end, since without an end it was
text. The field of such reasoning is empty: no server sent it under a name, and so it is not sent back.

Some templates open the tag in the prompt (DeepSeek-R1, QwQ), and only its end is in the reply. Where that is known
(`opened`), the text is held until then. Where it is not, it has been shown already: `ThoughtSoFar` then says what it
was, so that at least the stored reply is right.
"""

import re
from collections.abc import AsyncGenerator, Iterator

from garra.errors import GarraError
from garra.wire.events import Event, Finish, ReasoningDelta, TextDelta, ThoughtSoFar

_TAGS = [
    f"{prefix}{name}>"
    for prefix in ("", "antml:", "mm:")
    for name in ("think", "thinking", "thought", "reasoning", "internal", "antthinking")
]
_FENCES = ("```", "~~~")
_LONE = ("</think>", "</thinking>")
_BEGINNINGS = {
    text[:length]
    for text in (*(f"<{tag}" for tag in _TAGS), *_LONE, *_FENCES)
    for length in range(1, len(text) + (text in _LONE))
}
_LONGEST = max(map(len, _TAGS)) + len("</")

_SPACE = re.compile(r"\s*")
_OPEN = re.compile(f"<({'|'.join(_TAGS)})", re.IGNORECASE | re.ASCII)
_LONE_CLOSE = re.compile(r"</think(?:ing)?>(?=\n|\r)", re.IGNORECASE | re.ASCII)
_ANY_CLOSE = re.compile("|".join(_LONE), re.IGNORECASE | re.ASCII)


async def split_thinking(events: AsyncGenerator[Event], *, opened: bool = False) -> AsyncGenerator[Event]:
    """The same events, with inline thinking taken out of the text. `opened`: the template has opened the tag."""
    splitter = _Splitter(opened)
    try:
        async for event in events:
            match event:
                case TextDelta(text):
                    for piece in splitter.take(text):
                        yield piece
                case ReasoningDelta():
                    for piece in splitter.separate():
                        yield piece
                    yield event
                case Finish(reason):
                    for piece in splitter.end(cut=reason == "length"):
                        yield piece
                    yield event
                case _:
                    yield event
    except GarraError:
        for piece in splitter.end(cut=True):
            yield piece
        raise
    finally:
        await events.aclose()


class _Splitter:
    """The reply so far. Outside a block, `_close` is None; inside, it finds the end."""

    def __init__(self, opened: bool) -> None:
        self._opened = opened
        self._separate = False  # the server tells reasoning from text itself
        self._said = self._thought = False
        self._fresh = True  # the line has nothing but spaces so far
        self._fence = ""
        self._pending = ""  # what may become a tag
        self._space: list[str] = []  # before the first word
        self._close: re.Pattern[str] | None = None
        self._held: list[str] | None = None  # a block that may still turn out to be text
        self._out: list[TextDelta | ReasoningDelta | ThoughtSoFar] = []

    def take(self, text: str) -> Iterator[Event]:
        """More text; what of it is settled."""
        text, self._pending, at = self._pending + text, "", 0
        while at < len(text):
            if self._close is not None:
                at = self._inside(text, at, self._close)
            elif self._fresh:
                at = self._line_start(text, at)
            else:
                newline = text.find("\n", at)
                end = len(text) if newline < 0 else newline + 1
                self._show(text[at:end])
                self._fresh, at = newline >= 0, end
        return self._settled()

    def separate(self) -> Iterator[Event]:
        """The server sends reasoning apart: what was held because the template opens the tag is text."""
        self._separate = True
        if self._opened and self._held is not None:
            self._give_back(cut=False)
        return self._settled()

    def end(self, *, cut: bool) -> Iterator[Event]:
        """The reply is over; what was held back, as what it turned out to be. `cut`: at the length limit, or failed."""
        pending, self._pending = self._pending, ""
        if self._close is not None and self._held is None:
            self._think(pending)
        elif self._held is not None:
            self._held.append(pending)
            self._give_back(cut=cut)
        elif pending.lower() in _LONE and not self._was_told() and not self._fence:
            self._tell()
        else:
            self._show(pending)
        if not self._said and not self._thought:
            self._out += [TextDelta(space) for space in self._space]
        self._space = []
        return self._settled()

    def _settled(self) -> Iterator[Event]:
        """What is settled, neighbours of a kind as one."""
        out, self._out = self._out, []
        run: list[str] = []
        for place, piece in enumerate(out):
            if isinstance(piece, ThoughtSoFar):
                yield piece
                continue
            run.append(piece.text)
            if place + 1 == len(out) or type(out[place + 1]) is not type(piece):
                yield TextDelta("".join(run)) if isinstance(piece, TextDelta) else ReasoningDelta("".join(run), "")
                run = []

    def _line_start(self, text: str, at: int) -> int:
        """Look at how a line begins; where that is settled, the rest of it follows."""
        if space := _SPACE.match(text, at):
            self._show(space[0])
            at = space.end()
        if at == len(text):
            return at
        rest = text[at : at + _LONGEST]
        if not self._fence and (opening := _OPEN.match(text, at)):
            self._begin(opening)
            return opening.end()
        if not self._fence and (closing := _LONE_CLOSE.match(text, at)) and not self._was_told():
            self._tell()
            return closing.end()
        if at + len(rest) == len(text) and rest.lower() in _BEGINNINGS:
            self._pending = rest
            return len(text)
        if rest[:3] in _FENCES and self._fence in ("", rest[:3]):
            self._fence = "" if self._fence else rest[:3]
        elif self._opened and not (self._said or self._thought or self._separate):
            self._close, self._held = _ANY_CLOSE, self._space
            self._space = []
        self._fresh = False
        return at

    def _begin(self, opening: re.Match[str]) -> None:
        """A block begins. At the reply's beginning nothing speaks against it."""
        self._close = re.compile(f"</{re.escape(opening[1])}", re.IGNORECASE | re.ASCII)
        self._held = [opening[0]] if self._said else None
        if not self._said:
            self._space, self._thought = [], True

    def _inside(self, text: str, at: int, close: re.Pattern[str]) -> int:
        closing = close.search(text, at)
        end = closing.start() if closing else _partial_close(text, at)
        if self._held is None:
            self._think(text[at:end])
        else:
            self._held.append(text[at:end])
        if closing is None:
            self._pending = text[end:]
            return len(text)
        if self._held is not None:
            self._think("".join(self._held[1:] if self._said else self._held).lstrip())
        self._close, self._held, self._thought, self._fresh = None, None, True, True
        return closing.end()

    def _give_back(self, *, cut: bool) -> None:
        """A block without an end: thinking that was cut off, where the template had opened it, and else text."""
        held, self._close, self._held = "".join(self._held or ()), None, None
        if cut and not self._said:
            self._thought = True
            self._think(held)
        else:
            self._show(held)

    def _was_told(self) -> bool:
        """Whether it is clear without a lone end tag what was thinking."""
        return self._thought or self._separate

    def _tell(self) -> None:
        if self._said:
            self._out.append(ThoughtSoFar())
        self._said, self._thought = False, True

    def _think(self, text: str) -> None:
        if text:
            self._out.append(ReasoningDelta(text, ""))

    def _show(self, text: str) -> None:
        """Text on its way out. Space before the first word waits; after thinking it goes with it."""
        if self._said or not text:
            if text:
                self._out.append(TextDelta(text))
        elif text.isspace():
            self._space.append(text)
        else:
            lead, self._space, self._said = "" if self._thought else "".join(self._space), [], True
            self._out.append(TextDelta(lead + text))


def _partial_close(text: str, at: int) -> int:
    """Where an end tag may have begun that is not whole yet; the end of the text where none has."""
    start = text.rfind("<", max(at, len(text) - _LONGEST))
    return start if start >= 0 else len(text)
