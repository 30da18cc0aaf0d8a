"""Where a conversation is cut when it is compacted: what becomes a summary, and what stays as it was said.

Pure: entries in, a `seq` out. A cut never stands between a call and its result, since it stands before a message of the
person's or before a reply, and the results of a reply follow it at once. A message that waits for its first reply is
never cut off.
"""

from collections.abc import Sequence

import msgspec

from garra.agent.budget import estimate_tokens
from garra.sessions.entries import Entry, Said
from garra.sessions.transcript import compaction, history, in_view, open_calls, summary_message
from garra.wire.messages import Assistant, Message, System, ToolResult, User

LEAST_TOKENS = 96
"""Less than this is not worth a summary."""


class Cut(msgspec.Struct, frozen=True):
    """Everything before the entry `first_kept` becomes a summary.

    `question`: the person's message of the turn under way, where it is cut off and must be told again.
    """

    first_kept: int
    head: tuple[Message, ...]
    question: User | None = None


class Room(msgspec.Struct, frozen=True):
    """How much may stay, in tokens. `turns` whole turns may take up to `most`, anything more up to `usual`."""

    usual: int
    most: int
    turns: int = 3


def find_cut(entries: Sequence[Entry], room: Room) -> Cut | None:
    """The cut that keeps the most of what may stay; None where there is nothing worth a summary before it."""
    if open_calls(entries):
        return None
    places = _Places(entries)
    at = places.best(room)
    head = history(entries, until=at)
    new = [message for message in head if message != places.summary]
    if at is None or estimate_tokens(new, ()) < LEAST_TOKENS:
        return None
    return Cut(at, head, places.question(at))


def halfway(entries: Sequence[Entry], until: int) -> int | None:
    """A place to cut what stands before `until` into two parts of about a size; None where it is one piece."""
    places = _Places([entry for entry in entries if entry.seq < until or not isinstance(entry.item, Said)])
    inner = [(seq, size) for seq, size in zip(places.seqs, places.tails(), strict=True) if seq < until][1:]
    if not inner:
        return None
    whole = places.tails()[0]
    return min(inner, key=lambda found: abs(found[1] - whole / 2))[0]


class _Places:
    """Where a cut may stand, in order, and what it would leave."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._said = [entry for entry in entries if isinstance(entry.item, Said)]
        self._view = [entry for entry in in_view(entries) if isinstance(entry.item, Said)]
        found = compaction(entries)
        self.summary = summary_message(found.summary) if found else None
        self.seqs = [entry.seq for entry in self._view if not isinstance(_message(entry), ToolResult)]
        self._turns = [entry.seq for entry in self._view if isinstance(_message(entry), User)]
        self._end = entries[-1].seq + 1 if entries else 1

    def tails(self) -> list[int]:
        """What each place would keep, in tokens."""
        sizes: list[int] = []
        kept = 0
        for entry in reversed(self._view):
            kept += estimate_tokens([_message(entry)], ())
            if not isinstance(_message(entry), ToolResult):
                sizes.append(kept)
        return sizes[::-1]

    def best(self, room: Room) -> int | None:
        """The earliest place whose rest may stay: whole turns where possible, else the last steps, else nothing."""
        kept = dict(zip(self.seqs, self.tails(), strict=True))
        few = self._turns[-room.turns :] if room.turns else []
        turns = [seq for seq in self._turns if kept[seq] <= (room.most if seq in few else room.usual)]
        if turns:
            return turns[0]
        if self._view and isinstance(_message(self._view[-1]), User):
            return self._view[-1].seq  # it waits for its reply, however long it is
        return next((seq for seq in self.seqs if kept[seq] <= room.usual), self._end if self.seqs else None)

    def question(self, at: int) -> User | None:
        """The person's message of a turn that goes on after the cut without it, or went on without it before."""
        last = _message(self._view[-1]) if self._view else None
        if last is None or (isinstance(last, Assistant) and not last.calls):
            return None
        asked = next((entry for entry in reversed(self._said) if isinstance(_message(entry), User)), None)
        found = _message(asked) if asked and asked.seq < at else None
        return found if isinstance(found, User) else None


def _message(entry: Entry) -> Message:
    return entry.item.message if isinstance(entry.item, Said) else System("")
