"""Every form in which a model writes a call: it is run once, and its text is not shown; samples are in `samples`."""

import json

import pytest

from garra.wire.events import CallDelta, Event
from tests.agent.calls.reading import read
from tests.agent.calls.samples import ALL, MARKED, WHOLE

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("form", ALL)
async def test_a_call_is_read_and_its_text_is_not_shown(form: str) -> None:
    text, calls = ALL[form]

    reply = await read(text)

    assert (reply.shown, reply.meant, reply.reason) == ("", calls, "tool_calls")


@pytest.mark.parametrize("form", ALL)
async def test_it_is_read_the_same_wherever_the_text_is_split(form: str) -> None:
    text, calls = ALL[form]
    splits = [(text[:at], text[at:]) for at in range(1, len(text))]

    for pieces in [*splits, tuple(text)]:
        reply = await read(*pieces)
        assert (reply.shown, reply.meant) == ("", calls), pieces


@pytest.mark.parametrize("form", MARKED)
@pytest.mark.parametrize(
    "before", ["I will look.\n", "I will look.\n\n", 'He said "yes".\n', "Use `x`.\n", "```\na\n```\n"]
)
async def test_text_before_a_marked_call_is_shown(form: str, before: str) -> None:
    text, calls = MARKED[form]

    for pieces in ((before + text,), tuple(before + text)):
        reply = await read(*pieces)
        assert (reply.shown, reply.meant) == (before, calls)


@pytest.mark.parametrize("form", MARKED)
async def test_text_after_a_marked_call_is_left_out(form: str) -> None:
    text, calls = MARKED[form]

    reply = await read(*(text + "\n\nIt is sunny."))

    assert (reply.shown, reply.meant) == ("", calls)


@pytest.mark.parametrize("form", WHOLE)
@pytest.mark.parametrize("around", [("Here:\n", ""), ("", "\nThat is how."), ("\n", " is what I would say")])
async def test_what_could_be_plain_text_is_a_call_only_as_the_whole_message(form: str, around: tuple[str, str]) -> None:
    text = around[0] + WHOLE[form][0] + around[1]

    for pieces in ((text,), tuple(text)):
        reply = await read(*pieces)
        assert (reply.shown, reply.calls, reply.reason) == (text, [], "stop")


@pytest.mark.parametrize("form", WHOLE)
async def test_spaces_around_a_message_that_is_a_call_do_not_matter(form: str) -> None:
    text, calls = WHOLE[form]

    reply = await read(*f"\n {text}\n\n")

    assert (reply.shown, reply.meant) == ("", calls)


@pytest.mark.parametrize("form", ALL)
@pytest.mark.parametrize(
    "around",
    [
        ("```\n", "\n```"),
        ("Like this:\n```json\n", "\n```\nThat is all."),
        ("~~~\n```\n", "\n~~~"),
        ("````\n```\n", "\n```\n````"),
        ("1. So:\n     ```\n     ", "\n     ```"),
        ("```\n", ""),
        ("In short: `", "`."),
        ("`", "`"),
        ("> ", ""),
        ("He wrote:\n> ", "\n\nI see."),
        ('The page says "', '" there.'),
        ('The page says "do ', ' now" there.'),
        ("The page says “", "” there."),
        ("Es sagt „", "“ dort."),
        ("It says '", "' there."),
        ("It says:\n`\n", "\n`"),
        ('It says: "first\n', '" and no more.'),
    ],
)
async def test_a_call_that_is_shown_to_somebody_is_not_run(form: str, around: tuple[str, str]) -> None:
    text = around[0] + ALL[form][0] + around[1]

    for pieces in ((text,), tuple(text)):
        reply = await read(*pieces)
        assert (reply.shown, reply.calls, reply.reason) == (text, [], "stop")


@pytest.mark.parametrize("form", [form for form in ALL if not form.startswith("hermes")])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("get_weather", "get_weathers"),
        ("get_weather", "Get_weather"),
        ("city", "town"),
        ("Paris", '", "extra": "'),
        ("Paris", ""),
    ],
)
async def test_an_unknown_name_or_wrong_arguments_make_it_text(form: str, old: str, new: str) -> None:
    text = ALL[form][0].replace(old, new)

    for pieces in ((text,), tuple(text)):
        reply = await read(*pieces)
        if old == "Paris":  # a quote inside a value: whatever it is, it is not both run and shown
            assert (reply.shown == text) != bool(reply.calls)
        else:
            assert (reply.shown, reply.calls) == (text, [])


@pytest.mark.parametrize("form", ALL)
async def test_calls_of_the_server_are_what_counts(form: str) -> None:
    own: list[Event] = [CallDelta(0, "call_7", "now", "{}")]

    reply = await read(*ALL[form][0], reason="tool_calls", before=own)

    assert (reply.shown, reply.calls, reply.reason) == (ALL[form][0], [("now", "{}")], "tool_calls")


@pytest.mark.parametrize("form", ALL)
async def test_a_call_that_the_server_gave_too_is_neither_run_twice_nor_shown(form: str) -> None:
    text, calls = ALL[form]
    own = [CallDelta(at, f"call_{at}", name, json.dumps(args)) for at, (name, args) in enumerate(calls)]

    reply = await read(*text, before=own)

    assert (reply.shown, reply.meant) == ("", calls)


@pytest.mark.parametrize("form", [form for form in ALL if not form.startswith("hermes")])
async def test_a_call_cut_off_before_its_end_is_text(form: str) -> None:
    text = ALL[form][0]
    middle = text.index("Paris") + 2

    reply = await read(*text[:middle], reason="length")

    assert (reply.shown, reply.calls, reply.reason) == (text[:middle], [], "length")
