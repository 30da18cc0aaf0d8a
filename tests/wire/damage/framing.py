"""Server-sent events in every form that their standard allows, and in some that it does not; web pages and other
things that are no events; whole replies in the place of a stream."""

import json
from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Any

from garra.errors import ModelError, StreamBroken
from tests.wire.damage.case import Broken, Case, Expected, Right, chunked, head, reply
from tests.wire.damage.cuts import ideal
from tests.wire.damage.streams import DONE, JUNK, RECORDED, TEXT_STREAM, as_events, recorded, short, sse

_BODY = sse(TEXT_STREAM)
_RIGHT = Right("Hello there", usage=(5, 2))


def framings() -> Iterator[Case]:
    """All of them."""
    yield from _allowed()
    yield from _spoilt()
    yield from _split()
    yield from _no_events()
    yield from _wholes()


def _allowed() -> Iterator[Case]:
    pretty = b"".join(as_events(json.dumps(each, indent=1)) for each in TEXT_STREAM) + DONE
    for name, body in {
        "crlf": _BODY.replace(b"\n", b"\r\n"),
        "cr": _BODY.replace(b"\n", b"\r"),
        "bom": b"\xef\xbb\xbf" + _BODY,
        "bom and crlf": b"\xef\xbb\xbf" + _BODY.replace(b"\n", b"\r\n"),
        "no space": _BODY.replace(b"data: ", b"data:"),
        "two spaces": _BODY.replace(b"data: ", b"data:  ").replace(b"data:  [", b"data: ["),
        "comments": b": hello\n\n" + _BODY.replace(b"\n\n", b"\n\n:\n:x\n\n"),
        "names and ids": _BODY.replace(b"data: ", b"event: message\nid: 7\nretry: 10\ndata: "),
        "unknown fields": _BODY.replace(b"data: ", b"foo: bar\nbaz\ndata: "),
        "many empty lines": b"\n\n\n" + _BODY.replace(b"\n\n", b"\n\n\n\n\n"),
        "lines of several": pretty,
        "no end of line at the end": _BODY[:-2],
        "one empty line less": _BODY[:-1],
        "spaces before": b"  \n\n" + _BODY,
        "done twice": _BODY + DONE,
        "done with spaces": _BODY.replace(b"[DONE]", b" [DONE] "),
        "text after done": _BODY + sse(TEXT_STREAM[1:2], done=False),
        "escapes": _BODY.replace(b"Hello", b"\\u0048ello"),
        "slashes": _BODY.replace(b'"m"', b'"a\\/b"'),
        "empty events": _BODY.replace(b"\n\n", b"\n\ndata:\n\ndata: \n\n"),
    }.items():
        yield reply(f"events: {name}", body, _RIGHT)
    yield reply("events: no done", sse(TEXT_STREAM, done=False), _RIGHT)
    two = [{**TEXT_STREAM[1], "choices": [TEXT_STREAM[1]["choices"][0], _other(n)]} for n in range(1, 4)]
    yield reply("events: other choices", sse([*two, TEXT_STREAM[3]]), Right("Hello" * 3))
    late = [TEXT_STREAM[1], TEXT_STREAM[3], TEXT_STREAM[2], TEXT_STREAM[3]]
    yield reply("events: two finish reasons", sse(late), Right("Hello there"))


def _other(index: int) -> dict[str, Any]:
    return {"index": index, "delta": {"content": "no"}, "finish_reason": "length"}


