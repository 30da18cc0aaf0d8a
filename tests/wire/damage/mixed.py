"""Several tool calls in one reply, in the ways in which servers number them, or fail to. Drawn with a fixed seed."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.wire.damage.case import Case, Right, reply
from tests.wire.damage.streams import ABSENT, call_piece, chunk, sse

_STYLES = (
    "indexed",
    "interleaved",
    "gaps in the indexes",
    "indexes backwards",
    "no index",
    "no index, id in each piece",
    "all of index 0",
    "all of index null",
    "same id twice",
    "no ids",
    "id and name in each piece",
    "whole calls",
    "arguments as objects",
    "all in one chunk",
    "after the finish reason",
    "text between",
    "index only in the first piece",
)
_EACH = 6


def mixed_calls() -> Iterator[Case]:
    """Each style several times, with other calls."""
    for number, style in enumerate(_STYLES):
        for turn in range(_EACH):
            rng = Random(1000 * number + turn)
            calls = [_drawn(rng) for _ in range(rng.randint(2, 4))]
            chunks, text = _chunks(style, calls, rng)
            if style == "indexes backwards":
                calls.reverse()
            if style == "arguments as objects":
                calls = [(name, _compact(arguments)) for name, arguments in calls]
            finish = "tool_calls"
            yield reply(f"calls: {style} ({turn})", sse(chunks), Right(text, tuple(calls), finish=finish))


def _drawn(rng: Random) -> tuple[str, str]:
    arguments = {rng.choice("abc"): rng.choice(("é😀", 'a "quote"', 7, [1, {"x": None}], "line\nbreak", True))}
    return rng.choice(("read", "write", "exec")), json.dumps(arguments, ensure_ascii=rng.random() < 0.5)


def _compact(arguments: str) -> str:
    return json.dumps(json.loads(arguments), ensure_ascii=False, separators=(",", ":"))


def _chunks(style: str, calls: list[tuple[str, str]], rng: Random) -> tuple[list[Any], str]:
    """The chunks of a reply, and the text in it."""
    pieces = [_pieces(style, number, call, len(calls), rng) for number, call in enumerate(calls)]
    ending = [chunk("tool_calls")]
    if style == "all in one chunk":
        return [chunk(tool_calls=[piece for group in pieces for piece in group]), *ending], ""
    if style == "interleaved":
        return [chunk(tool_calls=[piece]) for piece in _shuffled(pieces, rng)] + ending, ""
    chunks = [chunk(tool_calls=[piece]) for group in pieces for piece in group]
    if style == "text between":
        return [made for each in chunks for made in (each, chunk(content="x"))] + ending, "x" * len(chunks)
    return (ending + chunks if style == "after the finish reason" else chunks + ending), ""


def _pieces(style: str, number: int, call: tuple[str, str], total: int, rng: Random) -> list[dict[str, Any]]:
    name, arguments = call
    indexes = {"gaps in the indexes": number * 3 + 2, "indexes backwards": total - 1 - number}
    index: Any = indexes.get(style, number)
    index = {"all of index 0": 0, "all of index null": None}.get(style, index)
    if style.startswith("no index"):
        index = ABSENT
    call_id: Any = {"same id twice": "c", "no ids": ABSENT}.get(style, f"c{number}")
    if style in ("whole calls", "arguments as objects"):
        whole: Any = json.loads(arguments) if style == "arguments as objects" else arguments
        return [call_piece(index, call_id, name, whole)]
    middle = rng.randrange(len(arguments) + 1)
    repeated = style in ("no index, id in each piece", "id and name in each piece")
    again = (call_id if repeated else ABSENT, name if style == "id and name in each piece" else ABSENT)
    later = ABSENT if style == "index only in the first piece" else index
    rest = [call_piece(later, *again, part) for part in (arguments[:middle], arguments[middle:])]
    return [call_piece(index, call_id, name, ""), *rest]


def _shuffled(groups: list[list[dict[str, Any]]], rng: Random) -> Iterator[dict[str, Any]]:
    """The pieces of all calls in any order that keeps the order within each, after the calls are opened."""
    for group in groups:
        yield group[0]
    waiting = [group[1:] for group in groups]
    while waiting := [group for group in waiting if group]:
        yield rng.choice(waiting).pop(0)
