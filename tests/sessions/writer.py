"""A child process for the tests: holds conversations with tool calls and prints an acknowledgement for every append.

`python writer.py STORE KEY NAME [TURNS]`: a line `NAME SEQ SEQ…` is printed only after the entries with those numbers
were stored. Runs until it is killed where no number of turns is given.
"""

import asyncio
import itertools
import sys
from pathlib import Path

from garra.sessions.store import Head, NewEntry, Said, Store
from garra.wire.messages import Assistant, ToolCall, ToolResult, User


async def append(store: Store, key: str, name: str, *new: NewEntry) -> None:
    stored = await store.append(key, *new)
    print(name, *(entry.seq for entry in stored), flush=True)


async def hold_conversation(path: Path, key: str, name: str, turns: int | None) -> None:
    async with await Store.open(path) as store:
        for turn in range(turns) if turns is not None else itertools.count():
            await take_turn(store, key, name, f"{name}-{turn}")


async def take_turn(store: Store, key: str, name: str, mark: str) -> None:
    calls = tuple(ToolCall(f"{mark}-{place}", "read", "{}") for place in range(3))
    first = (NewEntry(Head("system")),) if mark.endswith("-0") else ()
    await append(store, key, name, *first, NewEntry(Said(User(f"ask {mark}"))))
    await append(store, key, name, NewEntry(Said(Assistant("", calls))))
    for call in calls:
        await append(store, key, name, NewEntry(Said(ToolResult(call.id, call.name, "x" * 3000))))
    await append(store, key, name, NewEntry(Said(Assistant(f"answer {mark}"))))


if __name__ == "__main__":
    store_path, session_key, own_name, *turn_count = sys.argv[1:]
    asyncio.run(hold_conversation(Path(store_path), session_key, own_name, int(turn_count[0]) if turn_count else None))
