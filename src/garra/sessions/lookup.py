"""Finding the session that a person means: by key, by short name, by id or the beginning of one."""

from collections.abc import Sequence

from garra.errors import SessionError
from garra.sessions.entries import SessionInfo
from garra.sessions.keys import normalise_key

ID_CHARS = 6
"""So many characters of an id are enough, where only one session begins with them."""


def find_session(sessions: Sequence[SessionInfo], text: str) -> SessionInfo:
    """The session of that name among all of them, past ones included; an unknown name is answered with near ones."""
    by_id = [info for info in sessions if len(text) >= ID_CHARS and info.session_id.startswith(text)]
    if len(by_id) == 1:
        return by_id[0]
    key = normalise_key(text)
    for info in sessions:
        if info.key == key and info.current:
            return info
    raise no_session(text, sessions)


def no_session(text: str, sessions: Sequence[SessionInfo] = ()) -> SessionError:
    """The error that names what was asked for, and what is near it."""
    key = normalise_key(text)
    return SessionError(f"there is no session {key}. {_near(sessions, key, text)}List them with: garra sessions list")


def _near(sessions: Sequence[SessionInfo], key: str, text: str) -> str:
    from difflib import get_close_matches

    keys = list(dict.fromkeys(info.key for info in sessions))
    short = {known.rsplit(":", 1)[-1]: known for known in reversed(keys)}
    close = [short[name] for name in get_close_matches(text, short, 3)] + get_close_matches(key, keys, 3, cutoff=0.8)
    return f"Did you mean {' or '.join(list(dict.fromkeys(close))[:3])}? " if close else ""
