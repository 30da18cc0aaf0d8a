"""The check of the store of conversations: opened for reading only, with nothing migrated, mended or moved."""

import asyncio
import sqlite3
import time
from pathlib import Path

from garra.config.paths import Paths
from garra.doctor.finding import Finding, broken, ok, quote
from garra.sessions.database import told
from garra.sessions.schema import APPLICATION_ID, MIGRATIONS

LIMIT_S = 15.0
_STEPS = 10_000


async def check_store(paths: Paths) -> Finding:
    """Whether the file is whole, ours, and of a version that we can read."""
    path = paths.sessions_db
    if not path.exists():
        return ok("store", f"there is no {path} yet; it is made with the first conversation")
    return await asyncio.to_thread(_look, path)


def _look(path: Path) -> Finding:
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=2.0)
        try:
            return _judge(db, path)
        finally:
            db.close()
    except sqlite3.Error as error:
        return broken("store", str(told(error, path)), "", *_aside(path))


def _judge(db: sqlite3.Connection, path: Path) -> Finding:
    version, owner = _number(db, "user_version"), _number(db, "application_id")
    if owner != APPLICATION_ID and db.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
        return broken("store", f"{path} is a database of another program", "", f"mv {quote(path)} {quote(path)}.other")
    if version > len(MIGRATIONS):
        seen = f"{path} was written by a newer Garra: its version is {version}, ours {len(MIGRATIONS)}"
        return broken("store", seen, "This Garra does not touch it.", "pip install --upgrade garra")
    said, whole = _quick_check(db)
    if said != "ok":
        return broken("store", f"{path} is damaged: {said}", "What can still be read can be saved.", *_aside(path))
    count = db.execute("SELECT count(DISTINCT key) FROM sessions").fetchone()[0] if version else 0
    later = "" if version == len(MIGRATIONS) else "; it is brought up to date when it is next used"
    how = "whole" if whole else f"as far as it was looked at in {LIMIT_S:g} s, whole"
    return ok("store", f"{path} is {how}, version {version}, with {_many(count)}{later}")


def _quick_check(db: sqlite3.Connection) -> tuple[str, bool]:
    """The first fault that SQLite finds, or "ok"; and whether it came to the end in time."""
    until = time.monotonic() + LIMIT_S
    db.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    try:
        return str(db.execute("PRAGMA quick_check(1)").fetchone()[0]), True
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return "ok", False
    finally:
        db.set_progress_handler(None, 0)


def _many(count: int) -> str:
    return "1 conversation" if count == 1 else f"{count} conversations"


def _aside(path: Path) -> tuple[str, ...]:
    """Move it away with the files beside it, and save into a new one what can be read."""
    folder = path.with_name("damaged")
    move = f"mkdir {quote(folder)} && mv {quote(path)}* {quote(folder)}/"
    return (move, f'sqlite3 {quote(folder / path.name)} ".recover" | sqlite3 {quote(path)}')


def _number(db: sqlite3.Connection, pragma: str) -> int:
    value: int = db.execute(f"PRAGMA {pragma}").fetchone()[0]
    return value
