"""Exact replacement, and what is said when it cannot be made."""

import asyncio
import os
import stat
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from garra.tools.approval import nobody
from garra.tools.base import ToolContext
from garra.tools.edit_tool import Edit
from garra.tools.jobs import Jobs
from garra.tools.toolbox import Toolbox
from garra.wire.messages import ToolCall, ToolResult

Call = Callable[..., Awaitable[ToolResult]]


def edited(raw: bytes, **arguments: object) -> tuple[bytes, ToolResult]:
    """What the file holds after the edit, and what the model is told."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "f"
        file.write_bytes(raw)
        context = ToolContext(Path(folder), "agent:main:main", nobody, Jobs(), dict(os.environ))
        call = ToolCall("1", "edit", msgspec.json.encode({"path": "f", **arguments}).decode())
        result = asyncio.run(Toolbox([Edit()], context).run(call))
        assert os.listdir(folder) == ["f"]  # noqa: PTH208
        return file.read_bytes(), result


PIECE = st.text(st.sampled_from("ab \t\n\r\u2028é"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(PIECE, st.text(st.sampled_from("ab \n"), min_size=1, max_size=3), PIECE, PIECE)
def test_an_edit_is_str_replace_when_the_text_is_there_once(before: str, old: str, after: str, new: str) -> None:
    text = before + old + after
    assume(text.count(old) == 1 and old != new)
    assume(text.count("\n") == 0 or text.count("\n") != text.count("\r\n"))  # CRLF files have a test of their own

    raw, result = edited(text.encode(), old=old, new=new)

    assert not result.failed
    assert raw == text.replace(old, new).encode()


@settings(max_examples=60, deadline=None)
@given(PIECE, st.text(st.sampled_from("ab \n"), min_size=1, max_size=3), PIECE)
def test_an_edit_that_fails_changes_nothing(text: str, old: str, new: str) -> None:
    assume(text.count(old) != 1)

    raw, result = edited(text.encode(), old=old, new=new)

    assert result.failed
    assert raw == text.encode()


def test_all_replaces_every_match() -> None:
    raw, result = edited(b"a b a", old="a", new="x", all="true")

    assert raw == b"x b x"
    assert result.text == "Edited f: 2 places."


def test_several_matches_are_told_with_their_lines() -> None:
    raw, result = edited(b"a\nb\na\nb\na\n", old="a", new="x")

    assert raw == b"a\nb\na\nb\na\n"
    assert "3 times in f, on lines 1, 3, 5." in result.text
    assert "all=true" in result.text


def test_crlf_stays_although_the_model_writes_newlines() -> None:
    raw, result = edited(b"one\r\ntwo\r\nthree", old="one\ntwo\n", new="1\n2\n")

    assert not result.failed
    assert raw == b"1\r\n2\r\nthree"


def test_mixed_line_endings_are_named_as_the_reason() -> None:
    _, result = edited(b"one\r\ntwo\nthree\n", old="one\ntwo", new="x")

    assert "mixes LF and CRLF" in result.text


def test_a_difference_in_spaces_is_shown_with_the_files_own_lines() -> None:
    _, result = edited(b"def f():\n\tif x:\n\t\treturn 1\n", old="    if x:\n        return 1", new="pass")

    assert "only in spaces or tabs" in result.text
    assert result.text.endswith("(from line 2)\n\tif x:\n\t\treturn 1")


def test_the_closest_lines_are_shown_when_nothing_matches() -> None:
    _, result = edited(b"alpha\nthe quick brown fox\nomega\n", old="the quick brown dog", new="x")

    assert result.text.endswith("The closest lines are:\n(from line 2)\nthe quick brown fox")


def test_an_edit_made_twice_is_told_so() -> None:
    _, result = edited(b"x = 2\ny\n", old="x = 1  # the old one, long enough", new="x = 2")

    assert "new is there already, on line 1" in result.text


@pytest.mark.parametrize(("old", "new", "told"), [("", "x", "old is empty"), ("a", "a", "are the same")])
def test_edits_that_mean_nothing_are_refused(old: str, new: str, told: str) -> None:
    raw, result = edited(b"a", old=old, new=new)

    assert told in result.text
    assert raw == b"a"


def test_a_file_that_is_not_utf8_is_left_alone() -> None:
    raw, result = edited(b"caf\xe9 a", old="a", new="b")

    assert result.failed
    assert "not UTF-8 (byte 3)" in result.text
    assert raw == b"caf\xe9 a"


@pytest.mark.anyio
async def test_mode_and_link_stay(call: Call, workspace: Path) -> None:
    (workspace / "run.sh").write_text("old")
    (workspace / "run.sh").chmod(0o700)
    (workspace / "link").symlink_to("run.sh")

    result = await call("edit", path="link", old="old", new="new")

    assert not result.failed
    assert (workspace / "run.sh").read_text() == "new"
    assert stat.S_IMODE((workspace / "run.sh").stat().st_mode) == 0o700


@pytest.mark.anyio
async def test_a_missing_file_is_told_with_the_tool_that_creates_it(call: Call) -> None:
    result = await call("edit", path="no/file", old="a", new="b")

    assert result.failed
    assert "use write" in result.text
