from pathlib import Path
from typing import Any

import pytest

from garra.config.variables import Missing, fill, read_dotenv


@pytest.mark.parametrize(
    ("text", "env", "result"),
    [
        ("${A}/v1", {"A": "http://h"}, "http://h/v1"),
        ("$${A}", {"A": "http://h"}, "${A}"),
        ("$${A}", {}, "${A}"),
        ("${a}", {"a": "no"}, "${a}"),
        ("${X:-y}", {"X": "no"}, "${X:-y}"),
        ("${A}${B}", {"A": "1", "B": "2"}, "12"),
        ("${A}", {"A": "${B}", "B": "no"}, "${B}"),
        ("$A", {"A": "no"}, "$A"),
    ],
)
def test_variables_are_filled_in(text: str, env: dict[str, str], result: str) -> None:
    missing: list[Missing] = []

    assert fill(text, env, missing) == result
    assert missing == []


@pytest.mark.parametrize("env", [{}, {"MISSING": ""}])
def test_a_missing_or_empty_variable_leaves_the_text_and_is_reported_with_its_key(env: dict[str, str]) -> None:
    missing: list[Missing] = []
    data: dict[str, Any] = {"a": [{"b": "x${MISSING}"}], "c": 1}

    assert fill(data, env, missing) == data
    assert [(each.variable, each.path) for each in missing] == [("MISSING", "a[0].b")]


def test_a_dotenv_file_is_read_as_other_tools_read_it(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# keys\n"
        "PLAIN=abc\n"
        "export EXPORTED = spaced  # why\n"
        'DOUBLE="two words # no comment\\n"\n'
        "SINGLE='$HOME \\n'\n"
        "EMPTY=\n"
        "HASH=a#b\n"
        "not a line\n"
        "WITH_EQUALS=a=b==\r\n"
    )

    assert read_dotenv(file) == {
        "PLAIN": "abc",
        "EXPORTED": "spaced",
        "DOUBLE": "two words # no comment\n",
        "SINGLE": "$HOME \\n",
        "EMPTY": "",
        "HASH": "a#b",
        "WITH_EQUALS": "a=b==",
    }


def test_no_dotenv_file_is_no_variables(tmp_path: Path) -> None:
    assert read_dotenv(tmp_path / ".env") == {}
