"""What a check found, as a value: what was seen, what it means, and the commands that mend it.

Holds no check, and never a secret. A finding that is a hint or broken names at least one command.
"""

import asyncio
import shlex
from collections.abc import Awaitable
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from garra.config.paths import Paths
from garra.errors import GarraError

State: TypeAlias = Literal["ok", "hint", "broken", "skipped"]


class Finding(msgspec.Struct, frozen=True):
    """One check's outcome. `hint`: it works, and could be better; `skipped`: something before it is broken."""

    check: str
    state: State
    seen: str
    means: str = ""
    mend: tuple[str, ...] = ()


def ok(check: str, seen: str, means: str = "") -> Finding:
    """All is well."""
    return Finding(check, "ok", seen, means)


def hint(check: str, seen: str, means: str, *mend: str) -> Finding:
    """It works, and could be better."""
    return Finding(check, "hint", seen, means, mend)


def broken(check: str, seen: str, means: str, *mend: str) -> Finding:
    """It does not work."""
    return Finding(check, "broken", seen, means, mend)


def skipped(check: str, why: str) -> Finding:
    """It could not be looked at."""
    return Finding(check, "skipped", f"not looked at: {why}")


async def bounded(check: str, work: Awaitable[Finding], limit_s: float, *mend: str) -> Finding:
    """The finding, in bounded time. An error that a check lets through is a finding too."""
    try:
        async with asyncio.timeout(limit_s):
            return await work
    except TimeoutError:
        return broken(check, f"no end within {limit_s:g} s", "What it waited for is too slow, or hangs.", *mend)
    except GarraError as error:
        head, *rest = str(error).splitlines() or ["it failed without a word"]
        return broken(check, head, "\n".join(rest), *mend)


def command(paths: Paths, *words: str) -> str:
    """A `garra` command for this home: with --config where another file than the home's own is in use."""
    chosen = paths.config_file != paths.home / "garra.json"
    return shlex.join(["garra", *(["--config", str(paths.config_file)] if chosen else []), *words])


def quote(path: Path) -> str:
    """A path as a shell takes it."""
    return shlex.quote(str(path))
