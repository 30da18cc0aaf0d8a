"""Arguments: read where one reading is possible, refused in one line where not."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garra.tools.schema import Mismatch, fit, parse_arguments, signature

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 10},
        "deep": {"type": "boolean"},
        "share": {"type": "number"},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["path"],
}


@pytest.mark.parametrize("text", ["", "  ", "{}", "null", '"{}"', '""'])
def test_no_arguments_can_be_written_in_many_ways(text: str) -> None:
    assert parse_arguments(text) == {}


def test_a_string_that_holds_the_object_is_opened() -> None:
    assert parse_arguments('"{\\"path\\": \\"x\\"}"') == {"path": "x"}


@pytest.mark.parametrize("text", ["[]", "5", '{"path": ', "{'path': 1}", '"hello"', "[" * 5000])
def test_arguments_that_are_no_object_are_a_mismatch(text: str) -> None:
    with pytest.raises(Mismatch, match="arguments"):
        parse_arguments(text)


@pytest.mark.parametrize(
    ("given_as", "read_as"),
    [
        ({"path": "x", "limit": "5"}, {"path": "x", "limit": 5}),
        ({"path": "x", "limit": 5.0}, {"path": "x", "limit": 5}),
        ({"path": "x", "limit": None}, {"path": "x"}),
        ({"path": "x", "deep": "true"}, {"path": "x", "deep": True}),
        ({"path": "x", "deep": "False"}, {"path": "x", "deep": False}),
        ({"path": "x", "share": "0.5"}, {"path": "x", "share": 0.5}),
        ({"path": "x", "tags": '["a"]'}, {"path": "x", "tags": ["a"]}),
        ({"path": 7}, {"path": "7"}),
    ],
)
def test_what_can_be_read_in_one_way_is_read_so(given_as: dict[str, Any], read_as: dict[str, Any]) -> None:
    assert fit(given_as, SCHEMA) == read_as


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, '"path" is missing (a string)'),
        ({"path": None}, '"path" should be a string, got null'),
        ({"path": {"a": 1}}, '"path" should be a string, got an object: {"a":1}'),
        ({"path": True}, '"path" should be a string, got a boolean: true'),
        ({"path": "x", "limit": "many"}, '"limit" should be an integer, got a string: "many"'),
        ({"path": "x", "limit": 2.5}, '"limit" should be an integer, got a number: 2.5'),
        ({"path": "x", "limit": True}, '"limit" should be an integer, got a boolean: true'),
        ({"path": "x", "limit": 0}, '"limit" should be at least 1, got 0'),
        ({"path": "x", "limit": 11}, '"limit" should be at most 10, got 11'),
        ({"path": "x", "deep": 1}, '"deep" should be a boolean, got an integer: 1'),
        ({"path": "x", "kind": "c"}, '"kind" should be one of a, b, got a string: "c"'),
        ({"path": "x", "tags": ["a", []]}, '"tags[1]" should be a string, got an array: []'),
        ({"path": "x", "limt": 3}, 'unknown argument "limt" (did you mean "limit"?)'),
        ({"path": "x", "file_path": "y"}, 'unknown argument "file_path" (did you mean "path"?)'),
    ],
)
def test_a_mismatch_says_what_was_expected_and_what_came(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(Mismatch) as wrong:
        fit(arguments, SCHEMA)

    assert str(wrong.value) == told


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(Mismatch) as wrong:
        fit({"limit": "x", "zzz": 1}, SCHEMA)

    assert all(part in str(wrong.value) for part in ('"limit"', '"zzz"', '"path" is missing'))


def test_further_properties_pass_where_the_schema_says_so() -> None:
    assert fit({"x": 1}, {"type": "object", "additionalProperties": True}) == {"x": 1}


def test_a_signature_marks_what_may_be_left_out() -> None:
    assert signature("t", SCHEMA).startswith("t(path: string, limit?: integer, deep?: boolean")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["path", "limit", "deep", "share", "kind", "tags", "other"]), JSON))
def test_any_arguments_either_fit_or_are_told_in_one_line(arguments: dict[str, Any]) -> None:
    told, fitted = "", None
    try:
        fitted = fit(arguments, SCHEMA)
    except Mismatch as wrong:
        told = str(wrong)

    assert "\n" not in told
    assert bool(told) != (fitted is not None and fit(fitted, SCHEMA) == fitted)
