"""HTTP itself gone wrong: redirects, lengths, chunks, heads without end, other protocols on the port."""

from collections.abc import Iterator
from functools import partial

from garra.errors import ModelUnreachable, RequestRefused, ServerSilent, StreamBroken
from tests.wire.damage.case import HASTY, Broken, Case, Ending, Right, chunked, head, raw, sized
from tests.wire.damage.streams import TEXT_STREAM, sse

_BODY = sse(TEXT_STREAM)
_RIGHT = Right("Hello there", usage=(5, 2))
_OK = head() + chunked(_BODY) + b"0\r\n\r\n"
_ENDINGS: tuple[Ending, ...] = ("close", "reset")
ELSEWHERE = "http://127.0.0.2:1/v1/chat/completions"


def http_faults() -> Iterator[Case]:
    """All of them."""
    yield from _redirects()
    yield from _right_in_the_end()
    yield from _no_answers()
    yield from _bad_chunks()
    yield from _bad_heads()
    yield from _silences()


def _redirects() -> Iterator[Case]:
    for status in (300, 301, 302, 303, 304, 305, 307, 308, 399):
        for to in (ELSEWHERE, "/v1/chat/completions", "//evil.test/", "", "http://[bad", "\x01", "x" * 9000):
            sent = sized(b"", f"{status} Moved", f"Location: {to}") if "\x01" not in to else sized(b"", f"{status} M")
            expected = Broken(RequestRefused)
            yield raw(f"{status} to {to[:20]!r}", sent, expected, ending="keep" if status != 304 else "close")


def _right_in_the_end() -> Iterator[Case]:
    length = f"Content-Length: {len(_BODY)}".encode()
    kind = b"Content-Type: text/event-stream\r\n"
    plain = {
        "HTTP/1.0 until the end": b"HTTP/1.0 200 OK\r\n" + kind + b"\r\n" + _BODY,
        "HTTP/1.1 until the end": b"HTTP/1.1 200 OK\r\n" + kind + b"\r\n" + _BODY,
        "HTTP/1.0 with a length": b"HTTP/1.0 200 OK\r\n" + kind + length + b"\r\n\r\n" + _BODY,
        "a length": b"HTTP/1.1 200 OK\r\n" + kind + length + b"\r\n\r\n" + _BODY,
        "a length and more after it": b"HTTP/1.1 200 OK\r\n" + kind + length + b"\r\n\r\n" + _BODY + b"more",
        "a length too long": b"HTTP/1.1 200 OK\r\n" + kind + b"Content-Length: 99999\r\n\r\n" + _BODY,
        "no reason": b"HTTP/1.1 200\r\n" + kind + length + b"\r\n\r\n" + _BODY,
        "201": head(status="201 Created") + chunked(_BODY) + b"0\r\n\r\n",
        "a 100 before": b"HTTP/1.1 100 Continue\r\n\r\n" + _OK,
        "many interim answers": b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" * 50 + _OK,
        "no kind": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(_BODY) + b"0\r\n\r\n",
        "text/plain": head("text/plain") + chunked(_BODY) + b"0\r\n\r\n",
        "octets": head("application/octet-stream") + chunked(_BODY) + b"0\r\n\r\n",
        "application/json": head("application/json") + chunked(_BODY) + b"0\r\n\r\n",
        "two kinds": head("text/event-stream", "200 OK", "Content-Type: x/y") + chunked(_BODY) + b"0\r\n\r\n",
        "large headers": head("text/event-stream", "200 OK", "X: " + "y" * 60_000) + chunked(_BODY) + b"0\r\n\r\n",
        "many headers": head("text/event-stream", "200 OK", *["X: y"] * 3000) + chunked(_BODY) + b"0\r\n\r\n",
        "latin-1 headers": head("text/event-stream", "200 OK", "X: \xe9") + chunked(_BODY) + b"0\r\n\r\n",
        "cookies": head("text/event-stream", "200 OK", "Set-Cookie: a=b") + chunked(_BODY) + b"0\r\n\r\n",
        "identity": head("text/event-stream", "200 OK", "Content-Encoding: identity") + chunked(_BODY) + b"0\r\n\r\n",
        "trailers": head() + chunked(_BODY) + b"0\r\nContent-Type: text/html\r\nX: y\r\n\r\n",
        "chunk extensions": head() + b'%x;a="b"\r\n%b\r\n0;c\r\n\r\n' % (len(_BODY), _BODY),
        "a second answer after it": _OK + _OK,
        "two chunks a byte": head() + b"".join(chunked(bytes([byte])) for byte in _BODY) + b"0\r\n\r\n",
        "no last chunk": head() + chunked(_BODY),
        "garbage after [DONE]": head() + chunked(_BODY + b"\xff\x00<html>") + b"0\r\n\r\n",
        "a broken chunk after [DONE]": head() + chunked(_BODY) + b"zz\r\n",
    }
    for name, sent in plain.items():
        yield raw(name, sent, _RIGHT)
    for step in (1, 2, 7):
        yield raw(f"{step} bytes at a time", _OK, _RIGHT, step=step, pause_s=0.0005 if step == 1 else 0.001)


def _no_answers() -> Iterator[Case]:
    for name, sent in {
        "nothing": b"",
        "half a status": b"HTTP/1.1 20",
        "half a head": b"HTTP/1.1 200 OK\r\nContent-Ty",
        "only interim": b"HTTP/1.1 100 Continue\r\n\r\n",
    }.items():
        for ending in _ENDINGS:
            yield raw(f"{name}, then {ending}", sent, Broken(ModelUnreachable), ending=ending)
    for status in ("204 No Content", "205 Reset Content", "200 OK"):
        sent = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
        yield raw(f"empty {status}", sent, Broken(StreamBroken), ending="keep")
    yield raw("204 without a length", b"HTTP/1.1 204 No Content\r\n\r\n", Broken(StreamBroken), ending="keep")


