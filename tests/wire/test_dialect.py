"""What a server wants otherwise than most, flag by flag; and that no flag costs the prefix."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garra.wire.body import message_to_wire, request_body
from garra.wire.chat import ChatRequest
from garra.wire.dialect import PLAIN, Dialect
from garra.wire.messages import Assistant, Image, Message, System, Text, ToolCall, ToolResult, ToolSpec, User

CALL = ToolCall("c", "read", "{}")
READ = ToolSpec("read", "Read a file.", {"type": "object", "properties": {"path": {"type": "string"}}})


def sent(dialect: Dialect, *messages: Message, tools: tuple[ToolSpec, ...] = ()) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(request_body(ChatRequest("m", messages, tools), dialect=dialect))
    return body


def messages(dialect: Dialect, *said: Message) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sent(dialect, *said)["messages"]
    return found


def test_the_system_prompt_comes_as_the_developers_where_that_is_wanted() -> None:
    roles = [message["role"] for message in messages(Dialect(developer_role=True), System("s"), User("u"))]

    assert roles == ["developer", "user"]


def test_the_usage_is_not_asked_for_where_that_is_refused() -> None:
    assert "stream_options" not in sent(Dialect(usage_in_stream=False), User("u"))


def test_parts_of_text_alone_become_one_text() -> None:
    image = Image("data:,x")
    parts, mixed = messages(Dialect(plain_text=True), User((Text("a"), Text("b"))), User((Text("a"), image)))

    assert parts["content"] == "a\nb"
    assert len(mixed["content"]) == 2


def test_strict_keys_leave_the_calls_and_take_everything_else() -> None:
    dialect = Dialect(strict_keys=True, named_results=True)
    reply, result = messages(dialect, Assistant("t", (CALL,), "hm", "reasoning"), ToolResult("c", "read", "r"))

    assert reply.keys() == {"role", "content", "tool_calls"}
    assert result == {"role": "tool", "content": "r", "tool_call_id": "c"}


def test_a_result_names_its_tool() -> None:
    (result,) = messages(Dialect(named_results=True), ToolResult("c", "read", "r"))

    assert result["name"] == "read"


def test_between_a_result_and_the_person_the_assistant_says_something() -> None:
    said = messages(Dialect(reply_after_results=True), User("a"), ToolResult("c", "read", "r"), User("b"), User("c"))

    assert [message["role"] for message in said] == ["user", "tool", "assistant", "user", "user"]
    assert said[2]["content"]


def test_thinking_goes_back_before_the_text() -> None:
    reply, silent = messages(
        Dialect(thinking_as_text=True), Assistant("Four.", (), "2 + 2", "reasoning"), Assistant("", (CALL,), "hm", "x")
    )

    assert reply == {"role": "assistant", "content": "2 + 2\n\nFour."}
    assert silent["content"] == "hm"
    assert silent.keys() == {"role", "content", "tool_calls"}


def test_every_reply_has_the_field_for_thinking() -> None:
    one, other, user = messages(
        Dialect(thinking_always=True), Assistant("a", (), "hm", "reasoning"), Assistant("b"), User("c")
    )

    assert one == {"role": "assistant", "content": "a", "reasoning_content": "hm"}
    assert other["reasoning_content"] == ""
    assert "reasoning_content" not in user


def test_keywords_are_left_out_of_schemas_and_nowhere_else() -> None:
    inner = {"type": "string", "format": "uri", "enum": [{"format": 1}], "minLength": 1}
    schema = {
        "type": "object",
        "properties": {"format": inner, "list": {"type": "array", "items": {"format": "date"}}},
        "anyOf": [{"format": "x", "required": ["format"]}],
        "default": {"format": 1},
    }
    tool = ToolSpec("t", "d", schema)
    body = sent(Dialect(dropped_keywords=("format", "minLength")), User("u"), tools=(tool,))

    assert body["tools"][0]["function"]["parameters"] == {
        "type": "object",
        "properties": {
            "format": {"type": "string", "enum": [{"format": 1}]},
            "list": {"type": "array", "items": {}},
        },
        "anyOf": [{"required": ["format"]}],
        "default": {"format": 1},
    }
    assert tool.parameters["anyOf"] == [{"format": "x", "required": ["format"]}], "the tool itself stays as it is"


def test_a_tool_says_that_it_is_not_strict() -> None:
    function = sent(Dialect(strict_field=True), User("u"), tools=(READ,))["tools"][0]["function"]

    assert function == {
        "name": "read",
        "description": "Read a file.",
        "parameters": dict(READ.parameters),
        "strict": False,
    }


TEXTS = st.text(max_size=8)
MESSAGES = st.one_of(
    st.builds(User, TEXTS | st.lists(st.builds(Text, TEXTS), min_size=1, max_size=3).map(tuple)),
    st.builds(ToolResult, TEXTS, TEXTS, TEXTS),
    st.builds(
        Assistant,
        TEXTS,
        st.lists(st.builds(ToolCall, TEXTS, TEXTS, TEXTS), max_size=2).map(tuple),
        TEXTS,
        st.sampled_from(["", "reasoning", "reasoning_content"]),
    ),
)
DIALECTS = st.builds(Dialect, *[st.booleans()] * 9, st.just(("format",)))


@settings(deadline=None)
@given(DIALECTS, st.lists(MESSAGES, max_size=6), st.lists(MESSAGES, max_size=3))
def test_in_any_dialect_a_request_is_a_prefix_of_the_next_one(
    dialect: Dialect, history: list[Message], more: list[Message]
) -> None:
    before = request_body(ChatRequest("m", (System("s"), *history), (READ,), max_tokens=1), dialect=dialect)
    after = request_body(ChatRequest("m", (System("s"), *history, *more), (READ,), max_tokens=2), dialect=dialect)

    assert after.startswith(before.rpartition(b'],"max_tokens"')[0])


@settings(deadline=None)
@given(st.lists(MESSAGES, max_size=6))
def test_without_a_flag_nothing_is_sent_otherwise(history: list[Message]) -> None:
    usual = [message_to_wire(message) for message in history]

    assert messages(PLAIN, *history) == json.loads(msgspec.json.encode(usual))


@pytest.mark.parametrize("flag", [name for name, value in msgspec.structs.asdict(PLAIN).items() if value is False])
def test_no_flag_empties_a_conversation(flag: str) -> None:
    said = messages(
        msgspec.structs.replace(PLAIN, **{flag: True}),
        System("s"),
        User("u"),
        Assistant("a", (CALL,)),
        ToolResult("c", "r", "t"),
    )

    assert [message["content"] for message in said] == ["s", "u", "a", "t"]
