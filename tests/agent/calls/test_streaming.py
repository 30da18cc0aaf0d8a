"""How the text of a reply reaches the person while calls are looked for in it, and what that costs."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garra.agent.calls.reading import HELD_CHARS, read_calls
from garra.errors import ModelUnreachable
from garra.wire.events import CallDelta, Event, Finish, ReasoningDelta, TextDelta, Usage
from tests.agent.calls.reading import TOOLS, read, replay
from tests.agent.calls.samples import ALL

pytestmark = pytest.mark.anyio


async def shown_before_the_end(text: str) -> str:
    """What the person has seen when all of the text has come, and the reply has not ended."""

    async def events() -> AsyncGenerator[Event]:
        for char in text:
            yield TextDelta(char)
        await asyncio.Event().wait()

    seen = ""
    async with aclosing(read_calls(events(), TOOLS)) as reading:
        try:
            async with asyncio.timeout(0.2):
                async for event in reading:
                    assert isinstance(event, TextDelta)
                    seen += event.text
        except TimeoutError:
            pass
    return seen


@pytest.mark.parametrize(
    "text",
    [
        "It is sunny in Paris.",
        "[1] The first source says so.",
        "[the docs](https://example.org) say so.",
        "[x, y] is a list.",
        '{"city": "Paris", "weather": "sunny"',
        '{"name": "Ana", "age": 5',
        '[{"name": "get_weathers"',
        '{"type": "object", "properties": {',
        '{"id": 7, "title": "A',
        '[{"id": "a7", "title": "A',
        '{"name": "get_weather", "arguments": {"city": "Paris"}} is how',
        "[get_weather] is a tool.",
        "[get_weather(city='Paris')] would be",
        "a < b, <b>bold</b> and <tool> and <function>.",
        "Write <tool_call> and then.",
        "<function=unknown> is a tag.",
        "[TOOL_CALLS] is a token.",
        "<|channel|>final<|message|>Hello.",
        "A commentary to=get_weather is one.",
    ],
)
async def test_text_that_is_no_call_is_shown_as_it_comes(text: str) -> None:
    assert await shown_before_the_end(text) == text


@pytest.mark.parametrize("form", ALL)
async def test_nothing_of_a_call_is_shown_while_it_comes(form: str) -> None:
    assert await shown_before_the_end(ALL[form][0]) == ""


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "get_weather", "arguments": {"town": "Paris"}}</tool_call>',
        '<tool_call>{"name": "get_weathers", "arguments": {"city": "Paris"}}</tool_call>',
        '<tool_call>{"name": "get_weather", "arguments": {"city": Paris}}</tool_call>',
    ],
)
async def test_the_form_that_we_ask_for_is_a_call_even_when_wrong_so_that_the_model_is_told(text: str) -> None:
    reply = await read(*text)

    assert (reply.shown, len(reply.calls), reply.reason) == ("", 1, "tool_calls")


async def test_without_tools_nothing_is_a_call() -> None:
    text = ALL["hermes"][0]

    assert [event async for event in read_calls(replay([TextDelta(text), Finish("stop")]), ())] == [
        TextDelta(text),
        Finish("stop"),
    ]


async def test_calls_of_the_server_pass_untouched_whatever_stands_beside_them() -> None:
    events: list[Event] = [
        ReasoningDelta("hm", "reasoning_content"),
        TextDelta("I will look."),
        CallDelta(0, "chatcmpl-tool-1", "get_weather", '{"ci'),
        CallDelta(0, "", "", 'ty": "Paris"}'),
        Finish("stop"),
        Usage(1, 2),
    ]

    assert [event async for event in read_calls(replay(events), TOOLS)] == events


@pytest.mark.parametrize("pair", ["<tool_call></tool_call>", "<tool_call>\n\n</tool_call>"])
@pytest.mark.parametrize("own", [(), (CallDelta(0, "c1", "now", "{}"),)])
async def test_the_tags_that_a_server_leaves_of_a_call_are_not_shown(pair: str, own: tuple[Event, ...]) -> None:
    reply = await read(*f"I will look.\n{pair}", before=own)

    assert (reply.shown, reply.calls) == ("I will look.\n", [("now", "{}")] * len(own))


async def test_two_calls_have_ids_of_their_own() -> None:
    events = [event async for event in read_calls(replay([TextDelta(ALL["hermes, two"][0]), Finish("stop")]), TOOLS)]

    calls = [event for event in events if isinstance(event, CallDelta)]
    assert [call.index for call in calls] == [0, 1]
    assert len({call.id for call in calls}) == 2
    assert all(call.id for call in calls)


async def test_a_reply_that_breaks_off_gives_the_text_that_was_held_back() -> None:
    async def events() -> AsyncGenerator[Event]:
        yield TextDelta('{"name": "get_wea')
        raise ModelUnreachable("gone")

    reading = read_calls(events(), TOOLS)

    assert await anext(reading) == TextDelta('{"name": "get_wea')
    with pytest.raises(ModelUnreachable):
        await anext(reading)


async def test_parameters_in_tags_get_the_types_of_the_schema() -> None:
    parameters = {
        "path": "\na.txt\n",
        "content": "\n  one\n\n<b>two</b>\n\n",
        "mode": "420",
        "append": "True",
        "share": "0.5",
        "labels": '["x", "1"]',
        "more": '\n{"a": null}\n',
    }
    written = "".join(f"<parameter={key}>{value}</parameter>\n" for key, value in parameters.items())

    reply = await read(f"<function=write>\n{written}</function>")

    assert reply.meant == [
        (
            "write",
            {
                "path": "a.txt",
                "content": "  one\n\n<b>two</b>\n",
                "mode": 420,
                "append": True,
                "share": 0.5,
                "labels": ["x", "1"],
                "more": {"a": None},
            },
        )
    ]


async def test_a_string_that_looks_like_a_number_stays_a_string() -> None:
    reply = await read("<function=get_weather><parameter=city>007</parameter></function>")

    assert reply.meant == [("get_weather", {"city": "007"})]


@pytest.mark.parametrize(
    "text",
    [
        "<function=get_weather><parameter=city>a</parameter><parameter=city>b</parameter></function>",
        "<function=get_weather><parameter=city>a</function>",
        "<function=write><parameter=path>a</parameter><parameter=content>b</parameter>"
        "<parameter=mode>much</parameter></function>",
    ],
)
async def test_parameters_given_twice_or_not_closed_or_of_another_type_make_it_text(text: str) -> None:
    reply = await read(*text)

    assert (reply.shown, reply.calls) == (text, [])


async def test_arguments_stay_as_they_were_written() -> None:
    written = '{"city":   "Par\\u0069s"  }'

    for form in ("[TOOL_CALLS]get_weather{}", '{{"name": "get_weather", "arguments": {}}}'):
        text = form.replace("{}", written) if "TOOL" in form else form.format(written)
        assert (await read(text)).calls == [("get_weather", written)]


@given(
    st.text("<>[]{}()|=_/`\"'~ \nabctoly", max_size=80), st.sampled_from(sorted(ALL)), st.text('`"> \nx', max_size=9)
)
@settings(deadline=None, max_examples=200)
async def test_every_split_shows_and_calls_the_same(before: str, form: str, after: str) -> None:
    text = before + ALL[form][0] + after

    whole, split = await read(text), await read(*text)

    assert (whole.shown, whole.meant, whole.reason) == (split.shown, split.meant, split.reason)
    assert bool(whole.calls) != (whole.shown == text)


_LONG = 1_000_000


@pytest.mark.parametrize(
    "unit",
    [
        "A sentence about a cat, and of what it calls.\n",
        "<",
        "[",
        "`",
        "<tool_call>",
        '"<tool_call>\n',
        "<tool_call>{",
        "<function=write><parameter=path>",
        '[TOOL_CALLS]write{"',
        "<|channel|>commentary to=functions.write ",
        '{"name": "write", "arguments": {"path": "',
        '{"name": "write", "arguments": {"path": "a", "content": ""}};',
        "[write(",
        "commentary to=write code {",
    ],
)
async def test_a_long_reply_in_single_characters_takes_time_in_proportion(unit: str) -> None:
    """A quarter of a million characters; were each looked at once for each before it, this would take hours."""
    text = unit * (_LONG // 4 // len(unit))
    started = time.process_time()

    reply = await read(*text)

    assert time.process_time() - started < 60
    assert reply.calls or reply.shown == text


async def test_what_is_held_back_is_bounded() -> None:
    text = '{"name": "write", "arguments": {"content": "' + "x" * HELD_CHARS

    assert await shown_in_pieces(text, 4096) >= HELD_CHARS


async def shown_in_pieces(text: str, size: int) -> int:
    """How much was shown before the reply ended."""
    pieces: list[Event] = [TextDelta(text[at : at + size]) for at in range(0, len(text), size)]
    reading = read_calls(replay([*pieces, ReasoningDelta("now"), Finish("stop")]), TOOLS)
    seen = 0
    async with aclosing(reading):
        async for event in reading:
            if isinstance(event, ReasoningDelta):
                return seen
            seen += len(event.text) if isinstance(event, TextDelta) else 0
    return seen


async def test_a_call_of_half_a_million_characters_is_read() -> None:
    content = "x" * (HELD_CHARS // 2)
    text = f"<tool_call>\n{json.dumps({'name': 'write', 'arguments': {'path': 'a', 'content': content}})}\n</tool_call>"

    assert (await read(text)).meant == [("write", {"path": "a", "content": content})]
