"""Answers of many megabytes, made while they are sent: whoever reads them may keep only a little."""

from collections.abc import Callable, Iterable, Iterator

from garra.errors import StreamBroken
from tests.wire.damage.case import VERY_PATIENT, Broken, Case, Right, chunked, head
from tests.wire.damage.streams import TEXT_STREAM, sse

_MIB = 1024 * 1024
_HELLO = chunked(sse(TEXT_STREAM[:2], done=False))


def large_answers() -> Iterator[Case]:
    """All of them: 64 MiB each, but for the million of chunks."""
    block = b"x" * 65536
    yield _case("a line without end", Broken(StreamBroken, "Hello"), block, 1024, first=_HELLO)
    yield _case("an event of many lines", Broken(StreamBroken, "Hello"), b"data: y\n" * 8192, 1024, first=_HELLO)
    yield _case(
        "a string without end", Broken(StreamBroken, "Hello"), block, 1024, first=_HELLO + chunked(b'data: {"a": "')
    )
    yield _case("a whole reply without end", Broken(StreamBroken), block, 1024, first=chunked(b'{"choices": "'))
    yield _case("a list without end", Broken(StreamBroken), b"[" * 65536, 1024)
    yield _case("spaces without end", Broken(StreamBroken), b" " * 65536, 1024)
    yield _case("text of 64 MiB", Broken(StreamBroken), sse([_long()], done=False), 1024)
    comments = Right("Hello there", usage=(5, 2))
    rest = chunked(sse(TEXT_STREAM[2:])) + b"0\r\n\r\n"
    yield _case("comments of 64 MiB", comments, b": " + block + b"\n", 1024, first=_HELLO, last=rest)
    yield _case("a million of chunks", comments, b":", 0, first=_HELLO, last=rest, tiny=1_000_000)
    yield _case("64 MiB after [DONE]", comments, block, 1024, first=chunked(sse(TEXT_STREAM)))
    yield Case("trailers of 64 MiB", Broken(StreamBroken, "Hello"), _trailers, "close", timeouts=VERY_PATIENT)


def _long() -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": {"content": "x" * 65536}}]}


def _case(
    name: str,
    expected: Right | Broken,
    block: bytes,
    times: int,
    *,
    first: bytes = b"",
    last: bytes = b"",
    tiny: int = 0,
) -> Case:
    def pieces() -> Iterable[bytes]:
        yield head() + first
        for _ in range(times):
            yield chunked(block)
        for _ in range(tiny // 10_000):
            yield b"1\r\n:\r\n" * 10_000
        if tiny:
            yield chunked(b"\n\n")
        yield last

    given: Callable[[], Iterable[bytes]] = pieces
    return Case(name, expected, given, "keep" if last else "close", timeouts=VERY_PATIENT)


def _trailers() -> Iterable[bytes]:
    yield head() + _HELLO + b"0\r\n"
    for number in range(64):
        yield b"X%d: " % number + b"y" * _MIB + b"\r\n"
