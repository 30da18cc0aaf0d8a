"""The file: older ones are brought up to date, foreign and damaged ones are left alone and named."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from garra.errors import StoreError
from garra.sessions.store import Head, NewEntry, Said, Store
from garra.sessions.transcript import head, history
from garra.wire.events import Usage
from garra.wire.messages import Assistant, Image, Text, ToolSpec, User

pytestmark = pytest.mark.anyio

KEY = "agent:main:main"
VERSION_1 = Path(__file__).with_name("version1.sql")


def make(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path)
    db.executescript(script)
    db.close()


def schema(path: Path) -> set[str]:
    db = sqlite3.connect(path)
    found = {" ".join(sql.split()) for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    db.close()
    return found


async def test_a_store_of_the_first_version_is_brought_up_to_date_and_keeps_everything(path: Path) -> None:
    make(path, VERSION_1.read_text())

    async with await Store.open(path) as store:
        first = await store.entries(KEY, session_id="0123456789abcdef0123456789abcdef")
        assert head(first) == Head("You are Garra.", (ToolSpec("read", "Read a file.", {"type": "object"}),), "vllm/m")
        assert first[2].item == Said(
            Assistant("Seven ships.", reasoning="count", reasoning_field="reasoning"),
            model="vllm/m",
            usage=Usage(9, 3, None),
        )
        work = await store.entries("agent:main:explicit:work")
        assert history(work) == (User((Text("Paint the pier"), Image("data:image/png;base64,AAAA"))),)
        assert [found.seq for found in await store.search("harbour")] == [2]
        assert [found.key for found in await store.search("pier")] == ["agent:main:explicit:work"]
        (added,) = await store.append(KEY, NewEntry(Said(User("new words"))))
        assert (added.session_id, added.seq) == ("22222222222222222222222222222222", 3)
        assert len(await store.search("new words")) == 1


async def test_an_old_store_and_a_new_one_have_the_same_schema(path: Path, tmp_path: Path) -> None:
    make(path, VERSION_1.read_text())
    for each in (path, tmp_path / "fresh.sqlite"):
        await (await Store.open(each)).close()

    assert schema(path) == schema(tmp_path / "fresh.sqlite")


async def test_a_migration_that_fails_leaves_the_store_as_it_was(path: Path) -> None:
    make(path, VERSION_1.read_text() + "CREATE TABLE said (in_the_way);")
    before = schema(path)

    with pytest.raises(StoreError, match="said"):
        await Store.open(path)

    assert schema(path) == before
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    db.close()


async def test_opening_waits_for_a_process_that_reads_a_store_not_yet_in_wal_mode(path: Path) -> None:
    make(path, VERSION_1.read_text())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM sessions").fetchone()
    opening = asyncio.create_task(Store.open(path))

    await asyncio.sleep(0.1)
    assert not opening.done()
    other.execute("ROLLBACK")
    other.close()

    async with await opening as store:
        assert len(await store.sessions(past=True)) == 3


async def test_a_store_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    make(path, VERSION_1.read_text().replace("user_version = 1", "user_version = 99"))

    with pytest.raises(StoreError, match=r"newer Garra .*99.*update Garra") as refused:
        await Store.open(path)

    assert str(path) in str(refused.value)


async def test_a_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    make(path, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);")

    with pytest.raises(StoreError, match="another program") as refused:
        await Store.open(path)

    assert str(path) in str(refused.value)
    assert schema(path) == {"CREATE TABLE theirs (x)"}


@pytest.mark.parametrize("junk", [b"this is no database at all, but a letter to a friend. " * 40, os.urandom(8192)])
async def test_a_file_that_is_no_database_is_named_and_left_as_it_is(path: Path, junk: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(junk)

    with pytest.raises(StoreError, match="damaged or is no store") as refused:
        await Store.open(path)

    assert f"mv {path} {path}.damaged" in str(refused.value)
    assert path.read_bytes() == junk


async def test_a_store_that_is_damaged_inside_is_named_when_it_is_read(path: Path) -> None:
    async with await Store.open(path) as store:
        await store.append(KEY, *(NewEntry(Said(User("x" * 3000))) for _ in range(50)))
    whole = path.read_bytes()
    path.write_bytes(whole[: 4096 * 20] + b"\x5a" * (len(whole) - 4096 * 20))

    with pytest.raises(StoreError, match=r"damaged.*mv ") as refused:
        async with await Store.open(path) as store:
            await store.entries(KEY)

    assert str(path) in str(refused.value)


async def test_a_store_cut_short_is_named(path: Path) -> None:
    async with await Store.open(path) as store:
        await store.append(KEY, *(NewEntry(Said(User("x" * 3000))) for _ in range(50)))
    path.write_bytes(path.read_bytes()[: 4096 * 20 + 100])

    with pytest.raises(StoreError, match="damaged"):
        async with await Store.open(path) as store:
            await store.entries(KEY)


async def test_a_folder_in_the_place_of_the_store_is_named(path: Path) -> None:
    path.mkdir(parents=True)

    with pytest.raises(StoreError, match="cannot open the sessions") as refused:
        await Store.open(path)

    assert str(path) in str(refused.value)


async def test_a_full_disk_stores_nothing_and_says_so(path: Path) -> None:
    async with await Store.open(path) as store:
        kept = await store.append(KEY, NewEntry(Said(User("before"))))
        await store._thread.run(lambda db: db.execute("PRAGMA max_page_count = 1").fetchall())

        with pytest.raises(StoreError, match=r"disk that holds .* is full") as full:
            await store.append(KEY, NewEntry(Said(User("small"))), NewEntry(Said(User("x" * 10**6))))

        assert (full.value.status, full.value.kind) == (500, "store_error")
        assert await store.entries(KEY) == kept
        await store._thread.run(lambda db: db.execute("PRAGMA max_page_count = 100000").fetchall())
        (after,) = await store.append(KEY, NewEntry(Said(User("after"))))
        assert after.seq == 2


async def test_a_store_that_cannot_be_written_says_so(path: Path) -> None:
    async with await Store.open(path) as store:
        await store._thread.run(lambda db: db.execute("PRAGMA query_only = ON"))

        with pytest.raises(StoreError, match=r"cannot be written.*Check who owns it"):
            await store.append(KEY, NewEntry(Said(User("hi"))))


def test_the_interpreter_ends_although_a_store_was_left_open(path: Path) -> None:
    code = (
        "import asyncio, pathlib, sys\nfrom garra.sessions.store import Store\n"
        "asyncio.run(Store.open(pathlib.Path(sys.argv[1])))\nprint('end')"
    )

    ran = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=30)

    assert (ran.stdout, ran.stderr, ran.returncode) == ("end\n", "", 0)


def test_a_store_can_be_used_from_one_event_loop_after_another(path: Path) -> None:
    store = asyncio.run(Store.open(path))
    asyncio.run(store.append(KEY, NewEntry(Said(User("hi")))))
    entries = asyncio.run(store.entries(KEY))
    asyncio.run(store.close())

    assert [entry.item for entry in entries] == [Said(User("hi"))]
