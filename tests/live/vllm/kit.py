"""The kit that sets a real vLLM up and serves it: `setup.sh DEST` and `serve.sh DEST PORT [flags]`.

Runs what is there and says what is missing. Fetches nothing itself, and ends every process that it has started, with
that one's children.
"""

import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

Say = Callable[[str], None]

SETUP_LIMIT_S, START_LIMIT_S, END_LIMIT_S = 1_800, 600, 30
TOLD_EVERY_S = 15
TAIL_LINES = 30


class KitFailed(Exception):
    """The real server cannot be had here. The text says why."""


def lacking(folder: Path, need_disk_gb: float, need_memory_gb: float) -> str:
    """What this machine has too little of; empty where it has enough."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    disk_gb = shutil.disk_usage(there).free / 1e9
    if not (folder / "ready").exists() and disk_gb < need_disk_gb:
        return f"setting vLLM up takes {need_disk_gb:g} GB of disk at {there}, and {disk_gb:.1f} GB are free"
    if (memory_gb := _memory_gb()) is not None and memory_gb < need_memory_gb:
        return f"a vLLM server takes {need_memory_gb:g} GB of memory, and {memory_gb:.1f} GB are free"
    return ""


def _memory_gb() -> float | None:
    """The memory that is free to be taken; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return int(found) / 1e6 if found else None


def set_up(kit: Path, folder: Path, log: Path, say: Say) -> None:
    """Run the kit's set-up: minutes the first time, nothing after that."""
    if not (folder / "ready").exists():
        say(f"Setting vLLM up in {folder}: about 3 GB, some minutes, once")
    with _running(["bash", str(kit / "setup.sh"), str(folder)], log) as process:
        _wait(process, log, say, "the set-up", SETUP_LIMIT_S, lambda: process.poll() is not None)
    if process.returncode:
        raise KitFailed(f"{kit / 'setup.sh'} failed with exit code {process.returncode}:\n{tail(log)}")


@contextmanager
def served(kit: Path, folder: Path, port: int, flags: Sequence[str], log: Path, say: Say) -> Iterator[str]:
    """The real server with these flags, from when it is ready until the block is left. Gives its root URL."""
    root_url = f"http://127.0.0.1:{port}"
    command = ["bash", str(kit / "serve.sh"), str(folder), str(port), *flags]
    with _running(command, log) as process:
        ready = _wait(process, log, say, f"{root_url}/health", START_LIMIT_S, lambda: _is_up(root_url))
        if not ready:
            raise KitFailed(f"vLLM ended with exit code {process.returncode} before it was ready:\n{tail(log)}")
        yield root_url


def tail(log: Path) -> str:
    """The last lines of a log."""
    lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
    return "\n".join(["", *(f"    {line}" for line in lines), f"    (all of it: {log})"])


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a group of its own, which is ended as a whole however the block is left."""
    cores = os.cpu_count() or 1
    env = {"VLLM_CPU_OMP_THREADS_BIND": f"0-{cores - 1}" if cores > 1 else "0"} | os.environ
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the group to end, and make it end where it does not; a child may outlive the process that began it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        until = time.monotonic() + END_LIMIT_S
        while time.monotonic() < until and _group_is_alive(process):
            time.sleep(0.1)
    process.wait()


def _group_is_alive(process: subprocess.Popen[bytes]) -> bool:
    process.poll()  # a child that has ended counts as alive until it is asked for
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def _wait(
    process: subprocess.Popen[bytes], log: Path, say: Say, what: str, limit_s: float, done: Callable[[], bool]
) -> bool:
    """Whether it is done before the process has ended. Says now and then what is waited for."""
    started, told = time.monotonic(), 0
    while not done():
        if process.poll() is not None:
            return False
        waited_s = time.monotonic() - started
        if waited_s > limit_s:
            raise KitFailed(f"{what} was waited for longer than {limit_s:g} s:\n{tail(log)}")
        if waited_s > (told + 1) * TOLD_EVERY_S:
            told += 1
            say(f"  waiting for {what} ({waited_s:.0f} s)")
        time.sleep(0.25)
    say(f"  {what}: after {time.monotonic() - started:.0f} s")
    return True


def _is_up(root_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{root_url}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
