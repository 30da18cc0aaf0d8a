"""One damaged answer, and what has to come of it, as values."""

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

import msgspec

from garra.errors import ModelError
from garra.wire.http import Timeouts

Ending: TypeAlias = Literal["keep", "close", "reset", "silence"]
PATIENT = Timeouts(connect_s=5, first_event_s=10, gap_s=10)
HASTY = Timeouts(connect_s=5, first_event_s=0.3, gap_s=0.3)
VERY_PATIENT = Timeouts(connect_s=5, first_event_s=60, gap_s=60)


class Right(msgspec.Struct, frozen=True):
    """The reply that an ideal reader gives. `calls` are names and arguments; `usage` the tokens in and out."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    reasoning: str = ""
    finish: str = "stop"
    usage: tuple[int, int] | None = None


class Broken(msgspec.Struct, frozen=True):
    """The error that has to come, and the text that had to be given before it."""

    kind: type[ModelError]
    text: str = ""


Expected: TypeAlias = Right | Broken


class Case(msgspec.Struct, frozen=True):
    """One answer. `pieces` makes the bytes on the connection anew; `body` is the same without HTTP around it."""

    name: str
    expected: Expected
    pieces: Callable[[], Iterable[bytes]]
    ending: Ending = "keep"
    pause_s: float = 0.0
    timeouts: Timeouts = PATIENT
    body: bytes | None = None
    kind: str = "text/event-stream"

    def __repr__(self) -> str:
        return f"Case({self.name})"


def raw(
    name: str,
    sent: bytes,
    expected: Expected,
    *,
    ending: Ending = "close",
    pause_s: float = 0.0,
    timeouts: Timeouts = PATIENT,
    step: int | None = None,
) -> Case:
    """A case of HTTP itself: exactly these bytes, in pieces of `step`."""
    size = step or len(sent) or 1
    cut = [sent[start : start + size] for start in range(0, len(sent), size)]
    return Case(name, expected, lambda: cut, ending, pause_s, timeouts)


def reply(
    name: str, body: bytes, expected: Expected, *, kind: str = "text/event-stream", ending: Ending = "keep"
) -> Case:
    """A case within a 200 in chunks. An ending other than "keep" leaves the last chunk out."""
    sent = [head(kind), chunked(body)] + ([b"0\r\n\r\n"] if ending == "keep" else [])
    timeouts = HASTY if ending == "silence" else PATIENT
    return Case(name, expected, lambda: sent, ending, timeouts=timeouts, body=body, kind=kind)


def head(kind: str = "text/event-stream", status: str = "200 OK", *fields: str) -> bytes:
    """A status line and headers for a body in chunks."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Transfer-Encoding: chunked", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def chunked(body: bytes) -> bytes:
    """One chunk of a body, none for nothing."""
    return b"%x\r\n%b\r\n" % (len(body), body) if body else b""


def sized(body: bytes, status: str = "200 OK", *fields: str, kind: str = "application/json") -> bytes:
    """A whole answer with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
