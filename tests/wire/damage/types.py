"""Chunks with a value of the wrong type, in every place, and what an ideal reader makes of each.

An ideal reader takes what can have one meaning only, passes over what says nothing, and lets no piece of the reply be
changed by what it passes over.
"""

import json
from collections.abc import Iterator
from typing import Any

from garra.errors import ServerFailed, StreamBroken
from tests.wire.damage.case import Broken, Case, Expected, Right, reply
from tests.wire.damage.streams import ABSENT, CALL_STREAM, JUNK, TEXT_STREAM, Place, changed, short, sse

_USAGE = (5, 2)
_IRRELEVANT: tuple[Place, ...] = (
    ("id",),
    ("object",),
    ("created",),
    ("model",),
    ("system_fingerprint",),
    ("usage",),
    ("kv_transfer_params",),
    ("choices", 0, "logprobs"),
    ("choices", 0, "stop_reason"),
    ("choices", 0, "token_ids"),
    ("choices", 0, "delta", "role"),
    ("choices", 0, "delta", "function_call"),
    ("choices", 0, "delta", "audio"),
)
_WITH_THE_TEXT: tuple[Place, ...] = (("choices",), ("choices", 0), ("choices", 0, "delta"))
_THINKING: tuple[Place, ...] = tuple(
    ("choices", 0, "delta", name) for name in ("reasoning", "reasoning_content", "reasoning_text")
)
_NOT_JSON = ("NaN", "Infinity", "-Infinity", "1e400", "01", "'x'", "undefined", "True", '"\\ud83d"', '"\\x"')


def wrong_types() -> Iterator[Case]:
    """All of them."""
    for junk in (*JUNK, ABSENT):
        for place in _IRRELEVANT:
            yield _text(place, junk, Right("Hello there", usage=_USAGE))
        for place in _WITH_THE_TEXT:
            yield _text(place, junk, Right("Hello", usage=_USAGE))
        yield _text(("choices", 0, "index"), junk, _for_index(junk))
        yield _text(("choices", 0, "delta", "content"), junk, Right("Hello" + as_text(junk), usage=_USAGE))
        yield _text(("choices", 0, "delta", "refusal"), junk, Right("Hello there" + as_text(junk), usage=_USAGE))
        for place in _THINKING:
            yield _text(place, junk, Right("Hello there", reasoning=as_text(junk), usage=_USAGE))
        yield _text(("choices", 0, "delta", "tool_calls"), junk, Right("Hello there", usage=_USAGE))
        yield _text(("choices", 0, "finish_reason"), junk, Right("Hello there", usage=_USAGE))
        yield _text(("error",), junk, _for_error(junk))
        yield from _endings(junk)
        yield from _usages(junk)
    yield from _not_json()
    yield from _calls()


def as_text(junk: Any) -> str:
    """What a value means where text belongs: a text itself, a number its digits, the texts of parts."""
    if junk is ABSENT or junk is None or isinstance(junk, bool):
        return ""
    if isinstance(junk, str):
        return junk
    if isinstance(junk, list):
        return "".join(part for part in junk if isinstance(part, str))
    return "" if isinstance(junk, dict) else json.dumps(junk).replace("1e+308", "1e308")


def _for_index(junk: Any) -> Expected:
    """Another choice's text is not ours; where the index is no number, there is one choice only."""
    other = type(junk) is int and junk != 0
    return Right("Hello" if other else "Hello there", usage=_USAGE)


def _for_error(junk: Any) -> Expected:
    said = junk is not ABSENT and bool(junk)
    return Broken(ServerFailed, "Hello") if said else Right("Hello there", usage=_USAGE)


def _endings(junk: Any) -> Iterator[Case]:
    """The finish reason itself: without one that can be read, [DONE] says that the reply is whole."""
    finish = junk if isinstance(junk, str) and junk else "stop"
    chunks = [*TEXT_STREAM[:3], changed(TEXT_STREAM[3], ("choices", 0, "finish_reason"), junk)]
    yield reply(f"finish_reason is {short(junk)}", sse(chunks), Right("Hello there", finish=finish))
    expected: Expected = Right("Hello there", finish=finish)
    if not (isinstance(junk, str) and junk):
        expected = Broken(StreamBroken, "Hello there")
    yield reply(f"finish_reason is {short(junk)}, no [DONE]", sse(chunks, done=False), expected)


