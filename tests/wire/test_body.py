"""What is sent: the form of messages, and that what was sent once is sent the same ever after."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garra.wire.body import decode, message_to_wire, request_body
from garra.wire.chat import ChatRequest
from garra.wire.messages import Assistant, Image, Message, System, Text, ToolCall, ToolResult, ToolSpec, User

READ = ToolSpec("read", "Read a file.", {"type": "object", "properties": {"path": {"type": "string"}}})


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (System("Be brief."), {"role": "system", "content": "Be brief."}),
        (User("hi"), {"role": "user", "content": "hi"}),
        (
            User((Text("what?"), Image("data:image/png;base64,AA"))),
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "what?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
                ],
            },
        ),
        (Assistant("hello"), {"role": "assistant", "content": "hello"}),
        (Assistant(), {"role": "assistant", "content": ""}),
        (
            Assistant("", (ToolCall("c", "read", '{"path": 1}'),), "hm", "reasoning"),
            {
                "role": "assistant",
                "content": None,
                "reasoning": "hm",
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "read", "arguments": '{"path": 1}'}}
                ],
            },
        ),
        (
            Assistant("x", (), "hm", "reasoning_content"),
            {"role": "assistant", "content": "x", "reasoning_content": "hm"},
        ),
        (ToolResult("c", "read", "text"), {"role": "tool", "tool_call_id": "c", "content": "text"}),
        (ToolResult("c", "read", ""), {"role": "tool", "tool_call_id": "c", "content": "(no output)"}),
    ],
)
def test_each_message_has_its_form_on_the_wire(message: Message, wire: dict[str, Any]) -> None:
    assert message_to_wire(message) == wire


@pytest.mark.parametrize("arguments", ["", '{"path": ', "[1]", "null", "\ud800", "[" * 100_000])
def test_malformed_arguments_of_a_past_call_do_not_make_the_server_refuse_the_whole_history(arguments: str) -> None:
    wire = message_to_wire(Assistant("", (ToolCall("c", "read", arguments),)))

    assert wire["tool_calls"][0]["function"]["arguments"] == "{}"


def test_a_request_asks_for_a_stream_with_usage_and_carries_its_tools() -> None:
    body = json.loads(request_body(ChatRequest("m", (User("hi"),), (READ,), max_tokens=7)))

    assert body == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {
                "type": "function",
                "function": {"name": "read", "description": "Read a file.", "parameters": READ.parameters},
            }
        ],
        "tool_choice": "auto",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 7,
    }


def test_without_tools_no_tool_field_is_sent() -> None:
    assert not {"tools", "tool_choice"} & json.loads(request_body(ChatRequest("m", (User("hi"),)))).keys()


def test_the_field_for_the_limit_is_the_servers_own() -> None:
    body = request_body(ChatRequest("m", (), max_tokens=7), max_tokens_field="max_completion_tokens")

    assert json.loads(body)["max_completion_tokens"] == 7


def test_params_and_then_extra_have_the_last_word_and_none_takes_a_field_out() -> None:
    request = ChatRequest("m", (), params={"top_k": 5, "min_p": 0.1, "stream_options": None}, extra={"top_k": 6})

    body = json.loads(request_body(request))

    assert (body["top_k"], body["min_p"], "stream_options" in body) == (6, 0.1, False)


def test_half_a_surrogate_pair_is_sent_as_a_replacement_character() -> None:
    body = json.loads(request_body(ChatRequest("m", (User("caf\udce9 \U0001f99e"),))))

    assert body["messages"][0]["content"] == "caf? \U0001f99e"


TEXTS = st.text(max_size=20)
MESSAGES = st.one_of(
    st.builds(User, TEXTS),
    st.builds(ToolResult, TEXTS, TEXTS, TEXTS),
    st.builds(Assistant, TEXTS, st.lists(st.builds(ToolCall, TEXTS, TEXTS, TEXTS)).map(tuple), TEXTS, TEXTS),
)


@settings(deadline=None)
@given(st.lists(MESSAGES, max_size=6), st.lists(MESSAGES, max_size=3), st.integers(1, 9), st.integers(1, 9))
def test_a_request_is_a_prefix_of_the_next_one_up_to_the_end_of_its_messages(
    history: list[Message], more: list[Message], now: int, later: int
) -> None:
    before = request_body(ChatRequest("m", (System("s"), *history), (READ,), max_tokens=now))
    after = request_body(ChatRequest("m", (System("s"), *history, *more), (READ,), max_tokens=later))

    prefix, _, _ = before.rpartition(b'],"max_tokens"')
    assert prefix.startswith(b'{"model":"m","stream":true')
    assert after.startswith(prefix)


@pytest.mark.parametrize("text", ["", "{", b"\xff", b'"\xff"', "[" * 100_000, "nul"])
def test_what_is_no_json_is_a_value_error_whatever_is_wrong_with_it(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"(?i)json|utf-8|data|recursion|truncated"):
        decode(text)
