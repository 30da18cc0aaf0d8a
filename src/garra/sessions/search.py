"""Finding what was said: any text is a query, and every word of it must be there.

Plain words go through the full-text index, as beginnings of words and without regard to accents. What the index cannot
hold (punctuation, emoji, scripts that put no spaces between words) is looked for in the text itself. Tool results,
reasoning and prompts are not searched.
"""

import sqlite3

from garra.sessions.entries import Found

LIMIT_CHARS, LIMIT_WORDS = 2_000, 40
AROUND_CHARS = 60
UNSPACED_FROM = "\u0e00"  # Thai; above it are the scripts without spaces. Others there lose speed, and find no less.

COLUMNS = "s.key, s.id, e.seq, e.at, e.kind, "
TABLES = " FROM said JOIN entries AS e ON e.n = said.rowid JOIN sessions AS s ON s.n = e.session WHERE "
ORDER = " ORDER BY said.rowid DESC LIMIT ?"


def search(db: sqlite3.Connection, text: str, limit: int) -> tuple[Found, ...]:
    """The newest messages that hold every word of the text, at most `limit`."""
    query = text.encode("utf-8", "replace").decode().replace("\0", " ")[:LIMIT_CHARS]
    words = list(dict.fromkeys(query.split()))[:LIMIT_WORDS]
    if not words:
        return ()
    plain = [word for word in words if _is_plain(word)]
    conditions = ["said MATCH ?"] * bool(plain) + ["said.text LIKE ? ESCAPE '!'"] * (len(words) - len(plain))
    values = [" ".join(f'"{word}"*' for word in plain)] * bool(plain)
    values += [_pattern(word) for word in words if not _is_plain(word)]
    shown = "snippet(said, 0, '', '', '…', 16)" if plain else "said.text"
    rows = db.execute(f"SELECT {COLUMNS}{shown}{TABLES}{' AND '.join(conditions)}{ORDER}", (*values, limit))
    return tuple(
        Found(key, session_id, seq, at, role, text if plain else _around(text, words[0]))
        for key, session_id, seq, at, role, text in rows
    )


def _is_plain(word: str) -> bool:
    return word.isalnum() and max(word) < UNSPACED_FROM


def _pattern(word: str) -> str:
    for special in "!%_":
        word = word.replace(special, f"!{special}")
    return f"%{word}%"


def _around(text: str, word: str) -> str:
    place = max(0, text.lower().find(word.lower()))
    start, end = max(0, place - AROUND_CHARS), place + len(word) + AROUND_CHARS
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
