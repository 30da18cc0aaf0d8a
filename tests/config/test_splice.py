"""Edits of the text: only what must change changes."""

from typing import Any

import pyjson5
import pytest

from garra.config.keypath import parse_path
from garra.config.splice import set_in, unset_in
from garra.errors import ConfigError

FILE = """// mine
{
  // which model
  agents: {
    defaults: {
      model: "vllm/a", // the model
      /* slow */ timeoutSeconds: 60, // a minute
    },
  },

  tools: { exec: { mode: 'ask' } }, // careful
  // the end
}
"""


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that went, and those that came."""
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


@pytest.mark.parametrize(
    ("path", "value", "gone", "come"),
    [
        (
            "agents.defaults.model",
            "vllm/b",
            ['      model: "vllm/a", // the model'],
            ['      model: "vllm/b", // the model'],
        ),
        ("agents.defaults.maxSteps", 9, [], ["      maxSteps: 9,"]),
        (
            "tools.exec.mode",
            "full",
            ["  tools: { exec: { mode: 'ask' } }, // careful"],
            ['  tools: { exec: { mode: "full" } }, // careful'],
        ),
        (
            "tools.exec.safeBins",
            ["ls"],
            ["  tools: { exec: { mode: 'ask' } }, // careful"],
            ["  tools: { exec: { mode: 'ask', safeBins: [\"ls\"] } }, // careful"],
        ),
        (
            "tools.fs.workspaceOnly",
            True,
            ["  tools: { exec: { mode: 'ask' } }, // careful"],
            ["  tools: { exec: { mode: 'ask' }, fs: { workspaceOnly: true } }, // careful"],
        ),
        (
            'agents.defaults.models["vllm/*"]',
            {},
            [],
            ["      models: {", '        "vllm/*": {}', "      },"],
        ),
    ],
)
def test_a_value_is_set_and_the_rest_stays(path: str, value: Any, gone: list[str], come: list[str]) -> None:
    edited = set_in(FILE, parse_path(path), value)

    assert changed_lines(FILE, edited) == (gone, [line for line in come if line not in FILE.splitlines()])
    found = pyjson5.decode(edited)
    for key in parse_path(path):
        found = found[key]
    assert found == value


def test_a_new_section_comes_behind_the_last_one_and_its_comment() -> None:
    edited = set_in(FILE, ("session", "scope"), "global")

    assert edited == FILE.replace("}, // careful\n", '}, // careful\n  session: {\n    scope: "global"\n  },\n')


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", "{\n  a: {\n    b: 1\n  }\n}"),
        ("{}\n", "{\n  a: {\n    b: 1\n  }\n}\n"),
        ("{ /* nothing yet */ }", "{ /* nothing yet */\n  a: {\n    b: 1\n  }\n}"),
        ("{\n  // nothing yet\n}", "{\n  // nothing yet\n  a: {\n    b: 1\n  }\n}"),
        ('{"x": 1}', '{"x": 1, "a": { "b": 1 }}'),
        ("{x: 1,}", "{x: 1, a: { b: 1 },}"),
        ("{\n\tx: 1\n}", "{\n\tx: 1,\n\ta: {\n\t\tb: 1\n\t}\n}"),
        ("{\n    x: 1 // one\n}", "{\n    x: 1, // one\n    a: {\n        b: 1\n    }\n}"),
        ("{\n  x: 1, y: 2 }", "{\n  x: 1, y: 2,\n  a: {\n    b: 1\n  }\n}"),
        ("{\r\n  x: 1\r\n}", "{\r\n  x: 1,\r\n  a: {\r\n    b: 1\r\n  }\r\n}"),
        ("{\n  x: 1 /* , */ ,\n}", "{\n  x: 1 /* , */ ,\n  a: {\n    b: 1\n  },\n}"),
        ("{a: {b: 2}, a: {b: 3}}", "{a: {b: 2}, a: {b: 1}}"),
    ],
)
def test_a_new_key_is_written_as_the_others_are(before: str, after: str) -> None:
    assert set_in(before, ("a", "b"), 1) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{\n  a: 1, // one\n  b: 2, // two\n  c: 3,\n}", "{\n  a: 1, // one\n  c: 3,\n}"),
        ("{\n  a: 1,\n  b: 2\n}", "{\n  a: 1\n}"),
        ("{\n  a: 1, // one\n  b: 2 // two\n}", "{\n  a: 1 // one\n}"),
        ("{a: 1, b: 2}", "{a: 1}"),
        ("{ a: 1, b: 2, c: 3 }", "{ a: 1, c: 3 }"),
        ("{ b: 2 }", "{ }"),
        ("{\n  b: 2\n}", "{\n}"),
        ("{ b: 1, a: 1, b: 2 }", "{ a: 1 }"),
        ("{\n  // about b\n  b: {\n    x: 1,\n  },\n  a: 1\n}", "{\n  // about b\n  a: 1\n}"),
    ],
)
def test_a_key_is_removed_and_the_rest_stays(before: str, after: str) -> None:
    assert unset_in(before, ("b",)) == after


def test_items_of_lists_can_be_set_added_and_removed() -> None:
    text = "{a: ['x', 'y']}"

    assert set_in(text, ("a", 1), "z") == "{a: ['x', \"z\"]}"
    assert set_in(text, ("a", 2), "z") == "{a: ['x', 'y', \"z\"]}"
    assert unset_in(text, ("a", 0)) == "{a: ['y']}"
    assert unset_in(text, ("a", 5)) == text


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("a.b.c", "a.b is not an object"),
        ("a[0]", "a is not a list"),
        ("list[7]", "list is a list of 1"),
        ("list.x", "list is a list of 1"),
        ("new[3]", "no list item 3"),
    ],
)
def test_what_cannot_be_set_is_told(path: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("[", r"\[")):
        set_in("{a: {b: 1}, list: [1]}", parse_path(path), 1)
