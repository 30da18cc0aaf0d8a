"""Calls that a model wrote into its text: which count, and what of the text is shown."""

from collections.abc import AsyncGenerator, Sequence

import pytest

from garra.agent.calls.reading import read_calls
from garra.wire.events import Event, Finish, ReasoningDelta, Reply, TextDelta
from garra.wire.messages import ToolSpec

pytestmark = pytest.mark.anyio

ONE = '<tool_call>\n{"name": "read", "arguments": {"path": "a"}}\n</tool_call>'
TWO = '<tool_call>\n{"name": "write", "arguments": {"path": "b"}}\n</tool_call>'


TOOLS = (ToolSpec("read", "", {"type": "object"}), ToolSpec("write", "", {"type": "object"}))


async def replay(events: Sequence[Event]) -> AsyncGenerator[Event]:
    for event in events:
        yield event


async def read(text: str, reason: str = "stop") -> tuple[str, list[tuple[str, str]], str]:
    """What is shown, the calls and the finish reason, the text coming character by character."""
    reply = Reply()
    async for event in read_calls(replay([*map(TextDelta, text), Finish(reason)]), TOOLS):
        reply.add(event)
    return reply.text, [(call.name, call.arguments) for call in reply.calls], reply.finish_reason or ""


@pytest.mark.parametrize("between", ["", "\n", "\n\n  "])
async def test_calls_one_after_the_other_all_count(between: str) -> None:
    shown, calls, reason = await read(f"Both.\n{ONE}{between}{TWO}")

    assert (shown, reason) == ("Both.\n", "tool_calls")
    assert calls == [("read", '{"path": "a"}'), ("write", '{"path": "b"}')]


@pytest.mark.parametrize(
    "after", ["\nDone, I wrote it!", "\n<tool_response>\nall good\n</tool_response>\nDone.", f"\nThen: {TWO}"]
)
async def test_what_follows_a_call_is_a_guess_and_is_left_out(after: str) -> None:
    shown, calls, _ = await read(f"First.\n{ONE}{after}")

    assert (shown, calls) == ("First.\n", [("read", '{"path": "a"}')])


@pytest.mark.parametrize(
    "text",
    [
        f"A call looks so:\n```\n{ONE}\n```\nThat is all.",
        f"```json\n{ONE}",
        f"~~~\n{ONE}\n~~~",
        f"In short: `{ONE}`.",
        "Write <tool_call> and then the rest.",
        "<tool_call>",
        "<tool_call>\n[1, 2]</tool_call>",
        '<tool_call>{"nothing": 1}</tool_call>',
        '<tool_call>{"name": 1, "arguments": {}}</tool_call>',
        "<tool_call>" + '{"a":' * 50_000,
    ],
)
async def test_what_is_no_call_is_shown_as_it_is(text: str) -> None:
    assert await read(text) == (text, [], "stop")


async def test_a_call_after_a_closed_fence_counts() -> None:
    shown, calls, _ = await read(f"```\nx = 1\n```\n{ONE}")

    assert (shown, [name for name, _ in calls]) == ("```\nx = 1\n```\n", ["read"])


async def test_a_closing_tag_within_a_string_does_not_end_the_call() -> None:
    written = '{"content": "see </tool_call> and <tool_call>{ here", "n":  1}'

    _, calls, _ = await read(f'<tool_call>\n{{"name": "write", "arguments": {written}}}\n</tool_call>')

    assert calls == [("write", written)]


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('<tool_call>{"arguments": {"path": "a"}, "name": "read"}</tool_call>', '{"path": "a"}'),
        ('<tool_call>{"name":"read","arguments":{"path":"a"}}</tool_call>', '{"path":"a"}'),
        ('<tool_call>{"name": "read", "arguments": "{\\"path\\": \\"a\\"}"}</tool_call>', '{"path": "a"}'),
        ('<tool_call>{"name": "read", "arguments": {"path": "a"}', '{"path": "a"}'),
        ('<tool_call>{"name": "read"}</tool_call>', "{}"),
    ],
)
async def test_other_ways_of_writing_the_same_call_are_read(text: str, arguments: str) -> None:
    assert (await read(text))[1] == [("read", arguments)]


async def test_a_call_that_the_length_limit_cut_is_given_as_it_is_with_the_reason() -> None:
    text = '<tool_call>\n{"name": "write", "arguments": {"content": "abc'

    assert await read(text, "length") == ("", [("write", '{"content": "abc')], "length")


async def test_arguments_that_are_no_json_are_given_as_they_are() -> None:
    _, calls, _ = await read('<tool_call>\n{"name": "write", "arguments": {path: a}}\n</tool_call>')

    assert [name for name, _ in calls] == ["write"]
    assert calls[0][1].startswith("{path: a}")


async def test_thinking_that_comes_in_between_passes_through() -> None:
    middle = len(ONE) // 2
    events: list[Event] = [TextDelta(ONE[:middle]), ReasoningDelta("hm"), TextDelta(ONE[middle:]), Finish("stop")]

    given = [event async for event in read_calls(replay(events), TOOLS)]

    assert given[0] == ReasoningDelta("hm")
    assert [type(event).__name__ for event in given] == ["ReasoningDelta", "CallDelta", "Finish"]
