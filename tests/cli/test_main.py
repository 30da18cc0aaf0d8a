"""The command line as a whole: exit codes, where errors go, what is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from garra.cli.main import COMMANDS, run


def garra(*args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "garra", *args], input=stdin, capture_output=True, text=True, check=False
    )


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("garra, version ")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_that_is_listed_can_be_asked_for_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert f"garra {name}" in capsys.readouterr().out


def test_an_unknown_command_is_wrong_usage_and_says_so_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["conjure"]) == 2

    shown = capsys.readouterr()
    assert "conjure" in shown.err
    assert shown.out == ""


def test_a_mistyped_command_is_met_with_the_one_that_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sesions"]) == 2
    assert "Did you mean 'sessions'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "args", [["agent"], ["agent", "-m", "a", "--message-file", "b"], ["agent", "-m", "  "], ["agent", "--mesage", "x"]]
)
def test_a_turn_without_one_message_is_wrong_usage(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(args) == 2
    assert capsys.readouterr().err


def test_a_message_file_that_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["agent", "--message-file", str(tmp_path / "gone.txt")]) == 2
    assert "gone.txt" in capsys.readouterr().err


def test_an_invalid_configuration_is_one_clear_error_and_no_traceback(tmp_path: Path) -> None:
    config = tmp_path / "garra.json"
    config.write_text('{agents: {defaults: {modle: "vllm/x", maxSteps: "many"}}}')

    done = garra("--config", str(config), "agent", "-m", "hello")

    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "agents.defaults.modle" in done.stderr
    assert "model" in done.stderr
    assert "agents.defaults.maxSteps" in done.stderr


def test_asking_for_the_version_imports_neither_the_loop_nor_the_network() -> None:
    probe = (
        "import sys; from garra.cli.main import run; run(['--version']); "
        "heavy = {'asyncio', 'pydantic', 'httptools', 'sqlite3', 'garra.agent.loop'} & set(sys.modules); "
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )

    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_names_the_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    assert "_GARRA_COMPLETE" in capsys.readouterr().out


def test_a_reader_that_goes_away_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m garra completion bash | head -c 10",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