def _spoilt() -> Iterator[Case]:
    begun, rest = sse(TEXT_STREAM[:2], done=False), sse(TEXT_STREAM[2:])
    broken = Broken(StreamBroken, "Hello")
    for name, event in {
        "half": b'data: {"choices": [',
        "two in one": b'data: {"a": 1}{"b": 2}',
        "text": b"data: hello",
        "number": b"data: 7",
        "list": b"data: [1, 2]",
        "null": b"data: null",
        "string": b'data: "text"',
        "invalid utf-8": b'data: {"choices": [{"delta": {"content": "\xff\xfe"}}]}',
        "cut utf-8": 'data: {"choices": [{"delta": {"content": "é'.encode()[:-1] + b'"}}]}',
        "overlong utf-8": b'data: {"a": "\xc0\xaf"}',
        "surrogates in utf-8": b'data: {"a": "\xed\xa0\x80"}',
        "half a surrogate": b'data: {"choices": [{"delta": {"content": "\\ud83d"}}]}',
        "the other half": b'data: {"choices": [{"delta": {"content": "\\ude00"}}]}',
        "control characters": b'data: {"a": "\x01"}',
        "utf-16": "data: {}".encode("utf-16"),
        "deep": b"data: " + b"[" * 100_000,
        "deep and closed": b'data: {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "deep objects": b"data: " + b'{"a":' * 100_000,
        "a trailing comma": b'data: {"a": 1,}',
        "html": b"data: <html>",
        "many digits": b'data: {"a": ' + b"1" * 100_000 + b"}",
    }.items():
        expected: Expected = broken
        if name == "utf-16":  # a line that is no field at all is passed over, as the standard says
            expected = _RIGHT
        yield reply(f"event: {name}", begun + event + b"\n\n" + rest, expected)
    yield reply("event: no line has a name", _BODY.replace(b"data: ", b""), Broken(StreamBroken), kind="text/plain")


def _split() -> Iterator[Case]:
    """The recorded streams in pieces of any size, drawn with a fixed seed, in HTTP chunks of any other size."""
    for number, name in enumerate(RECORDED):
        body = recorded(name)
        for turn in range(6):
            rng = Random(100 * number + turn)
            sent = head() + b"".join(chunked(piece) for piece in _pieces(body, rng)) + b"0\r\n\r\n"
            pieces = list(_pieces(sent, rng))
            yield Case(f"{name} in pieces ({turn})", ideal(body, ModelError), partial(iter, pieces))


def _pieces(data: bytes, rng: Random) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = rng.choice((1, 2, 3, 17, 100, 1000))
        yield data[at : at + size]
        at += size


def _no_events() -> Iterator[Case]:
    page = b"<!DOCTYPE html><html><title>Sign in</title><form></form></html>"
    for name, body, kind in (
        ("a web page", page, "text/html"),
        ("a web page by another name", page, "text/event-stream"),
        ("a web page after spaces", b"\r\n \t" + page, "application/json"),
        ("events as html", _BODY, "text/html; charset=utf-8"),
        ("xml", b"<?xml version='1.0'?><Error/>", "application/xml"),
        ("nothing", b"", "text/event-stream"),
        ("spaces", b" \r\n " * 100, "text/event-stream"),
        ("words", b"upstream connect error", "text/plain"),
        ("zeros", b"\x00" * 1000, "application/octet-stream"),
        ("only done", DONE, "text/event-stream"),
        ("only comments", b": ok\n\n" * 50, "text/event-stream"),
        ("bom alone", b"\xef\xbb\xbf", "text/event-stream"),
        ("half a bom", b"\xef\xbb", "text/event-stream"),
        ("ndjson", b'{"message": {"content": "x"}, "done": false}\n{"done": true}\n', "application/x-ndjson"),
        ("no chunk says anything", sse(TEXT_STREAM[:1]), "text/event-stream"),
        ("usage alone", sse(TEXT_STREAM[4:]), "text/event-stream"),
    ):
        yield reply(f"no events: {name}", body, Broken(StreamBroken), kind=kind)


def _wholes() -> Iterator[Case]:
    """A whole reply as JSON, and what is none."""
    call = {"id": "c1", "type": "function", "function": {"name": "read", "arguments": '{"a": 1}'}}
    as_object = {**call, "function": {"name": "read", "arguments": {"a": 1}}}
    for name, message, expected in (
        ("text", {"content": "Hello"}, Right("Hello")),
        ("parts", {"content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]}, Right("Hello")),
        ("strings", {"content": ["Hel", "lo"]}, Right("Hello")),
        ("call", {"content": None, "tool_calls": [call]}, Right(calls=(("read", '{"a": 1}'),))),
        ("call as object", {"content": None, "tool_calls": [as_object]}, Right(calls=(("read", '{"a":1}'),))),
        ("call and text", {"content": "x", "tool_calls": [call]}, Right("x", (("read", '{"a": 1}'),))),
        ("two calls", {"tool_calls": [call, call]}, Right(calls=(("read", '{"a": 1}'),) * 2)),
        ("thinking", {"content": "x", "reasoning_content": "hm"}, Right("x", reasoning="hm")),
        ("nothing", {"content": None}, Broken(StreamBroken)),
        ("no fields", {}, Broken(StreamBroken)),
    ):
        for finish in ("stop", None):
            wanted = expected
            if isinstance(expected, Right) and expected.calls and finish is None:
                wanted = Right(expected.text, expected.calls, finish="tool_calls")
            if isinstance(expected, Broken) and finish:  # an empty reply that says that it is complete
                wanted = Right("")
            whole = {"choices": [{"index": 0, "message": message, "finish_reason": finish}]}
            for kind in ("application/json", "text/event-stream"):
                yield reply(f"whole: {name}, {finish}, {kind}", json.dumps(whole).encode(), wanted, kind=kind)
    for junk in JUNK:
        for place in ("choices", "message"):
            reason = {"choices": junk} if place == "choices" else {"choices": [{"message": junk}]}
            body = json.dumps(reason).encode()
            yield reply(f"whole: {place} is {short(junk)}", body, Broken(StreamBroken), kind="application/json")
        body = json.dumps([junk]).encode()
        yield reply(f"whole: a list of {short(junk)}", body, Broken(StreamBroken), kind="application/json")
