"""Tool calls on a server that takes no tools."""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garra.agent.calls import described
from garra.agent.calls.brief import ITEMS, LARGEST, STRING_CHARS, short
from garra.agent.calls.reading import read_calls
from garra.wire.events import CallDelta, Event, Finish, ReasoningDelta, Reply, TextDelta
from garra.wire.messages import Assistant, Message, System, ToolCall, ToolResult, ToolSpec, User

pytestmark = pytest.mark.anyio

WRITE = ToolSpec(
    "write",
    "Write a file.",
    {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"], "additionalProperties": False},
)
WRITTEN = '<tool_call>\n{"name": "write", "arguments": {"path":  "a.txt"}}\n</tool_call>'


async def replay(events: Sequence[Event]) -> AsyncGenerator[Event]:
    for event in events:
        yield event


async def read(*events: Event) -> list[Event]:
    return [event async for event in read_calls(replay(events), [WRITE])]


def test_the_description_names_every_tool_and_the_form_of_a_call() -> None:
    text = described.description([WRITE])

    assert '"name": "write"' in text
    assert "Write a file." in text
    assert "<tool_call>" in text
    assert "</tool_call>" in text


def test_the_constraint_holds_the_arguments_to_the_schema_once_a_call_has_begun() -> None:
    tag = json.loads(described.constraint([WRITE])["structured_outputs"]["structural_tag"])

    assert tag["type"] == "structural_tag"
    assert tag["format"]["type"] == "triggered_tags"
    assert tag["format"]["triggers"] == ["<tool_call>"]
    assert tag["format"]["at_least_one"] is False
    [only] = tag["format"]["tags"]
    assert only["begin"] == '<tool_call>\n{"name": "write", "arguments": '
    assert only["content"]["type"] == "json_schema"
    assert only["content"]["json_schema"] == WRITE.parameters
    assert only["end"] == "}\n</tool_call>"


def test_a_weak_model_cannot_fill_a_call_with_spaces() -> None:
    tag = json.loads(described.constraint([WRITE])["structured_outputs"]["structural_tag"])

    assert tag["format"]["tags"][0]["content"]["max_whitespace_cnt"] == 1


def test_a_call_can_be_demanded_and_is_then_kept_short() -> None:
    tag = json.loads(described.constraint([WRITE], must_call=True)["structured_outputs"]["structural_tag"])

    assert tag["format"]["at_least_one"] is True
    schema = tag["format"]["tags"][0]["content"]["json_schema"]
    assert schema["properties"]["path"]["maxLength"] <= 64
    assert schema["required"] == ["path"]


def test_no_tools_need_no_constraint() -> None:
    assert described.constraint([]) == described.constraint([], must_call=True) == {}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"type": "string", "pattern": "a+"}, {"type": "string", "pattern": "a+"}),
        ({"type": "string", "maxLength": 5}, {"type": "string", "maxLength": 5}),
        ({"type": "string", "minLength": 99}, {"type": "string", "minLength": 99, "maxLength": 99}),
        ({"type": "boolean"}, {"type": "boolean"}),
        ({"type": "number", "minimum": 0.1}, {"type": "integer", "minimum": 1, "maximum": LARGEST}),
        ({"type": "number", "maximum": 600}, {"type": "integer", "minimum": 0, "maximum": 600}),
        (
            {"type": "number", "minimum": 0.1, "maximum": 0.9},
            {"type": "number", "minimum": 0.1, "maximum": 0.9},
        ),
        ({"type": "integer", "minimum": 20_000}, {"type": "integer", "minimum": 20_000}),
        (
            {"type": "array", "items": {"type": "string"}},
            {"type": "array", "items": {"type": "string", "maxLength": STRING_CHARS}, "maxItems": ITEMS},
        ),
    ],
)
def test_a_short_schema_has_bounds_and_allows_nothing_new(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert short(schema) == expected


async def test_a_tagged_call_becomes_a_call_and_its_text_is_not_shown() -> None:
    events = await read(TextDelta("I will.\n"), TextDelta(WRITTEN), Finish("stop"))

    reply = Reply()
    for event in events:
        reply.add(event)
    assert reply.text == "I will.\n"
    assert [(call.name, call.arguments) for call in reply.calls] == [("write", '{"path":  "a.txt"}')]
    assert reply.finish_reason == "tool_calls"


@given(st.lists(st.integers(1, 6), min_size=1, max_size=60), st.text("a<tol_c \n", max_size=12))
@settings(deadline=None)
async def test_any_split_of_the_text_gives_the_same_call(sizes: list[int], before: str) -> None:
    pieces: list[TextDelta] = []
    whole, at = before + WRITTEN, 0
    while at < len(whole):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(TextDelta(whole[at : at + size]))
        at += size

    events = await read(*pieces, Finish("stop"))

    shown = "".join(event.text for event in events if isinstance(event, TextDelta))
    calls = [event for event in events if isinstance(event, CallDelta)]
    assert (shown, [call.name for call in calls]) == (before, ["write"])


async def test_text_that_only_looks_like_the_beginning_of_a_tag_is_shown_in_the_end() -> None:
    assert await read(TextDelta("a <tool"), Finish("stop")) == [TextDelta("a "), TextDelta("<tool"), Finish("stop")]


async def test_a_call_cut_off_by_the_length_limit_is_shown_and_not_run() -> None:
    cut = WRITTEN[:40]

    assert await read(TextDelta(cut), Finish("length")) == [TextDelta(cut), Finish("length")]


async def test_other_events_pass_through_unchanged() -> None:
    assert await read(ReasoningDelta("hm"), Finish("stop")) == [ReasoningDelta("hm"), Finish("stop")]


def test_a_call_goes_back_byte_for_byte_as_it_was_written_and_its_result_as_a_user_message() -> None:
    call = ToolCall("call_1", "write", '{"path":  "a.txt"}')
    history: list[Message] = [
        System("s"),
        User("u"),
        Assistant("I will.\n", (call,)),
        ToolResult("call_1", "write", "done"),
    ]

    assert described.as_text(history) == [
        System("s"),
        User("u"),
        Assistant("I will.\n" + WRITTEN),
        User("<tool_response>\ndone\n</tool_response>"),
    ]
