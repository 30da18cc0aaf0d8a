"""The store keeps what it was given, in order, for its owner only, and removes it only when told to."""

import asyncio
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from garra.errors import SessionError
from garra.sessions.entries import Setting
from garra.sessions.store import Entry, Failed, Head, Item, NewEntry, Said, Store, Unknown
from garra.sessions.transcript import head
from garra.wire.events import Usage
from garra.wire.messages import Assistant, Image, System, Text, ToolCall, ToolResult, ToolSpec, User

pytestmark = pytest.mark.anyio

KEY = "agent:main:main"
SPEC = ToolSpec(
    "read", "Read a file.", {"type": "object", "properties": {"z": {"type": "string"}, "a": {"minimum": 1.0}}}
)
EVERY_KIND: tuple[Item, ...] = (
    Head("You are Garra.", (SPEC,), "vllm/m"),
    Said(System("Speak softly.")),
    Said(User("Grüße 👋\u0000\u2028")),
    Said(User((Text("see"), Image("data:image/png;base64,AAAA")))),
    Said(
        Assistant("On it.", (ToolCall("c1", "read", '{ "a":1,\n"b": "\\u00e9" }'),), "Hm.", "reasoning_content"),
        model="vllm/m",
        usage=Usage(10, 5, 8),
    ),
    Said(ToolResult("c1", "read", "no such file", failed=True)),
    Said(Assistant("Half of"), "interrupted", note="stopped by the person"),
    Failed("the server went away"),
)


def said(text: str) -> NewEntry:
    return NewEntry(Said(User(text)))


def items(entries: tuple[Entry, ...]) -> tuple[Item | Unknown, ...]:
    return tuple(entry.item for entry in entries)


async def test_what_was_chosen_for_a_session_is_read_without_the_rest_of_it(store: Store) -> None:
    await store.append(
        KEY, NewEntry(Setting("model", "a/b")), NewEntry(Said(User("hi"))), NewEntry(Setting("model", ""))
    )

    assert [(entry.seq, entry.item) for entry in await store.settings(KEY)] == [
        (1, Setting("model", "a/b")),
        (3, Setting("model", "")),
    ]
    await store.reset(KEY)
    assert await store.settings(KEY) == ()


async def test_every_kind_of_item_comes_back_as_it_was_after_the_file_was_closed(path: Path) -> None:
    async with await Store.open(path) as store:
        stored = await store.append(KEY, *map(NewEntry, EVERY_KIND))

    async with await Store.open(path) as store:
        again = await store.entries(KEY)

    assert items(again) == EVERY_KIND
    assert again == stored
    assert [entry.seq for entry in again] == list(range(1, len(EVERY_KIND) + 1))
    assert len({entry.session_id for entry in again}) == 1


async def test_the_order_of_a_tools_parameters_is_kept(store: Store) -> None:
    await store.append(KEY, NewEntry(EVERY_KIND[0]))

    prefix = head(await store.entries(KEY))

    assert prefix is not None
    assert list(prefix.tools[0].parameters["properties"]) == ["z", "a"]
    assert repr(prefix.tools[0].parameters) == repr(SPEC.parameters)


async def test_half_a_character_is_stored_as_a_question_mark_and_handed_back_so(store: Store) -> None:
    stored = await store.append(KEY, said("half \ud83d"))

    assert items(stored) == (Said(User("half ?")),)
    assert await store.entries(KEY) == stored


async def test_an_unknown_key_has_no_entries_and_no_session(store: Store) -> None:
    assert await store.entries("agent:main:explicit:nothing") == ()
    assert await store.append("agent:main:explicit:nothing") == ()
    assert await store.sessions() == ()


async def test_a_reset_begins_anew_and_keeps_what_was(store: Store) -> None:
    (first,) = await store.append(KEY, said("before"))

    new_id = await store.reset(KEY)
    (second,) = await store.append(KEY, said("after"))

    assert (second.session_id, second.seq) == (new_id, 1)
    assert items(await store.entries(KEY)) == (Said(User("after")),)
    assert items(await store.entries(KEY, session_id=first.session_id)) == (Said(User("before")),)
    assert [info.title for info in await store.sessions()] == ["after"]
    assert [(info.title, info.current) for info in await store.sessions(past=True)] == [
        ("after", True),
        ("before", False),
    ]


async def test_a_turn_can_go_on_in_a_session_that_was_reset_meanwhile(store: Store) -> None:
    (first,) = await store.append(KEY, said("before"))
    await store.reset(KEY)

    (late,) = await store.append(KEY, NewEntry(Said(Assistant("reply"))), session_id=first.session_id)

    assert (late.session_id, late.seq) == (first.session_id, 2)
    assert await store.entries(KEY) == ()


async def test_a_session_that_was_deleted_takes_no_more_entries(store: Store) -> None:
    (first,) = await store.append(KEY, said("before"))
    await store.delete(KEY)

    with pytest.raises(SessionError, match="does not exist"):
        await store.append(KEY, said("late"), session_id=first.session_id)

    assert await store.sessions(past=True) == ()


