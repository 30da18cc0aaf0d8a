"""The store's tables, as an ordered list of migrations: each is a function, runs once, and is never changed again.

The file's `user_version` counts those that have run. Only what a migration adds is here; what is read and written
day by day is in `statements`.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from garra.errors import StoreError
from garra.sessions.entries import decode, spoken_text

APPLICATION_ID = 0x47617261  # "Gara": tells our files from any other SQLite database


def m001_sessions_and_entries(db: sqlite3.Connection) -> None:
    """Sessions under their keys, the newest one being current; and their entries, which nobody may change."""
    db.execute(
        "CREATE TABLE sessions (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, key TEXT NOT NULL,"
        " started_at REAL NOT NULL)"
    )
    db.execute("CREATE INDEX sessions_by_key ON sessions (key, n)")
    db.execute(
        "CREATE TABLE entries (n INTEGER PRIMARY KEY AUTOINCREMENT,"
        " session INTEGER NOT NULL REFERENCES sessions (n) ON DELETE CASCADE,"
        " seq INTEGER NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL, item BLOB NOT NULL, UNIQUE (session, seq))"
    )
    db.execute(
        "CREATE TRIGGER entries_are_written_once BEFORE UPDATE ON entries"
        " BEGIN SELECT raise(ABORT, 'an entry is never changed'); END"
    )


def m002_search(db: sqlite3.Connection) -> None:
    """An index over what people and the model said, filled from what is there; its rows have the entries' numbers."""
    db.execute("CREATE VIRTUAL TABLE said USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2')")
    for n, data in db.execute("SELECT n, item FROM entries WHERE kind IN ('user', 'assistant')").fetchall():
        text = spoken_text(decode(data))
        if text:
            db.execute("INSERT INTO said (rowid, text) VALUES (?, ?)", (n, text))


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (m001_sessions_and_entries, m002_search)


def bring_up_to_date(db: sqlite3.Connection, path: Path) -> None:
    """Run the migrations that the file has not seen yet, all of them or none."""
    if _number(db, "user_version") == len(MIGRATIONS) and _number(db, "application_id") == APPLICATION_ID:
        return
    db.execute("BEGIN IMMEDIATE")  # another process may be doing the same: look again once it is our turn
    try:
        version = _checked_version(db, path)
        for migrate in MIGRATIONS[version:]:
            migrate(db)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _checked_version(db: sqlite3.Connection, path: Path) -> int:
    version = _number(db, "user_version")
    is_empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    if not is_empty and _number(db, "application_id") != APPLICATION_ID:
        raise StoreError(f"{path} is a database of another program, not a store of sessions")
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} was written by a newer Garra (its version is {version}, ours {len(MIGRATIONS)}): update Garra"
        )
    return version


def _number(db: sqlite3.Connection, pragma: str) -> int:
    value: int = db.execute(f"PRAGMA {pragma}").fetchone()[0]
    return value
