"""A path as the model writes it, as a place on the disk: in the workspace, outside, missing, or out of bounds."""

import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import msgspec

from garra.errors import ToolRefused
from garra.tools.base import ToolContext
from garra.tools.schema import near_names

_PROCESS_SECRETS = ("environ", "mem")
_NAMES_LOOKED_AT = 5_000


class Place(msgspec.Struct, frozen=True):
    """Where a path leads, all symbolic links followed. `shown` is how the model may call it."""

    path: Path
    shown: str
    inside: bool


def expanded(text: str, env: Mapping[str, str]) -> str:
    """The path with a leading `~` as the home folder."""
    home = env.get("HOME")
    if home and (text == "~" or text.startswith("~/")):
        return home + text[1:]
    return os.path.expanduser(text)  # noqa: PTH111 (Path.expanduser raises for an unknown user; this leaves it alone)


def locate(ctx: ToolContext, text: str) -> Place:
    """Where the path leads. Raises ToolRefused when it is no path, or leads to where no tool may go."""
    if not text or "\0" in text:
        raise ToolRefused("The path is empty." if not text else "The path holds a NUL character.")
    try:
        workspace = ctx.workspace.resolve()
        path = (workspace / expanded(text, ctx.env)).resolve()
    except (RuntimeError, OSError) as wrong:
        raise ToolRefused(f"{text} cannot be followed: {wrong}") from None
    inside = path.is_relative_to(workspace)
    if not inside and ctx.settings.workspace_only:
        raise ToolRefused(
            f"{text} is outside the workspace {workspace}, and tools.fs.workspaceOnly allows nothing there."
        )
    shown = str(path.relative_to(workspace)) if inside else str(path)
    if path in ctx.settings.guarded or (path.is_relative_to("/proc") and path.name in _PROCESS_SECRETS):
        raise ToolRefused(f"{shown} may hold keys, and tools do not touch it. For settings: garra config get, or set.")
    return Place(path, shown, inside)


def check_unmoved(place: Place) -> None:
    """Raise ToolRefused where the path leads elsewhere by now: a folder in it became a link after it was allowed."""
    if place.path.resolve() != place.path:
        raise ToolRefused(f"{place.shown} leads elsewhere than it did a moment ago; nothing was written.")


def not_there(place: Place) -> str:
    """What to say of a path that does not exist: the nearest folder that does, and names there that are like it."""
    missing, folder = place.path, place.path.parent
    while not folder.is_dir() and folder != folder.parent:
        missing, folder = folder, folder.parent
    told = f"{place.shown} does not exist."
    if missing != place.path:
        return f"{told} Nor does the folder {missing}."
    near = near_names(missing.name, _names(folder), 3)
    return f"{told} In its folder there is: {', '.join(near)}" if near else f"{told} Nothing like it is in {folder}."


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in islice(entries, _NAMES_LOOKED_AT)]
    except OSError:
        return []
