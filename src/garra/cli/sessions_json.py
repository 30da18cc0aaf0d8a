"""What `garra sessions … --json` prints: names in camel case, times in ISO 8601, items as they are stored."""

from collections.abc import Sequence
from typing import Any

import msgspec

from garra.sessions.entries import Entry, Found, SessionInfo, Unknown
from garra.sessions.export import iso_time


def as_json_text(value: object) -> str:
    """JSON for people and programs, indented."""
    return msgspec.json.format(msgspec.json.encode(value)).decode()


def info_json(info: SessionInfo) -> dict[str, Any]:
    """One session of a list."""
    times = {"startedAt": iso_time(info.started_at), "updatedAt": iso_time(info.updated_at)}
    names = {"key": info.key, "sessionId": info.session_id, "current": info.current}
    return names | times | {"messages": info.messages, "title": info.title}


def transcript_json(info: SessionInfo, entries: Sequence[Entry]) -> dict[str, Any]:
    """One session with all its entries."""
    return info_json(info) | {"entries": [_entry(entry) for entry in entries]}


def hit_json(hit: Found) -> dict[str, Any]:
    """One message that a search found."""
    place = {"key": hit.key, "sessionId": hit.session_id, "seq": hit.seq, "at": iso_time(hit.at)}
    return place | {"role": hit.role, "snippet": hit.snippet}


def _entry(entry: Entry) -> dict[str, Any]:
    item = msgspec.Raw(entry.item.json.encode()) if isinstance(entry.item, Unknown) else entry.item
    return {"seq": entry.seq, "at": iso_time(entry.at), "item": item}
