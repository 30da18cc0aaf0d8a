"""What a one-shot turn costs: CPU seconds, wall seconds and peak memory of `garra agent -m hello`.

The model server is an instant one on the loopback address, so that only the assistant is measured. Beside it, in the
same run and taking turns, stand `python -c pass` (the floor) and nanobot where it is installed (`--nanobot PATH`).
Medians of `--runs`; the first turn with a new server, which asks it what it can do, is told apart.

    .venv/bin/python bench/oneshot.py
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

TARGET = "target: under 0.30 s of CPU, 60 MB"


@dataclass
class Runs:
    """What was measured of one command."""

    name: str
    command: list[str]
    env: dict[str, str]
    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)

    def once(self) -> None:
        """Run it once to its end. The numbers are the kernel's own, for it and its children."""
        with tempfile.TemporaryFile() as errors:
            started = time.perf_counter()
            process = subprocess.Popen(self.command, env=self.env, stdout=subprocess.DEVNULL, stderr=errors)
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                errors.seek(0)
                sys.exit(f"{self.name} failed ({process.returncode}): {errors.read().decode()[-2000:]}")
        self.cpu_s.append(usage.ru_utime + usage.ru_stime)
        self.wall_s.append(wall)
        self.peak_mb.append(usage.ru_maxrss / 1024)

    def row(self) -> str:
        spread = f"{min(self.cpu_s):.3f} to {max(self.cpu_s):.3f}"
        return (
            f"{self.name:34} {statistics.median(self.cpu_s):8.3f}  {spread:>16} "
            f"{statistics.median(self.wall_s):8.3f} {max(self.peak_mb):8.1f}"
        )


def start_server(python: str, env: dict[str, str]) -> tuple[subprocess.Popen[str], str]:
    """The instant server, and its base URL."""
    server = subprocess.Popen(
        [python, "-m", "garra.testing", "--port", "0", "--reply", "Hello!"],
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    return server, server.stdout.readline().split()[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--nanobot", help="the nanobot command of another environment")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options.runs, options.nanobot or shutil.which("nanobot"))


def measure(home: Path, runs: int, nanobot: str | None) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    server, base_url = start_server(sys.executable, env)
    try:
        configure(home, base_url)
        garra = [str(Path(sys.executable).parent / "garra")]
        hello = [*garra, "agent", "-m", "hello", "--session"]
        first = Runs("garra agent, first turn ever", [*hello, "first"], env)
        first.once()
        rows = [
            Runs("python -c pass", [sys.executable, "-c", "pass"], env),
            Runs("garra --version", [*garra, "--version"], env),
            Runs("garra agent -m hello", [*hello, "bench"], env),
        ]
        if nanobot:
            rows.append(nanobot_runs(nanobot, home, base_url, env))
        for _ in range(runs):
            for row in rows:
                row.once()
        print(f"{'':34} {'CPU s':>8}  {'spread':>16} {'wall s':>8} {'peak MB':>8}")
        for row in [*rows, first]:
            print(row.row())
        print("nanobot: not installed here" if not nanobot else "", TARGET, sep="\n")
    finally:
        server.terminate()
        server.wait()


def configure(home: Path, base_url: str) -> None:
    """A configuration as a person would have it: an explicit provider and a chosen model."""
    (home / ".garra").mkdir(mode=0o700)
    config = {
        "agents": {"defaults": {"model": {"primary": "vllm/scripted"}, "models": {"vllm/*": {}}}},
        "models": {"providers": {"vllm": {"baseUrl": base_url, "apiKey": "local", "models": []}}},
    }
    file = home / ".garra" / "garra.json"
    file.write_text(json.dumps(config, indent=2))
    file.chmod(0o600)


def nanobot_runs(nanobot: str, home: Path, base_url: str, env: dict[str, str]) -> Runs:
    """nanobot against the same server, configured by its own file."""
    (home / ".nanobot").mkdir()
    config = {
        "providers": {"vllm": {"apiKey": "local", "apiBase": base_url}},
        "agents": {"defaults": {"model": "scripted", "provider": "vllm"}},
    }
    (home / ".nanobot" / "config.json").write_text(json.dumps(config))
    return Runs("nanobot agent -m hello", [nanobot, "agent", "-m", "hello"], env)


if __name__ == "__main__":
    main()