async def test_the_list_tells_what_was_last_used_and_how_it_began(store: Store) -> None:
    await store.append("agent:main:explicit:a", NewEntry(Head("s")), said("Paint\nthe   pier"))
    await store.append("agent:main:explicit:b", said("x" * 500))
    await store.append("agent:main:explicit:a", NewEntry(Said(Assistant("", (ToolCall("c", "t", "{}"),)))))
    await store.append("agent:main:explicit:a", NewEntry(Said(ToolResult("c", "t", "ok"))), NewEntry(Failed("no")))

    a, b = await store.sessions()

    assert (a.key, a.title, a.messages) == ("agent:main:explicit:a", "Paint the pier", 2)
    assert a.started_at <= b.started_at <= b.updated_at <= a.updated_at
    assert b.title.startswith("xxxx")
    assert len(b.title) < 200
    assert await store.sessions(limit=1) == (a,)


async def test_a_deleted_session_leaves_no_word_in_the_files(path: Path) -> None:
    async with await Store.open(path) as store:
        await store.append(KEY, said("the password is xyzzyplugh"), NewEntry(Said(ToolResult("c", "t", "frobozz"))))
        await store.reset(KEY)
        await store.append(KEY, said("xyzzyplugh again"))
        await store.append("agent:main:explicit:other", said("keep plughless"))

        assert await store.delete(KEY) == 2

        left = b"".join(file.read_bytes() for file in path.parent.iterdir() if file.is_file())
        assert b"xyzzyplugh" not in left
        assert b"frobozz" not in left
        assert [info.key for info in await store.sessions(past=True)] == ["agent:main:explicit:other"]
        assert len(await store.search("keep")) == 1


async def test_deleting_what_is_not_there_deletes_nothing(store: Store) -> None:
    assert await store.delete(KEY) == 0


async def test_an_entry_cannot_be_changed_even_by_hand(store: Store, path: Path) -> None:
    await store.append(KEY, said("as it was"))
    by_hand = sqlite3.connect(path)

    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        by_hand.execute("UPDATE entries SET at = 0")

    by_hand.close()


async def test_what_a_newer_version_wrote_is_kept_and_skipped(store: Store, path: Path) -> None:
    await store.append(KEY, said("one"))
    by_hand = sqlite3.connect(path)
    newer = '{"type":"compacted","summary":"so far"}', '{"type":"said","message":{"type":"video","url":"x"}}'
    for seq, data in enumerate(newer, 2):
        by_hand.execute(
            "INSERT INTO entries (session, seq, at, kind, item) VALUES (1, ?, 0, 'newer', ?)", (seq, data.encode())
        )
    by_hand.commit()
    by_hand.close()

    await store.append(KEY, said("two"))

    assert items(await store.entries(KEY)) == (Said(User("one")), *map(Unknown, newer), Said(User("two")))


async def test_the_files_are_for_their_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "new" / "sessions.sqlite"
    before = os.umask(0)
    try:
        async with await Store.open(path) as store:
            await store.append(KEY, said("secret"))
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)

    assert modes == {f"sessions.sqlite{end}": 0o600 for end in ("", "-wal", "-shm")}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_files_that_were_open_to_others_are_closed_to_them(path: Path) -> None:
    async with await Store.open(path) as store:
        await store.append(KEY, said("secret"))
        for file in path.parent.iterdir():
            file.chmod(0o644)
        path.parent.chmod(0o755)

        async with await Store.open(path):
            modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert modes == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_many_appends_at_once_keep_the_order_in_which_they_were_asked_for(store: Store) -> None:
    await asyncio.gather(*(store.append(KEY, said(str(number))) for number in range(50)))

    entries = await store.entries(KEY)

    assert items(entries) == tuple(Said(User(str(number))) for number in range(50))
    assert [entry.seq for entry in entries] == list(range(1, 51))


async def test_the_loop_goes_on_while_another_process_holds_the_file(store: Store, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(store.append(KEY, said("patient")))

    for _ in range(20):
        await asyncio.sleep(0.005)
        assert not writing.done()
    other.execute("ROLLBACK")

    assert items(await writing) == (Said(User("patient")),)
    other.close()


async def test_a_write_whose_caller_went_away_is_done_all_the_same(store: Store) -> None:
    writing = asyncio.create_task(store.append(KEY, said("first")))
    await asyncio.sleep(0)
    writing.cancel()

    await store.append(KEY, said("second"))

    assert items(await store.entries(KEY)) == (Said(User("first")), Said(User("second")))


async def test_a_closed_store_says_so_and_may_be_closed_again(path: Path) -> None:
    store = await Store.open(path)
    await store.close()
    await store.close()

    with pytest.raises(SessionError, match="was closed"):
        await store.entries(KEY)
