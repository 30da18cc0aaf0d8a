"""A file replaced in one step: whoever reads it sees the old or the new one, whole. Its mode and owner stay."""

import contextlib
import os
import stat
from enum import Enum
from pathlib import Path


class FileKind(Enum):
    """What is at a path before it is written."""

    NONE = 0
    FILE = 1
    FOLDER = 2
    SPECIAL = 3


def kind_of(path: Path) -> FileKind:
    """What is there. Raises OSError when that cannot be told."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return FileKind.NONE
    if stat.S_ISDIR(mode):
        return FileKind.FOLDER
    return FileKind.FILE if stat.S_ISREG(mode) else FileKind.SPECIAL


def replace(path: Path, data: bytes) -> None:
    """Write the file. Raises OSError; then the old file is as it was, and nothing else is left."""
    fresh = path.with_name(f".garra-{os.urandom(6).hex()}")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with os.fdopen(handle, "wb") as file:
            _take_over(path, file.fileno())
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _take_over(path: Path, fd: int) -> None:
    try:
        old = path.stat()
    except FileNotFoundError:
        return
    if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
        with contextlib.suppress(PermissionError):
            os.fchown(fd, old.st_uid, old.st_gid)
    os.fchmod(fd, stat.S_IMODE(old.st_mode))
