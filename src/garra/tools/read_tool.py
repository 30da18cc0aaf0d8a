"""`read`: a text file in pages, a folder's entries, or what else a path is.

Files are streamed: no more than one page of a file is ever held, however large the file or its lines.
"""

import os
import stat
import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec

from garra.tools.base import Outcome, ToolContext
from garra.tools.in_thread import in_thread
from garra.tools.locate import Place, locate, not_there
from garra.tools.magic import looks_binary, said_of_binary
from garra.tools.opened import open_file
from garra.wire.messages import ToolSpec

PAGE_LINES = 2_000
PAGE_BYTES = 50 * 1024
_MOST_ENTRIES = 100_000
_BOM = b"\xef\xbb\xbf"


class Read:
    """Reads files and folders."""

    spec = ToolSpec(
        "read",
        "Read a text file, or list a folder.",
        {
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "offset": {"type": "integer", "minimum": 1, "description": "First line, from 1."},
                "limit": {"type": "integer", "minimum": 1},
            },
            "required": ["path"],
        },
    )
    carried = True

    async def run(self, args: dict[str, Any], ctx: ToolContext) -> Outcome:
        offset, limit = args.get("offset", 1), min(args.get("limit", PAGE_LINES), PAGE_LINES)
        room = min(PAGE_BYTES, ctx.room_chars or PAGE_BYTES)
        span = Span(offset, limit, room)
        return await in_thread(lambda gone: _read(locate(ctx, args["path"]), span, gone))


class Span(msgspec.Struct, frozen=True):
    """Which lines are wanted: from the first, so many at most, in so many bytes at most."""

    first: int
    lines: int
    size: int = PAGE_BYTES


class Page(msgspec.Struct):
    """Some lines of a file, as they are being collected. `next_line` is where to go on; None at the file's end."""

    data: bytearray
    size: int = PAGE_BYTES
    lines: int = 0
    next_line: int | None = None
    cut_line: int | None = None


def _read(place: Place, span: Span, gone: threading.Event) -> Outcome:
    try:
        kind = place.path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return Outcome(not_there(place), failed=True)
    if stat.S_ISDIR(kind):
        return Outcome(_listing(place.path, span))
    if not stat.S_ISREG(kind):
        return Outcome(f"{place.shown} is a device, pipe or socket; only files and folders can be read.", failed=True)
    with open_file(place.path) as file:
        start = file.read(8192)
        if looks_binary(start):
            return Outcome(said_of_binary(place.shown, place.path.stat().st_size, start), failed=True)
        file.seek(len(_BOM) if start.startswith(_BOM) else 0)
        return _page(place, file, span, gone)


def _page(place: Place, file: IO[bytes], span: Span, gone: threading.Event) -> Outcome:
    offset = span.first
    skipped = _skip(file, offset - 1, gone)
    if skipped < offset - 1:
        return Outcome(f"{place.shown} has only {skipped:,} lines; offset {offset:,} is past its end.", failed=True)
    page = collect(file, span)
    if not page.data:
        empty = "is empty." if offset == 1 else f"has only {skipped:,} lines; offset {offset:,} is past its end."
        return Outcome(f"{place.shown} {empty}", failed=offset > 1)
    text = page.data.decode(errors="replace")
    notes = _notes(page, text, offset, place.path.stat().st_size)
    text = text.replace("\r\n", "\n")
    line_end = "" if text.endswith("\n") or not notes else "\n"
    return Outcome(text + line_end + "".join(f"[{note}]\n" for note in notes).removesuffix("\n"))


def _skip(file: IO[bytes], count: int, gone: threading.Event) -> int:
    """Go past so many lines; how many there were. A last line without an end counts."""
    passed, partial = 0, False
    while passed < count and not gone.is_set():
        line = file.readline(1024 * 1024)
        if not line:
            return passed + partial
        partial = not line.endswith(b"\n")
        passed += not partial
    return passed


def collect(file: IO[bytes], span: Span) -> Page:
    """Lines from here on, as many as a page holds. A line longer than a page is cut."""
    page, first_line = Page(bytearray(), span.size), span.first
    while page.lines < span.lines:
        room = span.size - len(page.data)
        line = file.readline(room + 1)
        if not line:
            return page
        if len(line) > room:
            if page.data:
                break
            page.data += line[:room]
            page.cut_line = first_line
            page.next_line = first_line + 1
            return page
        page.data += line
        page.lines += 1
    else:
        if not file.read(1):
            return page
    page.next_line = first_line + page.lines
    return page


def _notes(page: Page, text: str, offset: int, size: int) -> list[str]:
    notes = []
    if page.cut_line is not None:
        notes.append(
            f"line {page.cut_line} is longer than {page.size:,} bytes; the rest of it: exec, sed -n {page.cut_line}p "
            f"FILE | cut -b {page.size + 1}-; the next line: offset={page.next_line}"
        )
    elif page.next_line is not None:
        notes.append(
            f"lines {offset}-{page.next_line - 1} of a file of {size:,} bytes; go on with offset={page.next_line}"
        )
    if "\r\n" in text:
        notes.append("its lines end in CRLF; edit keeps that")
    if "�" in text.rstrip("�") and page.cut_line is None and not _is_utf8(page.data):
        notes.append("not UTF-8: what could not be read is shown as �; edit refuses it")
    return notes


def _is_utf8(data: bytearray) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _listing(folder: Path, span: Span) -> str:
    offset = span.first
    with os.scandir(folder) as entries:
        names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in islice(entries, _MOST_ENTRIES))
    shown = list(_within(names[offset - 1 : offset - 1 + span.lines], span.size))
    if not shown:
        return f"The folder {folder} " + (f"has only {len(names):,} entries." if names else "is empty.")
    rest = len(names) - (offset - 1 + len(shown))
    more = f"\n[{rest:,} more entries; go on with offset={offset + len(shown)}]" if rest > 0 else ""
    return "\n".join(shown) + more


def _within(names: Sequence[str], size: int) -> Iterator[str]:
    """The names that fit, as text; the first in any case."""
    for position, name in enumerate(names):
        text = name.encode(errors="replace").decode()
        size -= len(text.encode()) + 1
        if size < 0 and position:
            return
        yield text
