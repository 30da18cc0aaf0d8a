"""What is read from the store and written to it: plain functions over a connection, one transaction each.

They run on the store's thread. Entries are added, never changed; the only removal is that of a key with all its
sessions. Whatever fails raises `sqlite3.Error` and leaves the file as it was.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from garra.errors import SessionError
from garra.sessions.entries import Entry, NewEntry, SessionInfo, decode, encode, kind_of, spoken_text

TITLE_CHARS = 80


@contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """One transaction that may write; other processes wait their turn before it reads anything."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def append(db: sqlite3.Connection, key: str, session_id: str | None, new: Sequence[NewEntry]) -> tuple[Entry, ...]:
    """Add entries to a key's current session, or to the one that is named; all of them or none."""
    if not new:
        return ()
    # What is stored and handed back is what the next reader will decode, so that nobody goes on with anything else.
    encoded = [encode(each.item) for each in new]
    items = [(data, decode(data)) for data in encoded]
    with writing(db):
        session, found_id = _find(db, key, session_id) or _begin(db, key)
        last: int = db.execute("SELECT coalesce(max(seq), 0) FROM entries WHERE session = ?", (session,)).fetchone()[0]
        at = time.time()
        for seq, (data, item) in enumerate(items, last + 1):
            added = db.execute(
                "INSERT INTO entries (session, seq, at, kind, item) VALUES (?, ?, ?, ?, ?)",
                (session, seq, at, kind_of(item), data),
            )
            if text := spoken_text(item):
                db.execute("INSERT INTO said (rowid, text) VALUES (?, ?)", (added.lastrowid, text))
    return tuple(Entry(found_id, seq, at, item) for seq, (_, item) in enumerate(items, last + 1))


def entries(db: sqlite3.Connection, key: str, session_id: str | None = None, kind: str = "") -> tuple[Entry, ...]:
    """The entries of a key's current session, or of the one that is named, in order: all, or those of one kind."""
    found = _find(db, key, session_id)
    if found is None:
        return ()
    chosen = "SELECT seq, at, item FROM entries WHERE session = ? AND ? IN ('', kind) ORDER BY seq"
    return tuple(Entry(found[1], seq, at, decode(data)) for seq, at, data in db.execute(chosen, (found[0], kind)))


def begin_session(db: sqlite3.Connection, key: str) -> str:
    """Put the key's current session behind and begin another; the new session's id."""
    with writing(db):
        return _begin(db, key)[1]


def _find(db: sqlite3.Connection, key: str, session_id: str | None) -> tuple[int, str] | None:
    row: tuple[int, str] | None
    if session_id is None:
        row = db.execute("SELECT n, id FROM sessions WHERE key = ? ORDER BY n DESC LIMIT 1", (key,)).fetchone()
    else:
        row = db.execute("SELECT n, id FROM sessions WHERE id = ? AND key = ?", (session_id, key)).fetchone()
        if row is None:
            raise SessionError(f"the session {session_id} of {key} does not exist; it may have been deleted meanwhile")
    return row


def _begin(db: sqlite3.Connection, key: str) -> tuple[int, str]:
    session_id = os.urandom(16).hex()
    row = db.execute(
        "INSERT INTO sessions (id, key, started_at) VALUES (?, ?, ?) RETURNING n", (session_id, key, time.time())
    ).fetchone()
    return row[0], session_id


SESSIONS = """
SELECT key, id, started_at, updated_at,
  (SELECT count(*) FROM entries WHERE session = s.n AND kind IN ('user', 'assistant')),
  (SELECT item FROM entries WHERE session = s.n AND kind = 'user' ORDER BY seq LIMIT 1),
  is_current
FROM (
  SELECT *,
    coalesce((SELECT at FROM entries WHERE session = any.n ORDER BY seq DESC LIMIT 1), started_at) AS updated_at,
    NOT EXISTS (SELECT 1 FROM sessions AS later WHERE later.key = any.key AND later.n > any.n) AS is_current
  FROM sessions AS any WHERE ? OR is_current ORDER BY updated_at DESC, n DESC LIMIT ?
) AS s ORDER BY updated_at DESC, n DESC
"""


def sessions(db: sqlite3.Connection, limit: int | None, past: bool) -> tuple[SessionInfo, ...]:
    """The current session of every key, and the past ones too if asked for; the last one used first."""
    rows = db.execute(SESSIONS, (past, -1 if limit is None else limit))
    return tuple(
        SessionInfo(key, found_id, started, updated, count, _title(first), bool(current))
        for key, found_id, started, updated, count, first, current in rows
    )


def _title(first: bytes | None) -> str:
    words = " ".join(spoken_text(decode(first)).split()) if first else ""
    return words if len(words) <= TITLE_CHARS else words[: TITLE_CHARS - 1] + "…"


def delete(db: sqlite3.Connection, key: str) -> int:
    """Remove a key with all its sessions; how many there were. Their words are gone from the files as well."""
    db.execute("PRAGMA secure_delete = ON")
    with writing(db):
        db.execute(
            "DELETE FROM said WHERE rowid IN (SELECT e.n FROM entries AS e JOIN sessions AS s ON s.n = e.session"
            " WHERE s.key = ?)",
            (key,),
        )
        removed = db.execute("DELETE FROM sessions WHERE key = ?", (key,)).rowcount
        db.execute("INSERT INTO said (said) VALUES ('optimize')")  # the index keeps removed words until it is merged
    db.execute("PRAGMA wal_checkpoint (TRUNCATE)").fetchall()
    return removed
