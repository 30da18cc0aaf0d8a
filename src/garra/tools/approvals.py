"""What was allowed for always, kept in one private file.

    {"version": 1,
     "commands": [{"command": "make test", "folder": "/home/me/work"}],    exactly this, exactly there
     "patterns": ["git status*"],                                          written by hand: globs over one plain command
     "paths": ["/home/me/notes.md"]}                                       exactly this file, for write and edit

A file that cannot be read allows nothing and is never written over.
"""

from pathlib import Path

import msgspec

from garra.errors import ConfigError


class AllowedCommand(msgspec.Struct, frozen=True):
    """One command line in one folder."""

    command: str
    folder: str


class Approvals(msgspec.Struct, frozen=True):
    """All that was allowed for always."""

    version: int = 1
    commands: tuple[AllowedCommand, ...] = ()
    patterns: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def with_command(self, command: str, folder: str) -> "Approvals":
        """The same and this command."""
        return msgspec.structs.replace(self, commands=(*self.commands, AllowedCommand(command, folder)))

    def with_path(self, path: str) -> "Approvals":
        """The same and this path."""
        return msgspec.structs.replace(self, paths=(*self.paths, path))


def load_approvals(file: Path | None) -> Approvals:
    """What the file holds; nothing when there is none."""
    if file is None:
        return Approvals()
    try:
        return msgspec.json.decode(file.read_bytes(), type=Approvals)
    except FileNotFoundError:
        return Approvals()
    except (OSError, msgspec.DecodeError) as wrong:
        raise ConfigError(f"{file} cannot be read ({wrong}), so nothing is allowed. Mend it, or delete it.") from None


def save_approvals(file: Path, approvals: Approvals) -> None:
    """Write the file, for its owner only."""
    from garra.config.paths import write_private

    write_private(file, msgspec.json.format(msgspec.json.encode(approvals), indent=2) + b"\n")
