"""The store of conversations: append-only, durable when `append` returns, safe for several processes at once.

Here is the asyncio side; the SQL is in `statements`, the file and its thread in `database`. Nothing here knows what a
turn is, mends anything, or decides what the model sees: that is `transcript`.
"""

from functools import partial
from pathlib import Path
from types import TracebackType

from garra.sessions import statements
from garra.sessions.database import DatabaseThread
from garra.sessions.entries import Entry, Failed, Found, Head, Item, NewEntry, Said, SessionInfo, Status, Unknown
from garra.sessions.search import search

__all__ = ["Entry", "Failed", "Found", "Head", "Item", "NewEntry", "Said", "SessionInfo", "Status", "Store", "Unknown"]


class Store:
    """All conversations of one home. Made with `await Store.open(path)`; close it, or use it with `async with`."""

    def __init__(self, thread: DatabaseThread) -> None:
        self._thread = thread

    @classmethod
    async def open(cls, path: Path) -> "Store":
        """Open the file, made if it is not there. `StoreError` says what is wrong with it."""
        thread = DatabaseThread(path)
        await thread.start()
        return cls(thread)

    async def __aenter__(self) -> "Store":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Finish what was asked for and close the file."""
        await self._thread.stop()

    async def append(self, key: str, *new: NewEntry, session_id: str | None = None) -> tuple[Entry, ...]:
        """Store all of them, or none, after what the session holds; on the disk when this returns.

        They go to the key's current session, which is begun where there is none. `session_id` names another one of
        the key, for a turn that goes on although its session was reset meanwhile.
        """
        return await self._thread.run(partial(statements.append, key=key, session_id=session_id, new=new))

    async def entries(self, key: str, *, session_id: str | None = None) -> tuple[Entry, ...]:
        """The whole transcript of the key's current session, or of the one that is named; empty for an unknown key."""
        return await self._thread.run(partial(statements.entries, key=key, session_id=session_id))

    async def settings(self, key: str) -> tuple[Entry, ...]:
        """What the person chose for the key's current session, without the rest of the transcript."""
        return await self._thread.run(partial(statements.entries, key=key, kind="setting"))

    async def sessions(self, *, limit: int | None = None, past: bool = False) -> tuple[SessionInfo, ...]:
        """The current session of every key, the last one used first; with `past`, those before a reset as well."""
        return await self._thread.run(partial(statements.sessions, limit=limit, past=past))

    async def search(self, text: str, limit: int = 20) -> tuple[Found, ...]:
        """The newest messages, of people and the model, that hold every word of the text. Any text will do."""
        return await self._thread.run(partial(search, text=text, limit=limit))

    async def reset(self, key: str) -> str:
        """Begin a new session under the key (`/new`); its id. The one before stays, to be read and searched."""
        return await self._thread.run(partial(statements.begin_session, key=key))

    async def delete(self, key: str) -> int:
        """Remove the key with all its sessions, for good; how many sessions there were."""
        return await self._thread.run(partial(statements.delete, key=key))
