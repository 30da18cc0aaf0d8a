"""Which commands run unasked: only what is understood whole and can only read."""

import os
from pathlib import Path

import pytest

from garra.tools.allowlist import Bounds, is_allowed
from garra.tools.settings import SAFE_BINS
from garra.tools.shellwords import plain_commands


def allowed(command: str, workspace: Path, **more: Path | tuple[Path, ...]) -> bool:
    bounds = Bounds(workspace, workspace, os.environ["PATH"], **more)  # type: ignore[arg-type]
    return is_allowed(command, safe_bins=SAFE_BINS, patterns=["git status*"], bounds=bounds)


@pytest.mark.parametrize(
    "command",
    [
        "ls",
        "ls -la sub/folder",
        "cat 'a file.txt' | grep -n \"some words\" | wc -l",
        "pwd && date +%F; uname -a",
        "head -n 5 x || echo none",
        "echo 'a; rm -rf $HOME `x` > y'",
        "git status --short",
        "uniq -c words",
    ],
)
def test_plain_reading_commands_run(command: str, workspace: Path) -> None:
    assert allowed(command, workspace)


@pytest.mark.parametrize(
    "command",
    [
        "",
        "rm x",
        "ls; rm x",
        "ls | sh",
        "ls & rm x",
        "ls\nrm x",
        "cat $(rm x)",
        "cat `rm x`",
        'cat "$(rm x)"',
        'cat "`rm x`"',
        "cat <(rm x)",
        "echo x > y",
        "echo x >> y",
        "cat < /etc/passwd",
        "cat << END",
        "PATH=. ls",
        "echo $HOME",
        "cat *.txt",
        "cat ~/x",
        "cat {a,b}",
        "l\\s",
        "ls # comment",
        "(ls)",
        "ls |",
        "| ls",
        "! ls",
        "./ls",
        "/bin/ls",
        "ls 'unclosed",
        'echo "a\\"b"',
        "uniq in out",
        "uniq -- -a -b",
        "date -s 12:00",
        "date 010100002030",
        "printf -v PATH .",
        "grep -r x .",
        "grep --rec x",
        "grep -f list x",
        "wc --files0-from=list",
        "file -C -m x",
        "sleep infinity",
        "env rm x",
        "xargs rm",
        "find . -delete",
        "cat /proc/1/environ",
        "git status; git push",
        "git  push status",
    ],
)
def test_anything_else_does_not(command: str, workspace: Path) -> None:
    assert not allowed(command, workspace)


def test_a_program_that_the_model_may_have_written_is_not_safe(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "ls").write_text("#!/bin/sh\nrm x")
    (workspace / "ls").chmod(0o755)
    monkeypatch.setenv("PATH", f"{workspace}:{os.environ['PATH']}")

    assert not allowed("ls", workspace)
    assert allowed("cat x", workspace)


def test_guarded_files_are_not_read_by_a_safe_program(workspace: Path) -> None:
    secret = workspace / "state" / "auth.json"
    secret.parent.mkdir()
    (workspace / "link").symlink_to(secret)

    assert allowed("cat state/other", workspace, guarded=(secret,))
    for command in ("cat state/auth.json", "cat link", "ls state", "cat state/../state/auth.json"):
        assert not allowed(command, workspace, guarded=(secret,))


def test_safe_programs_stay_in_the_workspace_where_everything_must(workspace: Path) -> None:
    assert allowed("cat x", workspace, within=workspace)
    for command in ("cat /etc/passwd", "cat ../x", "diff --from-file=../x y", "cut -f1 ../x"):
        assert not allowed(command, workspace, within=workspace)


def test_words_are_what_the_shell_makes_of_them() -> None:
    assert plain_commands("a 'b c'd \"e  f\" | g ''") == [["a", "b cd", "e  f"], ["g", ""]]
