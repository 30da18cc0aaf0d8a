"""How `garra doctor` looks in a pipe, what it exits with, and its JSON."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from garra.cli.doctor_command import command_lines, lines, together, verdict
from garra.cli.main import run
from garra.doctor.finding import broken, hint, ok, skipped
from tests.live.served import free_port

Capture = pytest.CaptureFixture[str]
LONG = (
    "vllm serve /models/some/long/folder/with/a/model --served-model-name 'Org/A Model' --port 8123 "
    "--enable-auto-tool-choice --tool-call-parser hermes"
)


@pytest.fixture
def nobody_there(home: Path) -> str:
    folder = home / ".garra"
    folder.mkdir(mode=0o700)
    url = f"http://127.0.0.1:{free_port()}/v1"
    (folder / "garra.json").write_text(json.dumps({"models": {"providers": {"vllm": {"baseUrl": url}}}}))
    (folder / "garra.json").chmod(0o600)
    return url


def test_something_broken_is_exit_code_1_and_counted_in_the_last_line(nobody_there: str, capsys: Capture) -> None:
    assert run(["doctor"]) == 1

    shown = capsys.readouterr()
    assert nobody_there in shown.out
    assert shown.out.splitlines()[-1].startswith("1 thing to mend")
    assert "\x1b" not in shown.out
    assert all(len(line) < 100 for line in shown.out.splitlines())


def test_the_json_is_a_list_of_findings_and_nothing_else(nobody_there: str, capsys: Capture) -> None:
    assert run(["doctor", "--json"]) == 1

    findings = json.loads(capsys.readouterr().out)
    assert [set(each) for each in findings] == [{"check", "state", "seen", "means", "mend"}] * len(findings)
    by_check: dict[str, Any] = {each["check"]: each for each in findings}
    assert by_check["server"]["state"] == "broken"
    assert by_check["chat"]["state"] == "skipped"


def test_a_configuration_that_cannot_be_used_is_a_finding_and_no_error(home: Path, capsys: Capture) -> None:
    folder = home / ".garra"
    folder.mkdir(mode=0o700)
    (folder / "garra.json").write_text("{ nonsense")

    assert run(["doctor"]) == 1

    shown = capsys.readouterr()
    assert shown.err == ""
    assert "broken  configuration" in shown.out


def test_a_long_command_is_shown_over_lines_that_a_shell_reads_as_one() -> None:
    shown = command_lines(LONG)

    assert len(shown) > 1
    assert all(len(line) < 74 for line in shown)
    assert shlex.split("\n".join(shown).replace("\\\n", "")) == shlex.split(LONG)


def test_hints_alone_are_well() -> None:
    assert verdict([ok("a", "x"), hint("b", "x", "y", "z")]) == "All is well, and 1 hint."
    assert verdict([broken("a", "x", "y", "z"), broken("b", "x", "y", "z")]) == "2 things to mend."
    assert verdict([ok("a", "x")]) == "All is well."


def test_every_line_of_a_finding_is_short_and_the_mark_comes_first() -> None:
    shown = lines(broken("described tools", "word " * 60, "because " * 40, LONG))

    assert shown[0].startswith("broken  described tools")
    assert all(len(line) < 100 for line in shown)


def test_what_was_skipped_for_one_reason_is_told_once() -> None:
    one = together([skipped("chat", "no model can be asked"), skipped("thinking", "no model can be asked")])

    assert "chat" in lines(one)[0]
    assert "thinking" in lines(one)[1]
