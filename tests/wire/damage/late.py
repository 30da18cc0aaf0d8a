"""Errors inside a reply that had begun as a 200, in the shapes that servers and proxies give them, and answers of 4xx
and 5xx with every kind of body."""

import json
from collections.abc import Iterator
from typing import Any

from garra.errors import (
    AuthRejected,
    ContextOverflow,
    ModelError,
    ModelNotFound,
    RequestRefused,
    ServerBusy,
    ServerFailed,
    StreamBroken,
)
from tests.wire.damage.case import Broken, Case, Right, raw, reply, sized
from tests.wire.damage.streams import DONE, TEXT_STREAM, sse

_TOO_LONG = "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens"
_SHAPES: tuple[tuple[Any, type[ModelError]], ...] = (
    ({"error": {"message": "boom", "type": "InternalServerError", "code": 500}}, ServerFailed),
    ({"error": {"message": "boom", "code": 502}}, ServerFailed),
    ({"error": {"message": "busy", "code": 503}}, ServerBusy),
    ({"error": {"message": "slow down", "code": 429}}, ServerBusy),
    ({"error": {"message": "slow down", "code": "429"}}, ServerBusy),
    ({"error": {"message": "no", "code": 400}}, RequestRefused),
    ({"error": {"message": "no", "code": "400"}}, RequestRefused),
    ({"error": {"message": _TOO_LONG, "code": 400}}, ContextOverflow),
    ({"error": {"message": "key", "code": 401}}, AuthRejected),
    ({"error": {"message": "The model `m` does not exist.", "code": 404}}, ModelNotFound),
    ({"error": "boom"}, ServerFailed),
    ({"error": "boom", "error_type": "generation"}, ServerFailed),
    ({"error": ["boom", 1]}, ServerFailed),
    ({"error": {"a": {"b": [1]}}}, ServerFailed),
    ({"error": {"message": {"deep": "boom"}, "code": None}}, ServerFailed),
    ({"error": {"message": None, "code": -7}}, ServerFailed),
    ({"error": {"message": 7, "code": 10**30}}, ServerFailed),
    ({"error": {"message": "boom", "code": True}}, ServerFailed),
    ({"error": {"message": "x" * 100_000, "code": [1]}}, ServerFailed),
    ({"error": 7}, ServerFailed),
    ({"error": True}, ServerFailed),
    ({"object": "error", "message": "boom", "code": 400}, RequestRefused),
    ({"object": "error", "message": "boom", "code": None}, ServerFailed),
    ({"error": {"message": "boom \x1b[31m\n\x00", "code": 500}, "choices": []}, ServerFailed),
)
_STATUSES: tuple[tuple[int, type[ModelError]], ...] = (
    (400, RequestRefused),
    (401, AuthRejected),
    (403, AuthRejected),
    (404, RequestRefused),
    (405, RequestRefused),
    (418, RequestRefused),
    (422, RequestRefused),
    (429, ServerBusy),
    (500, ServerFailed),
    (502, ServerFailed),
    (503, ServerBusy),
    (504, ServerFailed),
    (599, ServerFailed),
)
_BODIES: tuple[bytes, ...] = (
    b"",
    b"null",
    b"[]",
    b"7",
    b'"text"',
    b"<html><title>Bad</title>",
    b"\xff\xfe\x00",
    b'{"error": null}',
    b'{"error": {"message": 7, "code": "x", "param": []}}',
    b'{"detail": [{"loc": ["body"], "msg": "x"}]}',
    b'{"message": {"message": {}}}',
    b"[" * 100_000,
    b'{"error": {"code": ' + b"9" * 5000 + b"}}",
)


def late_errors() -> Iterator[Case]:
    """An error as the first event, after text, and after the reply was complete."""
    for number, (shape, kind) in enumerate(_SHAPES):
        event = b"data: " + json.dumps(shape).encode() + b"\n\n"
        begun = sse(TEXT_STREAM[:2], done=False)
        yield reply(f"error {number} first", event, Broken(kind))
        yield reply(f"error {number} after text", begun + event + DONE, Broken(kind, "Hello"))
        named = b"event: error\r\n" + event
        yield reply(f"error {number} by name", begun + named, Broken(kind, "Hello"), ending="close")
        complete = sse(TEXT_STREAM[:4], done=False) + event
        yield reply(f"error {number} after the end", complete, Right("Hello there"))
        yield reply(f"error {number} as a whole", json.dumps(shape).encode(), Broken(kind), kind="application/json")
    for body in (b"event: error\ndata: boom\n\n", b'event: error\ndata: {"message": "boom"}\n\n'):
        yield reply(
            f"named error {body[13:]!r}", sse(TEXT_STREAM[:2], done=False) + body, Broken(StreamBroken, "Hello")
        )


def refusals() -> Iterator[Case]:
    """Each status with each kind of body."""
    for status, kind in _STATUSES:
        for number, body in enumerate(_BODIES):
            yield raw(f"{status} with body {number}", sized(body, f"{status} Word"), Broken(kind), ending="keep")
    for value in ("", "-1", "NaN", "1e400", "soon", "9" * 400, "Fri, 99 Foo 2026", "\xff"):
        sent = sized(b"", "429 Busy", f"Retry-After: {value}")
        yield raw(f"Retry-After: {value[:12]!r}", sent, Broken(ServerBusy), ending="keep")
