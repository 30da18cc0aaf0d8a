"""Reading the calls that a model wrote into its text, out of the text as it streams, on every rung of the ladder.

A call counts where it stands in the reply itself, not in a code fence, between backticks or in a quotation, when its
name is a tool's and its arguments fit (`hermes` tells the one exception). Every call of a run counts. What the model
writes after them is left out: it could only be a guess at results that it had not seen. Where the server gave calls
itself, those count and nothing in the text does.

Text streams on: only what may become a call waits. Memory is bounded by `HELD_CHARS`, and each character is looked at a
fixed number of times. The forms themselves are in `marked` and `whole`.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence

import msgspec

from garra.agent.calls.fitting import Tools
from garra.agent.calls.heads import (
    EMPTY,
    HEAD_CHARS,
    MARK,
    MARK_BEGINS,
    MARK_CHARS,
    MARK_STARTS,
    MARKS,
    OF_A_LINE,
    heads_of,
    marked_heads,
    may_begin,
)
from garra.agent.calls.marked import calls_at
from garra.agent.calls.surroundings import Surroundings
from garra.agent.calls.whole import Whole, whole_calls
from garra.errors import GarraError
from garra.wire.events import CallDelta, Event, Finish, Reply, TextDelta
from garra.wire.messages import ToolCall, ToolSpec

HELD_CHARS = 1 << 20
"""What is longer is no call that anybody would run; it is shown."""

_TRIES = 64
"""So many marks at the end of a reply are tried before the rest of it is taken for text."""


async def read_calls(events: AsyncGenerator[Event], tools: Sequence[ToolSpec]) -> AsyncGenerator[Event]:
    """The same events, with calls in the text turned into calls. `tools` are those that may be called."""
    reading = _Reading({spec.name: spec for spec in tools})
    given = Reply()
    try:
        async for event in events:
            match event:
                case TextDelta(text) if tools:
                    if shown := reading.take(text):
                        yield TextDelta(shown)
                case Finish(reason) if tools:
                    for last in _ending(reading, given.calls, reason):
                        yield last
                case _:
                    if isinstance(event, CallDelta):
                        given.add(event)
                    yield event
    except GarraError:
        if rest := reading.cut():
            yield TextDelta(rest)
        raise
    finally:
        await events.aclose()


def _ending(reading: "_Reading", given: Sequence[ToolCall], reason: str) -> Iterator[Event]:
    """What was held back, as text or as calls, and the finish."""
    rest, calls = reading.end(given)
    if rest:
        yield TextDelta(rest)
    for index, call in enumerate(calls):
        yield CallDelta(index, call.id, call.name, call.arguments)
    yield Finish("tool_calls" if calls and reason != "length" else reason)


class _Reading:
    """The text so far: what is held back, and the pieces of a call once one has begun."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        heads = marked_heads(tools)
        self._heads = {mark: tuple(heads_of(mark, heads)) for mark in MARKS}
        self._around = Surroundings()
        self._whole: Whole | None = Whole(tools)
        self._pending = ""
        self._call: list[str] = []
        self._held_chars = 0

    def take(self, text: str) -> str:
        """More text; what of it may be shown."""
        self._held_chars += len(text)
        if self._whole is not None:
            if self._whole.take(text) and self._held_chars <= HELD_CHARS:
                return ""
            text, self._whole = self._whole.text(), None
        elif self._call:
            self._call.append(text)
            if self._held_chars <= HELD_CHARS:
                return ""
            text, self._call = "".join(self._call), []
            return self._passed(text)
        return self._scan(text)

    def cut(self) -> str:
        """What is text after all, when the reply breaks off. A call that had begun is none, and no text either."""
        held = self._whole.text() if self._whole else ""
        return held + self._pending

    def end(self, given: Sequence[ToolCall]) -> tuple[str, list[ToolCall]]:
        """What is text after all, and the calls. Where the server has `given` calls, there are no others."""
        shown = ""
        if self._whole is not None:
            text, self._whole = self._whole.text(), None
            if calls := whole_calls(text, self._tools):
                return _instead("", text, calls, given)
            shown = self._scan(text)
        text, at = "".join(self._call) or self._pending, 0
        for _ in range(_TRIES):
            mark, found = MARK.match(text, at), calls_at(text, at, self._tools)
            if found and not self._around.closes(text[found[1] :]):
                return _instead(shown, text[at:], found[0], given)
            if mark is None:
                break
            passed, at = self._to_mark(text, at, found[1] if found else mark.end())
            shown += passed
        return shown + text[at:], []

    def _scan(self, text: str) -> str:
        """Text that is not part of a call yet; what of it may be shown."""
        if not self._pending and MARK_STARTS.search(text) is None:
            return self._passed(text)
        text, self._pending = self._pending + text, ""
        shown: list[str] = []
        at = 0
        while mark := MARK.search(text, at):
            shown.append(self._passed(text[at : mark.start()]))
            at = mark.start()
            if not self._is_quoted(mark[0]):
                if empty := EMPTY.match(text, at):
                    at = empty.end()
                    continue
                begun = may_begin(text[at : at + HEAD_CHARS], self._heads[mark[0]])
                if begun is not False:
                    self._hold(text[at:], begun)
                    return "".join(shown)
            shown.append(self._passed(mark[0]))
            at = mark.end()
        end = self._end_of_text(text, at)
        shown.append(self._passed(text[at:end]))
        self._pending = text[end:]
        return "".join(shown)

    def _hold(self, text: str, begun: bool | None) -> None:
        self._held_chars = len(text)
        if begun:
            self._call = [text]
        else:
            self._pending = text

    def _end_of_text(self, text: str, at: int) -> int:
        """Where what may become a mark begins: the end of what may be shown."""
        begins = MARK_BEGINS.search(text, max(at, len(text) - MARK_CHARS))
        if begins is None:
            return len(text)
        before = text[begins.start() - 1] if begins.start() > at else self._around.last
        in_a_word = begins[0].isalpha() and before.isalnum()
        return len(text) if in_a_word else begins.start()

    def _to_mark(self, text: str, start: int, at: int) -> tuple[str, int]:
        """Pass the text from `start` to `at`, and on to the next mark that counts: what passed, and where that is."""
        self._around.add(text[start:at])
        while (mark := MARK.search(text, at)) is not None:
            self._around.add(text[at : mark.start()])
            if not self._is_quoted(mark[0]):
                return text[start : mark.start()], mark.start()
            self._around.add(mark[0])
            at = mark.end()
        return text[start:], len(text)

    def _is_quoted(self, mark: str) -> bool:
        in_a_word = mark[0].isalpha() and self._around.last.isalnum()
        midway = mark == OF_A_LINE and not self._around.begins_line()
        return in_a_word or midway or self._around.inside()

    def _passed(self, text: str) -> str:
        self._around.add(text)
        return text


def _instead(shown: str, text: str, calls: list[ToolCall], given: Sequence[ToolCall]) -> tuple[str, list[ToolCall]]:
    """What stands for this text: its calls; or, where the server gave calls, the text, unless it repeats them."""
    if not given:
        return shown, calls
    known = [_meant(call) for call in given]
    return (shown if all(_meant(call) in known for call in calls) else shown + text), []


def _meant(call: ToolCall) -> tuple[str, object]:
    try:
        return call.name, msgspec.json.decode(call.arguments)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return call.name, call.arguments
