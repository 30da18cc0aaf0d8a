"""The reader of replies: vLLM's recorded streams, what other servers send, and damage."""

import asyncio
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garra.errors import ContextOverflow, ModelError, ServerFailed, StreamBroken
from garra.wire.address import parse_url
from garra.wire.chat import Endpoint
from garra.wire.events import CallDelta, Event, Finish, ReasoningDelta, Reply, TextDelta, Usage
from garra.wire.exchange import Exchange
from garra.wire.http import StreamResponse, Timeouts
from garra.wire.messages import Assistant, ToolCall
from garra.wire.patience import Patience
from garra.wire.reading import ReplyReader

RECORDINGS = Path(__file__).parent.parent / "recordings"
URL = "http://127.0.0.1:8000/v1/chat/completions"


async def read(pieces: Sequence[bytes], kind: str) -> tuple[list[Event], ModelError | None]:
    """Feed the pieces one at a time, and give the events and how it ended."""
    exchange = Exchange(lambda on: None)
    exchange.feed(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n\r\n".encode())
    patience = Patience(parse_url(URL), look_s=5, direct=False)
    response = StreamResponse(exchange, patience, Timeouts(), asyncio.get_running_loop().time() + 60)
    reader = ReplyReader(response, Endpoint("http://127.0.0.1:8000/v1", "sekret-key"), "m")

    async def feed() -> None:
        for piece in pieces:
            exchange.feed(piece)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        exchange.end()

    feeding = asyncio.create_task(feed())
    events: list[Event] = []
    try:
        async for event in reader.events():
            events.append(event)
    except ModelError as error:
        return events, error
    finally:
        await feeding
    return events, None


def outcome(*pieces: bytes, kind: str = "text/event-stream") -> tuple[list[Event], ModelError | None]:
    return asyncio.run(read(pieces, kind))


def events_of(*pieces: bytes, kind: str = "text/event-stream") -> list[Event]:
    events, error = outcome(*pieces, kind=kind)
    assert error is None, error
    return events


def reply_of(events: list[Event]) -> Reply:
    reply = Reply()
    for event in events:
        reply.add(event)
    return reply


def sse(*chunks: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def recorded(name: str) -> tuple[bytes, str]:
    response = json.loads((RECORDINGS / f"{name}.json").read_text())["response"]
    return response["body"].encode(), response["headers"]["content-type"]


DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("name", "text", "finish", "usage"),
    [
        (
            "tools/chat-stream-usage",
            "I'm glad you're enjoying the service. I'm here to help with any language-related tasks. What can I",
            "length",
            Usage(36, 24),
        ),
        (
            "tools/chat-stream",
            "I'm glad you're enjoying the service. I'm here to help with any language-related tasks. What can I",
            "length",
            None,
        ),
        (
            "tools/chat",
            "I'm glad you're enjoying the service. I'm here to help with any language-related tasks. What can I",
            "length",
            Usage(36, 24),
        ),
        (
            "tools/chat-stream-continuous-usage",
            "I'm glad you're enjoying the service. I'm here to help with any language-related tasks. What can I",
            "length",
            Usage(36, 24),
        ),
    ],
)
def test_recorded_replies_of_vllm_are_read_whole(name: str, text: str, finish: str, usage: Usage | None) -> None:
    body, kind = recorded(name)

    events = events_of(body, kind=kind)

    reply = reply_of(events)
    assert (reply.text, reply.finish_reason, reply.usage) == (text, finish, usage)
    assert events[-1] == Finish(finish)


def test_a_recorded_tool_call_is_put_together() -> None:
    body, kind = recorded("tools/tools-hermes-text-stream")

    reply = reply_of(events_of(body, kind=kind))

    call = ToolCall("chatcmpl-tool-a3c0ab604084b446", "get_weather", '{"city": "Paris"}')
    assert reply.message() == Assistant("", (call,))
    assert reply.finish_reason == "tool_calls"


def test_every_recorded_stream_gives_the_same_whole_or_byte_by_byte() -> None:
    for path in sorted(RECORDINGS.glob("*/*stream*.json")):
        body, kind = recorded(f"{path.parent.name}/{path.stem}")
        if kind.startswith("text/event-stream") and "completion-stream" not in path.stem:
            assert events_of(*(bytes([byte]) for byte in body), kind=kind) == events_of(body, kind=kind), path


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "reasoning_text"])
def test_reasoning_is_kept_apart_under_whichever_name_it_comes(field: str) -> None:
    events = events_of(sse(delta(**{field: "hm"}), delta("stop", content="yes")), DONE)

    assert events == [ReasoningDelta("hm", field), TextDelta("yes"), Finish("stop")]


