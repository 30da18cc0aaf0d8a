"""Structures that would hold everybody up, or end the engine, are refused before they reach it."""

import json
from typing import Any

import pytest

from garra.errors import RequestRefused
from garra.serve.engines.base import Structure
from garra.serve.engines.bounds import atoms, depth
from garra.serve.engines.structure import checked


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("", 0),
        ("abc", 3),
        ("a{3}", 3),
        ("a{2,5}", 5),
        ("a{4,}", 4),
        ("(ab){3}", 6),
        ("((a{2}b){3}c){4}", 40),
        (r"\({3}", 3),
        ("[({]{3}x", 4),
        ("[]a]{2}", 2),
        ("a{x}", 4),
        ("a{0}b", 2),
    ],
)
def test_repetitions_are_counted_as_if_written_out(pattern: str, count: int) -> None:
    assert atoms(pattern) == count


def test_the_depth_of_json_is_that_of_its_deepest_part() -> None:
    values: list[Any] = [1, {}, [[]], {"a": [1, {"b": {}}]}]

    assert [depth(value) for value in values] == [0, 1, 2, 4]


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    ("structure", "named"),
    [
        (Structure("regex", "((a|b){0,300}c){0,300}"), "written out"),
        (Structure("json", json.dumps({"type": "string", "pattern": "(a{300}){300}"})), "written out"),
        (Structure("json", json.dumps(nested(200))), "nested"),
        (Structure("structural_tag", json.dumps({"format": nested(200)})), "nested"),
    ],
)
def test_what_grows_too_large_is_refused_with_the_limit(structure: Structure, named: str) -> None:
    with pytest.raises(RequestRefused, match=named) as refused:
        checked(structure)

    assert refused.value.param == "structured_outputs"


@pytest.mark.parametrize(
    "structure",
    [Structure("regex", "([a-z]{1,60}, ){1,100}"), Structure("json", json.dumps(nested(40)))],
)
def test_what_people_write_is_let_through(structure: Structure) -> None:
    assert checked(structure) == structure
