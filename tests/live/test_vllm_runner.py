"""`make test-vllm` itself, with a kit that serves at once: what it says, what it returns, and that nothing stays."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[2]


def kit(folder: Path, *, setup: str = "exit 0", serve: str = "exit 7") -> Path:
    """A kit whose scripts do this."""
    made = folder / "kit"
    made.mkdir()
    (made / "setup.sh").write_text(setup)
    (made / "serve.sh").write_text(serve)
    return made


def serving(pids: Path) -> str:
    """A `serve.sh` that answers /health from a child, and writes down both processes."""
    return (
        f"sleep 600 & echo $! >>{pids}\necho $$ >>{pids}\n"
        f"exec {sys.executable} -m garra.testing --port $2 --model smollm2\n"
    )


def command(made: Path, folder: Path, *more: str) -> list[str]:
    module = [sys.executable, "-m", "tests.live.vllm.run", "--kit", str(made), "--dir", str(folder / "dir")]
    return [*module, "--memory-gb", "0", "--only", "plain", *more]


def run(made: Path, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(made, folder, *more), cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120
    )


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "GARRA_VLLM"}


def ready(folder: Path) -> None:
    """The set-up counts as done: no disk is asked for."""
    (folder / "dir").mkdir()
    (folder / "dir" / "ready").touch()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended but was not yet asked for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_without_the_kit_it_says_so_in_a_line_and_fails_nothing(tmp_path: Path) -> None:
    done = run(tmp_path / "nothing", tmp_path)

    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    assert "Skipped" in done.stdout
    assert str(tmp_path / "nothing") in done.stdout


@pytest.mark.parametrize("lack", ["memory", "disk"])
def test_a_machine_that_is_too_small_is_told_what_it_lacks(tmp_path: Path, lack: str) -> None:
    done = run(kit(tmp_path), tmp_path, f"--{lack}-gb", "1e9")

    assert done.returncode == 1
    assert lack in done.stdout
    assert "1e+09 GB" in done.stdout


def test_a_setup_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    ready(tmp_path)

    done = run(kit(tmp_path, setup="echo no room for torch; exit 3"), tmp_path)

    assert done.returncode == 1
    assert "exit code 3" in done.stdout
    assert "no room for torch" in done.stdout


def test_a_server_that_does_not_start_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    ready(tmp_path)

    done = run(kit(tmp_path, serve="echo cannot bind; exit 7"), tmp_path)

    assert done.returncode == 1
    assert "exit code 7" in done.stdout
    assert "cannot bind" in done.stdout


def test_the_suite_is_run_and_the_server_ended_with_its_children(tmp_path: Path) -> None:
    ready(tmp_path)
    pids = tmp_path / "pids"

    done = run(kit(tmp_path, serve=serving(pids)), tmp_path, "--", "-k", "test_a_port_without_a_server")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 2
    assert not any(map(is_alive, started))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_in_the_middle_it_leaves_nothing_running(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """The server never becomes ready here: that is waited for when the signal comes."""
    ready(tmp_path)
    pids = tmp_path / "pids"
    made = kit(tmp_path, serve=f"sleep 600 & echo $! $$ >{pids}\nsleep 600\n")
    runner = subprocess.Popen(command(made, tmp_path), cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL)
    while not (pids.exists() and len(pids.read_text().split()) == 2):
        assert runner.poll() is None
        time.sleep(0.05)

    runner.send_signal(number)

    assert runner.wait(timeout=60) == code
    assert not any(is_alive(int(pid)) for pid in pids.read_text().split())
