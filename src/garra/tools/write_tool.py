"""`write`: a whole file, in one step."""

import asyncio
from typing import Any

from garra.tools.base import Outcome, ToolContext
from garra.tools.locate import Place, check_unmoved, locate
from garra.tools.permission import permit_write
from garra.tools.replace import FileKind, kind_of, replace
from garra.wire.messages import ToolSpec


class Write:
    """Writes whole files."""

    spec = ToolSpec(
        "write",
        "Create a file, or replace all of it.",
        {
            "type": "object",
            "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
            "required": ["path", "content"],
        },
    )
    carried = True

    async def run(self, args: dict[str, Any], ctx: ToolContext) -> Outcome:
        place = await asyncio.to_thread(locate, ctx, args["path"])
        if not place.inside:
            await permit_write(ctx, "write", place.path)
        return await asyncio.to_thread(_write, place, args["content"])


def _write(place: Place, content: str) -> Outcome:
    kind = kind_of(place.path)
    if kind is FileKind.FOLDER:
        return Outcome(f"{place.shown} is a folder; give the path of a file in it.", failed=True)
    if kind is FileKind.SPECIAL:
        return Outcome(f"{place.shown} is a device, pipe or socket; it is not written to.", failed=True)
    data = content.encode()
    place.path.parent.mkdir(parents=True, exist_ok=True)
    check_unmoved(place)
    replace(place.path, data)
    done = "Replaced" if kind is FileKind.FILE else "Created"
    lines = content.count("\n") + (content != "" and not content.endswith("\n"))
    return Outcome(f"{done} {place.shown}: {lines:,} line{'' if lines == 1 else 's'}, {len(data):,} bytes.")