def test_reasoning_that_comes_under_two_names_is_read_once() -> None:
    events = events_of(sse(delta("stop", reasoning="hm", reasoning_content="hm")), DONE)

    assert events == [ReasoningDelta("hm", "reasoning"), Finish("stop")]


def test_two_calls_whose_pieces_are_mixed_are_kept_apart_by_their_index() -> None:
    def piece(index: int, **fields: Any) -> dict[str, Any]:
        return delta(tool_calls=[{"index": index, **fields}])

    events = events_of(
        sse(
            piece(0, id="a", function={"name": "read", "arguments": '{"x"'}),
            piece(1, id="b", function={"name": "write"}),
            piece(0, function={"arguments": ":1}"}),
            piece(1, function={"arguments": "{}"}),
            delta("tool_calls"),
        ),
        DONE,
    )

    assert reply_of(events).calls == (ToolCall("a", "read", '{"x":1}'), ToolCall("b", "write", "{}"))


def test_calls_without_an_index_are_told_apart_by_their_ids() -> None:
    def call(**fields: Any) -> dict[str, Any]:
        return delta(tool_calls=[fields])

    events = events_of(
        sse(
            call(id="a", function={"name": "read", "arguments": "{"}),
            call(function={"arguments": "}"}),
            call(id="b", function={"name": "read", "arguments": {"x": 1}}),
            delta("tool_calls"),
        ),
    )

    assert reply_of(events).calls == (ToolCall("a", "read", "{}"), ToolCall("b", "read", '{"x":1}'))


def test_usage_is_read_wherever_it_is_with_its_cached_tokens() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 8}}

    for chunks in (
        [delta("stop", content="a"), {"choices": [], "usage": usage}],
        [{"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop", "usage": usage}]}],
    ):
        assert events_of(sse(*chunks), DONE) == [TextDelta("a"), Usage(9, 2, 8), Finish("stop")]


def test_a_finish_reason_nobody_knows_is_passed_on() -> None:
    assert events_of(sse(delta("content_filter", content="a")))[-1] == Finish("content_filter")


def test_a_whole_message_in_a_stream_or_instead_of_one_is_read() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    message = {"role": "assistant", "content": "hi", "reasoning": "hm", "tool_calls": [call]}
    whole = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    expected = [ReasoningDelta("hm"), TextDelta("hi"), CallDelta(0, "a", "read", "{}"), Finish("tool_calls")]

    assert events_of(sse(whole), DONE) == expected
    assert events_of(json.dumps(whole).encode(), kind="application/json") == expected
    assert events_of(b"\n ", json.dumps(whole, indent=1).encode(), kind="") == expected


def test_content_in_parts_is_read_as_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, {"type": "image"}]

    assert events_of(sse(delta("stop", content=parts)))[0] == TextDelta("ab")


def test_the_answers_to_n_other_than_the_first_are_left_alone() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}]}

    assert events_of(sse(other, delta("length", content="mine"))) == [TextDelta("mine"), Finish("length")]


@pytest.mark.parametrize("end", [b"", b'data: {"choi', b"data: {}"])
def test_an_end_before_the_reply_is_complete_is_an_error_and_keeps_what_came(end: bytes) -> None:
    events, error = outcome(sse(delta(content="Par")), end)

    assert events == [TextDelta("Par")]
    assert type(error) is StreamBroken
    assert "stopped before its end" in str(error)


def test_done_after_content_is_a_complete_reply_though_no_reason_was_given() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "read", "arguments": "{}"}}

    assert events_of(sse(delta(content="a")), DONE)[-1] == Finish("stop")
    assert events_of(sse(delta(tool_calls=[call])), DONE)[-1] == Finish("tool_calls")


@pytest.mark.parametrize("body", [b"", DONE, b": nothing\n\n", sse(delta(role="assistant", content="")), b"   \n"])
def test_a_reply_that_says_nothing_is_an_error(body: bytes) -> None:
    events, error = outcome(body)

    assert events == []
    assert type(error) is StreamBroken


@pytest.mark.parametrize("end", [b"data: {broken\n\n", sse({"error": {"message": "late"}}), b"data: {"])
def test_what_comes_after_the_finish_reason_cannot_undo_the_reply(end: bytes) -> None:
    assert events_of(sse(delta("stop", content="a")), end) == [TextDelta("a"), Finish("stop")]


