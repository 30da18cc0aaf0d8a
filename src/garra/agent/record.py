"""The session while a turn runs in it: its entries, as far as they are stored. What is stored is what is sent."""

from garra.agent.turn import Turn, stored_prefix
from garra.models.catalogue import Capabilities
from garra.sessions.entries import Entry, Head, Item, NewEntry, Said
from garra.sessions.transcript import mend
from garra.wire.messages import User


class Record:
    """The entries of one session, read once, and every one that the turn adds."""

    def __init__(self, turn: Turn, entries: tuple[Entry, ...]) -> None:
        self._turn = turn
        self.entries = entries

    async def add(self, *items: Item) -> tuple[Entry, ...]:
        """Store items; they are durable when this returns."""
        if not items:
            return ()
        new = (NewEntry(item) for item in items)
        stored = await self._turn.store.append(self._turn.key, *new, session_id=self.session_id)
        self.entries += stored
        return stored

    async def mend(self) -> None:
        """Answer the calls that are still open."""
        self.entries += await mend(self._turn.store, self._turn.key, session_id=self.session_id)

    @property
    def session_id(self) -> str | None:
        """The session of this turn, always named: a `/new` elsewhere must not move the rest of it into a new one."""
        return self.entries[-1].session_id if self.entries else None

    def prefix(self, capabilities: Capabilities | None) -> Head:
        """The fixed prefix in force on a server that can do this."""
        prefix = stored_prefix(self.entries, capabilities)
        assert prefix is not None  # stored before the first request of the session
        return prefix

    def awaits_first_reply(self) -> bool:
        """Whether the last thing said is the person's message."""
        last = next((entry.item for entry in reversed(self.entries) if isinstance(entry.item, Said)), None)
        return last is not None and isinstance(last.message, User)