def _usages(junk: Any) -> Iterator[Case]:
    good = type(junk) is int and 0 <= junk < 2**31
    for name, usage in (
        ("prompt_tokens", (junk, 2) if good else None),
        ("completion_tokens", (5, junk if good else 0)),
        ("total_tokens", _USAGE),
        ("prompt_tokens_details", _USAGE),
        ("completion_tokens_details", _USAGE),
    ):
        chunks = [*TEXT_STREAM[:4], changed(TEXT_STREAM[4], ("usage", name), junk)]
        yield reply(f"usage.{name} is {short(junk)}", sse(chunks), Right("Hello there", usage=usage))
    chunks = [*TEXT_STREAM[:4], changed(TEXT_STREAM[4], ("choices",), junk)]
    yield reply(f"choices of the usage is {short(junk)}", sse(chunks), Right("Hello there", usage=_USAGE))
    cached = changed(TEXT_STREAM[4], ("usage", "prompt_tokens_details"), {"cached_tokens": _plain(junk)})
    yield reply(f"cached_tokens is {short(junk)}", sse([*TEXT_STREAM[:4], cached]), Right("Hello there", usage=_USAGE))


def _plain(junk: Any) -> Any:
    return None if junk is ABSENT else junk


def _not_json() -> Iterator[Case]:
    """Values that are no JSON at all: the chunk cannot be read, and what came before it was given."""
    for text in _NOT_JSON:
        for place in (("id",), ("choices", 0, "delta", "content"), ("choices", 0, "index"), ("created",)):
            spoilt = json.dumps(changed(TEXT_STREAM[2], place, "@@")).replace('"@@"', text).encode()
            body = sse(TEXT_STREAM[:2], done=False) + b"data: " + spoilt + b"\n\n" + sse(TEXT_STREAM[3:])
            yield reply(f"{text} in {place[-1]}", body, Broken(StreamBroken, "Hello"))


def _calls() -> Iterator[Case]:
    path = '{"path": "a.txt"}'
    first: Place = ("choices", 0, "delta", "tool_calls", 0)
    for junk in (*JUNK, ABSENT):
        for place in ((*first, "type"), (*first, "id"), (*first, "extra"), ("choices", 0, "delta", "content")):
            text = as_text(junk) if place[-1] == "content" else ""
            yield _call(1, place, junk, Right(text, (("read", path),), finish="tool_calls"))
        yield _call(1, (*first, "index"), junk, Right("", (("read", path),), finish="tool_calls"))
        named = (junk if isinstance(junk, str) else "", path)
        yield _call(1, (*first, "function", "name"), junk, Right("", (named,), finish="tool_calls"))
        opening = ("read", _arguments(junk) + path)
        yield _call(1, (*first, "function", "arguments"), junk, Right("", (opening,), finish="tool_calls"))
        middle = ("read", '{"path": ' + _arguments(junk))
        yield _call(3, (*first, "function", "arguments"), junk, Right("", (middle,), finish="tool_calls"))
        whole = [*CALL_STREAM[:1], changed(CALL_STREAM[1], (*first, "function", "arguments"), path), CALL_STREAM[4]]
        for part in (1, 2):
            spoilt = whole[:]
            if part == 2:
                spoilt[2] = changed(spoilt[2], ("choices", 0, "delta", "tool_calls"), junk)
            else:
                spoilt[1] = changed(spoilt[1], (*first, "index"), junk)
            name = f"whole call, {'index' if part == 1 else 'tool_calls at the end'} is {short(junk)}"
            yield reply(name, sse(spoilt), Right("", (("read", path),), finish="tool_calls"))


def _arguments(junk: Any) -> str:
    """Arguments are JSON as text; sent as JSON itself they are the text of that."""
    if junk is ABSENT or junk is None:
        return ""
    if isinstance(junk, str):
        return junk
    return json.dumps(junk, separators=(",", ":")).replace("1e+308", "1e308")


def _text(place: Place, junk: Any, expected: Expected) -> Case:
    chunks = [*TEXT_STREAM[:2], changed(TEXT_STREAM[2], place, junk), *TEXT_STREAM[3:]]
    return reply(f"{'.'.join(map(str, place))} is {short(junk)}", sse(chunks), expected)


def _call(position: int, place: Place, junk: Any, expected: Expected) -> Case:
    chunks = list(CALL_STREAM)
    chunks[position] = changed(chunks[position], place, junk)
    name = f"call, {place[-1]} of piece {position} is {short(junk)}"
    return reply(name, sse(chunks), expected)
