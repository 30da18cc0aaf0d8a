"""`edit`: an exact piece of a text file replaced by another. What cannot be replaced exactly is explained, not guessed.

The file keeps its line endings, its mode, and whether it ends in a newline. One that is not UTF-8 is left alone.
"""

import asyncio
from typing import Any

from garra.tools.base import Outcome, ToolContext
from garra.tools.locate import Place, check_unmoved, locate, not_there
from garra.tools.near_miss import line_of, said_of_many, said_of_none
from garra.tools.opened import open_file
from garra.tools.permission import permit_write
from garra.tools.replace import FileKind, kind_of, replace
from garra.wire.messages import ToolSpec

MOST_BYTES = 20 * 1024 * 1024


class Edit:
    """Replaces text in files."""

    spec = ToolSpec(
        "edit",
        "Replace text in a file; old must match exactly and once.",
        {
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "old": {"type": "string"},
                "new": {"type": "string"},
                "all": {"type": "boolean", "description": "Replace every match."},
            },
            "required": ["path", "old", "new"],
        },
    )
    carried = True

    async def run(self, args: dict[str, Any], ctx: ToolContext) -> Outcome:
        place = await asyncio.to_thread(locate, ctx, args["path"])
        if not place.inside:
            await permit_write(ctx, "edit", place.path)
        return await asyncio.to_thread(_edit, place, args["old"], args["new"], args.get("all", False))


def _edit(place: Place, old: str, new: str, every: bool) -> Outcome:
    text, refusal = _text_of(place)
    if text is None:
        return Outcome(refusal, failed=True)
    if not old:
        return Outcome("edit: old is empty; say which text is to be replaced, or use write.", failed=True)
    if old == new:
        return Outcome("edit: old and new are the same; nothing was changed.", failed=True)
    old, new = with_endings_of(text, old, new)
    count = text.count(old)
    if count == 0:
        return Outcome(said_of_none(place.shown, text, old, new), failed=True)
    if count > 1 and not every:
        return Outcome(said_of_many(place.shown, text, old, count), failed=True)
    check_unmoved(place)
    replace(place.path, text.replace(old, new).encode())
    where = f"line {line_of(text, text.index(old))}" if count == 1 else f"{count} places"
    return Outcome(f"Edited {place.shown}: {where}.")


def _text_of(place: Place) -> tuple[str | None, str]:
    """The file's text; or None, and why not."""
    kind = kind_of(place.path) if place.path.parent.is_dir() else FileKind.NONE
    if kind is FileKind.NONE:
        return None, f"{not_there(place)} To create it, use write."
    if kind is not FileKind.FILE:
        return (
            None,
            f"{place.shown} is {'a folder' if kind is FileKind.FOLDER else 'no regular file'}; edit takes a file.",
        )
    size = place.path.stat().st_size
    if size > MOST_BYTES:
        return None, f"{place.shown} has {size:,} bytes, more than edit takes ({MOST_BYTES:,}). Use exec with sed."
    with open_file(place.path) as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        return None, f"{place.shown} is growing while it is read; edit leaves it alone."
    try:
        return data.decode(), ""
    except UnicodeDecodeError as wrong:
        return None, f"{place.shown} is not UTF-8 (byte {wrong.start:,}), so edit leaves it alone. Use exec with sed."


def with_endings_of(text: str, old: str, new: str) -> tuple[str, str]:
    """`old` and `new` with the line endings of a text all of whose lines end in CRLF: `read` shows them as newlines."""
    if "\r\n" not in text or text.count("\n") != text.count("\r\n"):
        return old, new
    return _crlf(old), _crlf(new)


def _crlf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n")
