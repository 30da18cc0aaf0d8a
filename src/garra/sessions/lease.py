"""One turn at a time in a session, over all processes: a lock on a file that the system frees when its holder dies.

The file holds the holder's process id, for the others to name, and is gone when nobody holds it. The lock is advice
among Garra's own processes; it guards turns, while the store guards itself.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from garra.config.paths import private_folder
from garra.errors import SessionError, StoreError

Waiting = Callable[[int | None], None]

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.005, 0.1
NAME_CHARS = 200
SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


@asynccontextmanager
async def turn_lease(
    state: Path, key: str, *, waiting: Waiting | None = None, wait: bool = True
) -> AsyncIterator[None]:
    """Hold the session's lease. Where another holds it: wait, telling `waiting` its process id once, or raise."""
    path = private_folder(state / "locks") / file_name(key)
    handle = _try_lock(path)
    if handle is None:
        pid = _holder(path)
        if not wait:
            raise SessionError(f"process {pid or '(unknown)'} is running a turn in {key}: wait for it, or stop it")
        if waiting:
            waiting(pid)
        handle = await _wait_for_lock(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is still locked, so that it is ours that goes
        os.close(handle)


def file_name(key: str) -> str:
    """A key as a file name; too long a one keeps its beginning and a checksum."""
    name = "".join(chr(byte) if byte in SAFE else f"%{byte:02X}" for byte in key.encode())
    if len(name) > NAME_CHARS:
        import binascii

        name = f"{name[:NAME_CHARS]}~{binascii.crc32(key.encode()):08x}"
    return f"{name}.lock"


async def _wait_for_lock(path: Path) -> int:
    pause_s = FIRST_PAUSE_S
    while (handle := _try_lock(path)) is None:
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
    return handle


def _try_lock(path: Path) -> int | None:
    """The locked file with our process id in it, or None where somebody else has it."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"cannot lock the session with {path}: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_still(path, handle):  # the holder before us removed it after we had opened it
            raise BlockingIOError
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            return None
        raise StoreError(f"cannot lock the session with {path}: {error.strerror}") from error
    return handle


def _is_still(path: Path, handle: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(handle))
    return False


def _holder(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return None
