"""The fixed prefix of a session: who the assistant is, what it can do, and the workspace's own files.

Built once, when a session starts, and stored with it; later turns send what was stored. So nothing here may depend on
the moment: the time, the channel and the sender stand in the user message that they belong to (`stamped`).
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec

from garra.agent.budget import text_tokens

WORKSPACE_FILES = ("AGENTS.md", "SOUL.md", "IDENTITY.md", "USER.md", "MEMORY.md")
"""Injection order of OpenClaw's bootstrap files (openclaw.md 5.2)."""

USER_LIMIT_CHARS = 4_000
READ_LIMIT_BYTES = 2 * 1024 * 1024
CHARS_A_TOKEN = 3
"""Fewer than English prose has (about 4), so that a cut made by it errs on the side of fitting."""

WINDOW_SHARE = 0.25
"""How much of the model's window the workspace's files may take."""

INTRODUCTION = """\
You are a personal assistant running on the user's own machine, in the folder {workspace}.
Answer directly when you can. When a task needs files, commands or facts that you do not have, call a tool, read its \
result, and go on until the task is done. Never say that something was done unless a tool did it. When a tool fails, \
read what it says and try another way. Be brief and plain.
A message starts with the time at which it was sent."""


Quote: TypeAlias = Callable[[str], str]


class Limits(msgspec.Struct, frozen=True):
    """How much of the workspace's files goes into the prompt, in characters, and in tokens where there is a window."""

    file_chars: int = 20_000
    total_chars: int = 60_000
    tokens: int | None = None

    def within(self, window_tokens: int | None) -> "Limits":
        """These limits, lowered to the share of the window that the files may take."""
        if window_tokens is None:
            return self
        tokens = int(window_tokens * WINDOW_SHARE)
        return self._at_most(tokens * CHARS_A_TOKEN, tokens)

    def for_text(self, text: str) -> "Limits":
        """These limits, lowered for a text that takes more tokens than prose does: Han, tables, code."""
        if self.tokens is None or not text:
            return self
        return self._at_most(int(self.tokens * len(text) / text_tokens(text)), self.tokens)

    def _at_most(self, chars: int, tokens: int) -> "Limits":
        return Limits(min(self.file_chars, chars), min(self.total_chars, chars), tokens)


class Prompt(msgspec.Struct, frozen=True):
    """The system text, and a line for each workspace file that had to be cut or could not be read."""

    text: str
    notices: tuple[str, ...] = ()


def build_prompt(
    workspace: Path, limits: Limits, *, directory: str = "", extra: str = "", quote: Quote | None = None
) -> Prompt:
    """The system text for a new session. `directory` names the tools that `find_tools` finds; `extra` comes after.

    `quote` is applied to what the files say.
    """
    parts = [INTRODUCTION.format(workspace=workspace)]
    parts += [part for part in (directory, extra) if part]
    found, unread = _found(workspace)
    files, cuts = _fitting(found, limits)
    if cuts:
        parts.append("Some files below are cut; read them for the rest.")
    parts += [f"# {name}\n{quote(text) if quote else text}" for name, text in files]
    return Prompt("\n\n".join(parts), (*cuts, *unread))


def _fitting(found: list[tuple[str, str]], limits: Limits) -> tuple[list[tuple[str, str]], list[str]]:
    """Name and text of each file within the limits, and a notice for each that is cut."""
    limits = limits.for_text("".join(text[: limits.file_chars] for _, text in found))
    files, notices, left = [], [], limits.total_chars
    for position, (name, text) in enumerate(found):
        share = left // (len(found) - position)
        limit = min(limits.file_chars, max(share, left - _size(found[position + 1 :], limits)))
        limit = min(limit, USER_LIMIT_CHARS) if name == "USER.md" else limit
        kept = cut(text, limit, name)
        if kept != text:
            notices.append(f"{name}: {limit:,} of {len(text):,} characters are in the prompt")
        files.append((name, kept))
        left = max(0, left - len(kept))
    return files, notices


def _size(rest: list[tuple[str, str]], limits: Limits) -> int:
    return sum(min(len(text), limits.file_chars) for _, text in rest)


def _found(workspace: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """Name and text of the files that have any, and a notice for each that is there and cannot be read."""
    found, notices = [], []
    for name in WORKSPACE_FILES:
        try:
            text = _read(workspace / name)
        except FileNotFoundError:
            continue
        except OSError as error:
            notices.append(f"{workspace / name} cannot be read ({error.strerror}); the prompt goes without it")
            continue
        if text:
            found.append((name, text))
    return found, notices


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(READ_LIMIT_BYTES).decode("utf-8", "replace").strip()


def cut(text: str, limit_chars: int, name: str) -> str:
    """The text's head and tail within the limit, with a line between them that says how much is missing."""
    if len(text) <= limit_chars:
        return text
    tail = limit_chars // 5
    head = limit_chars - tail
    missing = len(text) - head - tail
    return f"{text[:head]}\n[… {missing:,} characters of {name} left out …]\n{text[len(text) - tail :]}"


def stamped(text: str, at: float | None = None) -> str:
    """A person's message as it is sent: with the time before it, as OpenClaw writes it (openclaw.md 3.6).

    `sessions.entries.written_text` takes it off again.
    """
    moment = time.localtime(at)
    zone = time.strftime("%Z", moment) or "UTC"
    return f"[{_DAYS[moment.tm_wday]} {time.strftime('%Y-%m-%d %H:%M', moment)} {zone[:8]}] {text}"


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
"""Not strftime's %a: the person's locale must not change what is sent."""