def _bad_chunks() -> Iterator[Case]:
    begun = head() + chunked(sse(TEXT_STREAM[:2], done=False))
    for name, rest in {
        "no hex": b"zz\r\nabc\r\n",
        "negative": b"-5\r\nabcde\r\n",
        "empty size": b"\r\nabc\r\n",
        "too large a size": b"f" * 17 + b"\r\nabc",
        "size too small": b"2\r\nabcdef\r\n0\r\n\r\n",
        "a new answer inside": b"HTTP/1.1 500 Oops\r\n\r\n",
        "zero byte": b"\x00\x00\x00\x00",
    }.items():
        yield raw(f"chunk: {name}", begun + rest, Broken(StreamBroken, "Hello"))
    for name, rest in {"cut size": b"1", "cut chunk": b"ff\r\ndata", "no chunk": b""}.items():
        yield raw(f"chunk: {name}", begun + rest, Broken(StreamBroken, "Hello"))
    short = (
        f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {len(sse(TEXT_STREAM[:2], done=False))}"
    )
    yield raw("a length too short", short.encode() + b"\r\n\r\n" + _BODY, Broken(StreamBroken, "Hello"))
    for name, fields in {
        "two lengths": b"Content-Length: 5\r\nContent-Length: 7\r\n",
        "no number": b"Content-Length: abc\r\n",
        "negative": b"Content-Length: -1\r\n",
        "huge": b"Content-Length: 99999999999999999999999\r\n",
        "both": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    }.items():
        yield raw(f"length: {name}", b"HTTP/1.1 200 OK\r\n" + fields + b"\r\nabcde", Broken(StreamBroken))
    for coding in ("gzip", "br", "zstd", "x" * 500, "gzip, gzip"):
        sent = head("text/event-stream", "200 OK", f"Content-Encoding: {coding}") + chunked(b"\x1f\x8b\x08")
        yield raw(f"packed as {coding[:12]}", sent + b"0\r\n\r\n", Broken(StreamBroken))


def _bad_heads() -> Iterator[Case]:
    for name, sent in {
        "ssh": b"SSH-2.0-OpenSSH_9.6\r\n",
        "ftp": b"220 ready\r\n",
        "tls": b"\x15\x03\x01\x00\x02\x02\x46",
        "http2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
        "zeros": b"\x00" * 100,
        "html": b"<html><body>hello</body></html>",
        "json": b'{"error": "x"}',
        "no such version": b"HTTP/9.9 200 OK\r\n\r\n",
        "no status": b"HTTP/1.1 abc OK\r\n\r\n",
        "spaces in a name": b"HTTP/1.1 200 OK\r\nA B: c\r\n\r\n",
        "header without end": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 400_000,
        "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X: yyyyyyyyyyyyyyyyy\r\n" * 20_000,
        "interim without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
        "status without end": b"HTTP/1.1 200 " + b"O" * 400_000,
        "switch": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    }.items():
        yield raw(f"head: {name}", sent, Broken(StreamBroken))


def _silences() -> Iterator[Case]:
    hello = chunked(sse(TEXT_STREAM[:2], done=False))
    for name, sent, text in (
        ("at once", b"", ""),
        ("in the status", b"HTTP/1.1 2", ""),
        ("in the headers", b"HTTP/1.1 200 OK\r\nX: ", ""),
        ("after the headers", head(), ""),
        ("after text", head() + hello, "Hello"),
        ("in a chunk", head() + hello + b"ff\r\ndata: {", "Hello"),
        ("in a line", head() + hello + chunked(b"data: "), "Hello"),
        ("in a chunk's size", head() + hello + b"f", "Hello"),
    ):
        expected = Broken(ServerSilent, text)
        yield raw(f"silence {name}", sent, expected, ending="silence", timeouts=HASTY)
    yield raw(
        "silence after the end",
        head() + chunked(sse(TEXT_STREAM[:4], done=False)),
        Right("Hello there"),
        ending="silence",
        timeouts=HASTY,
    )
    yield raw("silence after [DONE]", head() + chunked(_BODY), _RIGHT, ending="silence", timeouts=HASTY)
    for name, sent, step in (
        ("headers drip without end", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300, 1),
        ("a line drips without end", head() + hello + chunked(b"y") * 300, 6),
        ("comments without end", head() + hello + chunked(b": still here\n\n") * 200, 19),
        ("nothing but comments", head() + chunked(b":\n\n") * 300, 8),
        ("spaces without end", head() + chunked(b" \n") * 300, 7),
        (
            "a whole reply drips without end",
            head("application/json") + chunked(b'{"choices": [') + chunked(b" ") * 300,
            6,
        ),
        ("extensions without end", head() + hello + b"5;" + b"x" * 300, 1),
        ("trailers without end", head() + hello + b"0\r\n" + b"X: y\r\n" * 300, 1),
    ):
        text = "Hello" if hello in sent else ""
        pieces = _dripping(sent, step)
        yield Case(name, Broken(ServerSilent, text), partial(iter, pieces), "silence", 0.01, HASTY)


def _dripping(sent: bytes, step: int) -> list[bytes]:
    """Drops of the bytes, after the head and the text at once."""
    begun = sent.find(b"\r\n\r\n") + 4 if sent.startswith(head()) else 0
    begun += len(chunked(sse(TEXT_STREAM[:2], done=False))) if b"Hello" in sent else 0
    return [sent[:begun], *(sent[at : at + step] for at in range(begun, len(sent), step))]
