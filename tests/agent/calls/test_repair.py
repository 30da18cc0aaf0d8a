"""Arguments that do not parse: mended when one reading is possible, left alone otherwise."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garra.agent.calls.repair import LIMIT_CHARS, repaired
from garra.tools.schema import fit, parse_arguments
from garra.wire.messages import ToolCall, ToolSpec
from tests.agent.calls.reading import TOOLS

WEATHER, MAP, WRITE, NOW = TOOLS


def mended(arguments: str, spec: ToolSpec = WEATHER) -> Any:
    """What the arguments are afterwards, as a value; the text itself where it was left alone."""
    call = repaired(ToolCall("c1", spec.name, arguments), spec)
    assert (call.id, call.name) == ("c1", spec.name)
    return arguments if call.arguments == arguments else json.loads(call.arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        '"Paris"',  # vLLM's tool_choice "required" gave this for a tool of one required string
        'Arguments: {"city": "Paris"}',
        '```json\n{"city": "Paris"}\n```',
        '{"city": "Paris"}}',
        '{"city": "Paris"})',
        '{"city": "Paris",}',
        "{“city”: “Paris”}",
        "{'city': 'Paris'}",
        "{\"city\": 'Paris'}",
        '{"city": "Paris"',
        '"{\\"city\\": \\"Paris\\"}"',
        "\"{'city': 'Paris'}\"",
        'json {"city": "Paris",}',
    ],
)
def test_what_can_be_read_in_one_way_is_mended(arguments: str) -> None:
    assert mended(arguments) == {"city": "Paris"}


def test_a_line_break_in_a_string_is_kept_as_one() -> None:
    assert mended('{"path": "a", "content": "one\ntwo\t3\n"}', WRITE) == {"path": "a", "content": "one\ntwo\t3\n"}


def test_a_missing_bracket_and_brace_are_put_at_the_end() -> None:
    written = '{"path": "a", "content": "b", "labels": ["x", "y"'

    assert mended(written, WRITE) == {"path": "a", "content": "b", "labels": ["x", "y"]}


def test_words_of_python_are_read() -> None:
    written = "{'path': 'a', 'content': \"it's\", 'append': True}"

    assert mended(written, WRITE) == {"path": "a", "content": "it's", "append": True}


@pytest.mark.parametrize(
    ("arguments", "spec"),
    [
        ("Paris", WEATHER),  # not JSON, and any tool would take it
        ('{"city": "Par', WEATHER),  # cut inside a string
        ('{"city"', WEATHER),
        ('{"city": ', WEATHER),
        ('{"path": "a", "content": "b", "mode": 42', WRITE),  # 42, or 420, or 421…
        ('{"path": "a", "content": "b", "labels": [["x', WRITE),
        ('{"path": "a"', WRITE),  # mended, it would still lack the content
        ('{"town": "Paris",}', WEATHER),
        ('{"city": "Paris"}{"city": "Rome"}', WEATHER),
        ('{"city": "Paris", "city": "Rome",}', WEATHER),
        ('{"city": "Paris"} or {"city": "Rome"}', WEATHER),
        ('"more": {"city": "Paris"}', WEATHER),
        ('more": {"city": "Paris"}', WEATHER),
        ("x" * 97 + '{"city": "Paris"}', WEATHER),
        ('{"city": "Paris"} and so on', WEATHER),
        ('"a"', WRITE),  # two required strings
        ('"a"', NOW),
        ("42", WEATHER),
        ("[1]", WEATHER),
        ("null", WEATHER),
        ("{'city': open('x')}", WEATHER),
        ("{'city': b'Paris'}", WEATHER),
        ("{" * 10_000, WEATHER),
        ("{'city': " * 3_000, WEATHER),
        ('{"city": "' + "x" * LIMIT_CHARS + '",}', WEATHER),
        ("", WEATHER),
    ],
)
def test_what_cannot_or_can_in_two_ways_stays_as_it_is(arguments: str, spec: ToolSpec) -> None:
    assert mended(arguments, spec) is arguments


def test_a_tool_that_is_not_known_has_its_call_left_alone() -> None:
    call = ToolCall("c1", "nothing", "{'a': 1}")

    assert repaired(call, None) is call


def test_a_string_that_holds_an_object_is_not_taken_for_the_only_argument() -> None:
    assert mended('"{\\"town\\": \\"Paris\\"}"') == '"{\\"town\\": \\"Paris\\"}"'


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["city", "unit", "path", "content", "x"]), _JSON, max_size=5), st.booleans())
@settings(deadline=None)
def test_a_json_object_is_never_changed(value: dict[str, Any], spaced: bool) -> None:
    written = json.dumps(value, ensure_ascii=spaced, indent=1 if spaced else None)

    for spec in TOOLS:
        call = ToolCall("c1", spec.name, written)
        assert repaired(call, spec) is call


_ARGUMENTS = st.fixed_dictionaries(
    {"path": st.text(max_size=20), "content": st.text(max_size=40)},
    optional={
        "append": st.booleans(),
        "mode": st.integers(0, 999),
        "labels": st.lists(st.text(max_size=5), max_size=3),
    },
)


@given(_ARGUMENTS, st.data())
@settings(deadline=None)
def test_what_was_mended_always_parses_and_fits(value: dict[str, Any], data: st.DataObject) -> None:
    written = data.draw(st.sampled_from([json.dumps(value), repr(value), json.dumps(json.dumps(value))]))
    start, end = data.draw(st.integers(0, 6)), data.draw(st.integers(0, 6))
    place, put = (
        data.draw(st.integers(0, len(written))),
        data.draw(st.sampled_from(["", ",", "\n", '"', "}", "'", "“"])),
    )
    spoilt = (written[:place] + put + written[place:])[start : len(written) + len(put) - end]

    call = repaired(ToolCall("c1", "write", spoilt), WRITE)

    if call.arguments != spoilt:
        assert isinstance(json.loads(call.arguments), dict)
        fit(parse_arguments(call.arguments), WRITE.parameters)


@given(_ARGUMENTS)
@settings(deadline=None)
def test_a_python_dict_says_what_its_json_would(value: dict[str, Any]) -> None:
    call = repaired(ToolCall("c1", "write", repr(value)), WRITE)

    assert json.loads(call.arguments) == value


def test_what_the_real_server_gave_for_a_required_call_is_mended() -> None:
    recording = Path(__file__).parents[2] / "recordings" / "tools" / "tools-required.json"
    exchange = json.loads(recording.read_text())
    asked, answered = json.loads(exchange["request"]["body"]), json.loads(exchange["response"]["body"])
    [function] = [tool["function"] for tool in asked["tools"] if tool["function"]["name"] == "get_weather"]
    [given] = answered["choices"][0]["message"]["tool_calls"]
    call = ToolCall(given["id"], given["function"]["name"], given["function"]["arguments"])

    mended_call = repaired(call, ToolSpec(function["name"], function["description"], function["parameters"]))

    assert (mended_call.id, json.loads(mended_call.arguments)) == (given["id"], {"city": "Paris"})
