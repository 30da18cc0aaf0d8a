"""The store's file: opened privately, on a thread of its own, with every failure of SQLite told in plain words.

One thread holds the one connection, so that the event loop never waits for a disk and writes keep their order. A file
that is damaged or is no store is never touched: only a person may move it aside.
"""

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from garra.config.paths import private_folder
from garra.errors import GarraError, SessionError, StoreError
from garra.sessions.schema import bring_up_to_date

T = TypeVar("T")
Job = tuple[Callable[[sqlite3.Connection], Any], asyncio.Future[Any]]

BUSY_TIMEOUT_S = 15.0


class DatabaseThread:
    """Runs functions over the connection, one after another. A caller that is cancelled does not undo its write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._open = False

    async def start(self) -> None:
        """Open the file; returns when it is ready to be used."""
        threading.Thread(target=self._serve, name="garra-sessions", daemon=True).start()
        self._open = True
        try:
            await self.run(sqlite3.Connection.commit)  # nothing to commit: an answer says that the file is open
        except BaseException:
            self._end()
            raise

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Have the thread do it; what it returns or raises."""
        return await self._hand_over(work)

    async def stop(self) -> None:
        """Do what was asked for before, then close the file. May be called again."""
        if self._open:
            closed = self._hand_over(sqlite3.Connection.close)
            self._end()
            await closed

    def _hand_over(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        if not self._open:
            raise SessionError(f"{self.path} was closed")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put((work, done))
        return done

    def _end(self) -> None:
        self._open = False
        self._jobs.put(None)

    def _serve(self) -> None:
        db: sqlite3.Connection | None = None
        while (job := self._jobs.get()) is not None:
            work, done = job
            try:
                db = db or connect(self.path)
                _report(done, done.set_result, work(db))
            except sqlite3.Error as error:
                _report(done, done.set_exception, told(error, self.path))
            except Exception as error:  # the edge of a thread: whoever asked gets it
                _report(done, done.set_exception, error)


def _report(done: asyncio.Future[Any], report: Callable[[Any], None], value: object) -> None:
    def unless_nobody_waits() -> None:
        if not done.cancelled():
            report(value)

    with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
        done.get_loop().call_soon_threadsafe(unless_nobody_waits)


def connect(path: Path) -> sqlite3.Connection:
    """Open the store, made if it is not there, for its owner only; its schema is that of this version."""
    private_folder(path.parent)
    _keep_private(path)
    db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        bring_up_to_date(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _keep_private(path: Path) -> None:
    """Made by us, so that no umask decides; SQLite gives the files beside it the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            with contextlib.suppress(FileNotFoundError):
                if file.stat().st_mode & 0o077:
                    file.chmod(0o600)
    except OSError as error:
        raise StoreError(
            f"cannot open the sessions in {path}: {error.strerror}. Check its owner, and the disk."
        ) from error


def told(error: sqlite3.Error, path: Path) -> GarraError:
    """What went wrong with the file, and what the person can do. Nothing is repaired or moved on their behalf."""
    match _name(error):
        case "SQLITE_NOTADB" | "SQLITE_CORRUPT":
            aside = f"mv {path} {path}.damaged"
            return StoreError(
                f"{path} is damaged or is no store of sessions ({error}). It was left as it is. To begin a new one, "
                f"move it aside with its -wal and -shm files: {aside}. What can be read may be saved with: "
                f'sqlite3 {path}.damaged ".recover" | sqlite3 {path}'
            )
        case "SQLITE_FULL":
            return StoreError(f"nothing was stored: the disk that holds {path} is full. Free some space on it.")
        case "SQLITE_READONLY" | "SQLITE_CANTOPEN" | "SQLITE_PERM" | "SQLITE_AUTH":
            return StoreError(f"{path} cannot be written ({error}). Check who owns it and its folder, and the disk.")
        case "SQLITE_BUSY" | "SQLITE_LOCKED":
            return StoreError(
                f"nothing was stored: another process has kept {path} locked for {BUSY_TIMEOUT_S:g} s. "
                f"See which: fuser {path}"
            )
        case name:
            return StoreError(f"{path} cannot be used ({name}: {error}). Check the disk that holds it.")


def _name(error: sqlite3.Error) -> str:
    """The primary result code: the extended ones only say where it happened."""
    code = getattr(error, "sqlite_errorcode", None)
    return _NAMES.get(code & 0xFF, f"code {code}") if isinstance(code, int) else type(error).__name__


_NAMES = {
    getattr(sqlite3, name): name
    for name in (
        "SQLITE_AUTH",
        "SQLITE_BUSY",
        "SQLITE_CANTOPEN",
        "SQLITE_CORRUPT",
        "SQLITE_FULL",
        "SQLITE_IOERR",
        "SQLITE_LOCKED",
        "SQLITE_NOTADB",
        "SQLITE_PERM",
        "SQLITE_READONLY",
    )
}