@pytest.mark.parametrize("line", [b"{not json", b"[]", b"7", b'"x"', b"\xff\xfe", b"[" * 200_000, b'{"a":' * 200_000])
def test_a_piece_that_is_no_json_object_is_an_error_and_keeps_what_came(line: bytes) -> None:
    events, error = outcome(sse(delta(content="a")), b"data: " + line + b"\n\n")

    assert events == [TextDelta("a")]
    assert type(error) is StreamBroken
    assert URL in str(error)


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "text/event-stream", ""])
def test_a_web_page_is_called_one(kind: str) -> None:
    _, error = outcome(b"\n<!doctype html><title>Please log in</title>", kind=kind)

    assert type(error) is StreamBroken
    assert "web page" in str(error)
    assert "Please log in" in str(error)


def test_a_ten_megabyte_line_is_an_error_and_keeps_what_came() -> None:
    events, error = outcome(sse(delta(content="a")), b"data: ", *[b"x" * 1_000_000] * 10)

    assert events == [TextDelta("a")]
    assert type(error) is StreamBroken


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "engine died", "type": "InternalServerError", "code": 500}, ServerFailed),
        ({"message": "This model's maximum context length is 10 tokens.", "code": 400}, ContextOverflow),
        ("just text", ServerFailed),
    ],
)
def test_an_error_inside_the_stream_is_raised_as_what_it_is(error: Any, kind: type[ModelError]) -> None:
    events, raised = outcome(sse(delta(content="a"), {"error": error}), DONE)

    assert events == [TextDelta("a")]
    assert type(raised) is kind
    assert (error if isinstance(error, str) else error["message"].rstrip(".")) in str(raised)


def test_json_that_is_no_reply_is_an_error() -> None:
    _, error = outcome(b'{"status": "ok"}', kind="application/json")

    assert type(error) is StreamBroken


def test_a_key_in_a_broken_piece_is_not_repeated() -> None:
    for body in (
        b"data: your key sekret-key\n\n",
        b"<title>sekret-key</title>",
        sse({"error": {"message": "sekret-key"}}),
    ):
        _, error = outcome(body)
        assert "sekret-key" not in str(error)
        assert "[redacted]" in str(error)


BODY = recorded("tools/tools-hermes-text-stream")[0]


@settings(deadline=None)
@given(st.lists(st.integers(0, len(BODY)), max_size=12))
def test_any_split_of_a_recorded_stream_gives_the_same_events(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(BODY)]
    pieces = [BODY[start:end] for start, end in pairwise(edges)]

    assert events_of(*pieces) == events_of(BODY)


DAMAGE = st.tuples(
    st.integers(0, len(BODY) - 1), st.one_of(st.binary(max_size=3), st.sampled_from([b"\n\n", b"null", b"[", b"{"]))
)


@settings(deadline=None)
@given(st.lists(DAMAGE, min_size=1, max_size=8), st.integers(0, 4))
def test_a_damaged_stream_gives_events_or_a_typed_error_and_never_anything_else(
    damage: list[tuple[int, bytes]], width: int
) -> None:
    body = BODY
    for position, replacement in damage:
        body = body[:position] + replacement + body[position + width :]

    events, error = outcome(body)

    assert error is not None or isinstance(events[-1], Finish)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["choices", "delta", "message", "index", "tool_calls", "function", "arguments", "content",
                         "usage", "finish_reason", "prompt_tokens", "completion_tokens", "prompt_tokens_details",
                         "reasoning", "cached_tokens", "id", "name", "error", "code", "text"]), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(JSON, max_size=4))
def test_any_json_in_place_of_a_chunk_gives_events_or_a_typed_error(chunks: list[Any]) -> None:
    outcome(sse(*chunks), DONE)
    outcome(sse({"choices": [{"index": 0, "delta": chunk} for chunk in chunks]}), DONE)


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\r\n \xef\xbb\xbf\r\n"])
def test_a_byte_order_mark_before_the_reply_is_passed_over_whatever_kind_it_is(mark: bytes) -> None:
    whole = json.dumps({"choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]}).encode()
    expected = [TextDelta("hi"), Finish("stop")]

    for body in (mark + whole, mark + sse(delta("stop", content="hi"))):
        assert events_of(body) == expected
        assert events_of(*[bytes([byte]) for byte in body]) == expected


def test_comments_event_names_and_carriage_returns_are_no_part_of_the_reply() -> None:
    chunk = json.dumps(delta("stop", content="hi")).encode()
    body = b": ping\r\n\r\nevent: message\r\nid: 7\r\nretry: 10\r\ndata: " + chunk + b"\r\n\r\ndata: [DONE]\r\n\r\n"

    assert events_of(body) == events_of(*[bytes([byte]) for byte in body]) == [TextDelta("hi"), Finish("stop")]
