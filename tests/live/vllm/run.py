"""The live suite against a real vLLM, started in three ways, one after the other: `make test-vllm`.

Without the kit there is nothing to prove, which is said in a line and is no failure. Whatever happens, the servers that
were started here are ended.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from tests.live.served import free_port
from tests.live.vllm.kit import KitFailed, lacking, served, set_up

HERE = Path(__file__).parent
KEY = "sekret"


class Way(msgspec.Struct, frozen=True):
    """One way of starting the server. `key` is the one that it wants."""

    name: str
    flags: tuple[str, ...]
    window: int = 8192
    key: str = ""


WAYS = (
    Way(
        "parser",
        ("--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--enable-prompt-tokens-details"),
    ),
    Way("plain", ()),
    Way(
        "key",
        ("--api-key", KEY, "--max-model-len", "4096", "--enable-auto-tool-choice", "--tool-call-parser", "pythonic"),
        window=4096,
        key=KEY,
    ),
)
"""With the parser of the form that the model is asked for; as it comes; and with a key, half the window and the parser
of another form."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kit", type=Path, required=True, help="the folder of setup.sh and serve.sh")
    parser.add_argument("--dir", type=Path, required=True, help="where the server is set up, and kept")
    parser.add_argument("--only", choices=[way.name for way in WAYS], action="append", help="these ways alone")
    parser.add_argument("--disk-gb", type=float, default=8, help="what the set-up takes while it runs")
    parser.add_argument("--memory-gb", type=float, default=6, help="what one server takes")
    parser.add_argument("pytest", nargs="*", help="what pytest is given as well")
    given = parser.parse_args()
    if not all((given.kit / name).is_file() for name in ("setup.sh", "serve.sh")):
        say(f"No real vLLM to test against: {given.kit} has no setup.sh and serve.sh. Skipped.")
        return 0
    folder = given.dir.expanduser().absolute()
    if lack := lacking(folder, given.disk_gb, given.memory_gb):
        say(f"The real vLLM cannot be tested here: {lack}.")
        return 1
    ways = [way for way in WAYS if not given.only or way.name in given.only]
    signal.signal(signal.SIGTERM, _terminated)
    try:
        return all_ways(given.kit.absolute(), folder, ways, given.pytest)
    except KitFailed as failed:
        say(f"The real vLLM could not be started: {failed}")
        return 1
    except KeyboardInterrupt:
        say("Stopped; the server is ended.")
        return 130


def all_ways(kit: Path, folder: Path, ways: list[Way], more: list[str]) -> int:
    """Every way in turn, all of them even after a failure; 0 when all of them passed."""
    logs = Path(tempfile.mkdtemp(prefix="garra-vllm-"))
    set_up(kit, folder, logs / "setup.log", say)
    port, failed, started = free_port(), [], time.monotonic()
    for way in ways:
        say(f"vLLM, {way.name}: {' '.join(way.flags) or 'no flags'}")
        log = logs / f"{way.name}.log"
        with served(kit, folder, port, way.flags, log, say) as root_url:
            if suite(root_url, way, logs, more):
                failed.append(way.name)
    took = f"{time.monotonic() - started:.0f} s, logs in {logs}"
    say(f"Failed against vLLM: {', '.join(failed)} ({took})" if failed else f"Passed against vLLM ({took})")
    return 1 if failed else 0


def suite(root_url: str, way: Way, home: Path, more: list[str]) -> int:
    """The tests of this folder against one server. The port is the same for every way: one address, three servers."""
    told: dict[str, Any] = {"root_url": root_url, "home": str(home)} | msgspec.to_builtins(way)
    command = [sys.executable, "-m", "pytest", str(HERE), "-q", "--durations=5", *more]
    with subprocess.Popen(command, env=os.environ | {"GARRA_VLLM": json.dumps(told)}) as tests:
        try:
            return tests.wait()
        except BaseException:
            tests.terminate()
            raise


def say(line: str) -> None:
    print(line, flush=True)


def _terminated(number: int, frame: object) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
