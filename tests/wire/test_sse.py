"""The SSE reader: any split gives the same events, and nothing grows without end."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garra.errors import StreamBroken
from garra.wire.sse import SseReader


def read(pieces: list[bytes], limit_bytes: int = 1000) -> list[bytes]:
    reader = SseReader(limit_bytes=limit_bytes)
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + list(reader.finish())


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_are_read_whichever_way_lines_end(end: bytes) -> None:
    body = end.join([b"data: one", b"", b"data: two", b""]) + end

    assert read([body]) == [b"one", b"two"]


def test_lines_of_one_event_are_joined_and_everything_but_data_is_dropped() -> None:
    body = b"\xef\xbb\xbfdata:a\n: a comment\nevent: x\nid: 7\nretry: 5\ndata\ndata:  c\nnonsense\n\n\n\n"

    assert read([body]) == [b"a\n\n c"]


def test_an_event_without_its_empty_line_counts_at_the_end_when_its_lines_are_whole() -> None:
    assert read([b"data: one\n"]) == [b"one"]
    assert read([b"data: one\n\ndata: [DONE]"]) == [b"one", b"[DONE]"]


def test_a_line_that_was_cut_off_is_no_event() -> None:
    assert read([b'data: one\n\ndata: {"cho']) == [b"one"]


def test_an_endless_line_is_refused_and_what_came_before_it_is_kept() -> None:
    events = SseReader("http://here", limit_bytes=100).feed(b"data: one\n\ndata: " + b"x" * 200)

    assert next(events) == b"one"
    with pytest.raises(StreamBroken, match=r"http://here .* more than 100 bytes"):
        next(events)


def test_an_endless_event_of_short_lines_is_refused_too() -> None:
    with pytest.raises(StreamBroken):
        read([b"data: xxxxx\n"] * 50, limit_bytes=100)


def test_comments_may_go_on_for_ever() -> None:
    assert read([b": keep-alive\n\n" * 100, b": still here\n" * 100, b"data: x\n\n"], limit_bytes=50) == [b"x"]


LINES = st.sampled_from(
    [b"data: a", b"data:\xc3\xa9\xf0\x9f\xa6\x9e", b"", b"", b": c", b"data", b"event: e", b"data: [DONE]"]
)


@settings(deadline=None)
@given(st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]))), st.lists(st.integers(0, 10_000)))
def test_any_split_of_the_bytes_gives_the_same_events(lines: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    body = b"".join(line + end for line, end in lines)

    assert read(split(body, cuts)) == read([body])
    assert read([bytes([byte]) for byte in body]) == read([body])


@settings(deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_any_bytes_give_the_same_in_any_split(body: bytes, cuts: list[int]) -> None:
    assert read(split(body, cuts)) == read([body])
