"""Thinking that a model writes into its text: taken out wherever it is cut, and never where it is text."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garra.errors import StreamBroken
from garra.wire.events import CallDelta, Event, Finish, ReasoningDelta, Reply, TextDelta, ThoughtSoFar, Usage
from garra.wire.inline_thinking import split_thinking
from garra.wire.messages import Assistant

pytestmark = pytest.mark.anyio


async def given_as(*events: Event, error: Exception | None = None) -> AsyncGenerator[Event]:
    for event in events:
        yield event
    if error:
        raise error


async def reading(pieces: Sequence[str | Event], finish: str = "stop", *, opened: bool = False) -> list[Event]:
    events = [TextDelta(piece) if isinstance(piece, str) else piece for piece in pieces]
    return [event async for event in split_thinking(given_as(*events, Finish(finish)), opened=opened)]


def reply_of(events: Sequence[Event]) -> Assistant:
    reply = Reply()
    for event in events:
        reply.add(event)
    return reply.message()


async def read(text: str, finish: str = "stop", *, opened: bool = False) -> tuple[str, str]:
    """Text and reasoning, the same whether it comes whole or character by character."""
    whole = reply_of(await reading([text], finish, opened=opened))
    split = reply_of(await reading(list(text), finish, opened=opened))
    assert whole == split
    assert whole.reasoning_field == ""
    return whole.text, whole.reasoning


@pytest.mark.parametrize(
    "name",
    [
        f"{prefix}{name}"
        for prefix in ("", "antml:", "mm:")
        for name in ("think", "thinking", "thought", "reasoning", "internal", "antthinking", "THINK")
    ],
)
async def test_a_block_at_the_beginning_is_reasoning_under_any_of_its_names(name: str) -> None:
    assert await read(f"<{name}>2 + 2 < 5</{name}>\n\nFour.") == ("Four.", "2 + 2 < 5")


@pytest.mark.parametrize(
    "text",
    [
        "Plain text.",
        "Say <think> to make it think.",
        "Write:\n```\n<think>x</think>\n```\nThat is all.",
        "~~~xml\n<think>\n~~~",
        "In `<think>` tags, or `</think>`, as you like.",
        "<thinker>no tag</thinker>",
        "a < b, and c </ d",
        "The end tag </think> closes it.\nSo it does.",
        "  \n \n",
        "",
        "<",
        "<thin",
        "A list:\n<ul>\n</ul>",
    ],
)
async def test_what_is_no_thinking_stays_text_to_the_last_character(text: str) -> None:
    assert await read(text) == (text, "")


async def test_a_block_further_down_is_taken_out_when_it_ends() -> None:
    assert await read("First.\n<thinking>hm</thinking>\nThen.") == ("First.\n\nThen.", "hm")


async def test_a_block_further_down_without_an_end_was_text() -> None:
    assert await read("First.\n<thinking>hm, and more") == ("First.\n<thinking>hm, and more", "")


async def test_a_block_at_the_beginning_without_an_end_is_all_reasoning() -> None:
    assert await read("<think>on and on", "length") == ("", "on and on")
    assert await read("<think>on and on</thin") == ("", "on and on</thin")


async def test_several_blocks_at_the_beginning_are_one_reasoning() -> None:
    assert await read("<think>a</think>\n<think>b</think>\nText.") == ("Text.", "ab")


async def test_reasoning_streams_as_it_comes() -> None:
    events = await reading(["<think>", "one ", "two", "</think>", "three"])

    assert events == [
        ReasoningDelta("one ", ""),
        ReasoningDelta("two", ""),
        TextDelta("three"),
        Finish("stop"),
    ]


async def test_text_of_a_model_that_does_not_think_is_held_back_nowhere() -> None:
    pieces = ["Hello", " there", ",\n", "world", "!\n\n", "```py", "\nx < 1", "\n```"]

    events = await reading(pieces)

    assert [event.text for event in events if isinstance(event, TextDelta)] == pieces


async def test_an_end_tag_alone_says_afterwards_what_the_text_before_it_was() -> None:
    events = await reading(["First I add.\n", "</think>", "\n\n", "Four."])

    assert events == [TextDelta("First I add.\n"), ThoughtSoFar(), TextDelta("Four."), Finish("stop")]
    assert reply_of(events) == Assistant("Four.", (), "First I add.\n")
    assert await read("hm\n</think>") == ("", "hm\n")
    assert await read("</think>\n\nFour.") == ("Four.", "")


async def test_an_end_tag_alone_counts_once_and_not_where_the_server_sends_reasoning_apart() -> None:
    assert await read("a\n</think>\nb\n</think>\nc") == ("b\n</think>\nc", "a\n")

    events = await reading([ReasoningDelta("hm", "reasoning"), "a\n</think>\nb"])

    assert reply_of(events) == Assistant("a\n</think>\nb", (), "hm", "reasoning")


async def test_where_the_template_opens_the_tag_text_waits_for_the_end_tag() -> None:
    assert await read("I add.</think>Four.", opened=True) == ("Four.", "I add.")
    assert await read("<think>I add.</think>\nFour.", opened=True) == ("Four.", "I add.")
    events = await reading(["I add.", "</thi", "nk>\n\n", "Fo", "ur."], opened=True)
    assert events == [ReasoningDelta("I add.", ""), TextDelta("Fo"), TextDelta("ur."), Finish("stop")]


async def test_where_the_template_opens_the_tag_and_no_end_comes_the_finish_reason_tells_what_it_was() -> None:
    assert await read("An answer.", opened=True) == ("An answer.", "")
    assert await read("Still thinking", "length", opened=True) == ("", "Still thinking")


async def test_a_server_that_sends_reasoning_apart_is_believed_whatever_the_template_does() -> None:
    events = await reading([ReasoningDelta("hm", "reasoning"), "\n\nFo", "ur."], opened=True)

    assert events == [ReasoningDelta("hm", "reasoning"), TextDelta("\n\nFo"), TextDelta("ur."), Finish("stop")]


async def test_other_events_pass_and_what_was_held_comes_before_the_end() -> None:
    events = await reading(["a\n<thi", CallDelta(0, "c", "read", "{}"), Usage(1, 2)])

    assert events[-2:] == [TextDelta("<thi"), Finish("stop")]
    assert reply_of(events).text == "a\n<thi"
    assert len(reply_of(events).calls) == 1


async def test_a_stream_that_breaks_keeps_what_had_arrived() -> None:
    seen: list[Event] = []

    async def listen() -> None:
        async for event in split_thinking(given_as(TextDelta("a\n<thi"), error=StreamBroken("cut"))):
            seen.append(event)

    with pytest.raises(StreamBroken):
        await listen()

    assert reply_of(seen).text == "a\n<thi"


async def test_closing_it_closes_the_stream_beneath() -> None:
    closed: list[bool] = []

    async def endless() -> AsyncGenerator[Event]:
        try:
            while True:
                yield TextDelta("more ")
        finally:
            closed.append(True)

    events = split_thinking(endless())
    await anext(events)
    await events.aclose()

    assert closed == [True]


PIECES = st.sampled_from(
    [
        "<think>",
        "</think>",
        "<Thinking>",
        "</thinking>",
        "<mm:think>",
        "\n",
        " ",
        "`",
        "```",
        "~~~",
        "<",
        "</",
        "a",
        "ß",
    ]
)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(PIECES, max_size=14).map("".join), st.lists(st.integers(0, 60), max_size=6), st.booleans(), st.booleans()
)
def test_wherever_the_text_is_cut_the_reply_is_the_same_and_no_word_is_lost(
    text: str, cuts: list[int], opened: bool, cut: bool
) -> None:
    places = sorted({0, len(text), *(place for place in cuts if place < len(text))})
    pieces = [text[start:end] for start, end in pairwise(places)]

    async def both() -> tuple[Assistant, Assistant]:
        finish = "length" if cut else "stop"
        whole = reply_of(await reading([text], finish, opened=opened))
        return whole, reply_of(await reading(pieces, finish, opened=opened))

    whole, split = asyncio.run(both())

    assert whole == split
    assert letters(whole.reasoning + whole.text) == letters(text)


def letters(text: str) -> list[str]:
    """What is no tag, no space and no debris of them, in any order: a block further down comes before the text."""
    return sorted(re.sub(r"</?(mm:)?think(ing)?>|[\s<>/]", "", text, flags=re.IGNORECASE))


@pytest.mark.parametrize(
    "text",
    ["<" * 50_000, "\n" * 50_000, "\n<" * 25_000, "<think>" + "<" * 50_000, "a\n<think></think>" * 5_000],
    ids=["angles", "lines", "both", "inside", "blocks"],
)
@pytest.mark.parametrize("size", [1, 1000, 1_000_000])
async def test_the_work_grows_with_the_length_and_no_faster(text: str, size: int) -> None:
    """Ten times as much may take thirty times as long, which leaves room for a busy machine and none for a square."""

    async def seconds(part: str) -> float:
        pieces = [part[at : at + size] for at in range(0, len(part), size)]
        start = time.process_time()
        await reading(pieces)
        return time.process_time() - start

    small = min([await seconds(text[: len(text) // 10]) for _ in range(3)])

    assert await seconds(text) < 30 * small + 0.1
