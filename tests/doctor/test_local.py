"""What `garra doctor` finds without any server: the configuration, who can read what, the store, the command."""

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from garra.config.paths import Paths
from garra.doctor.local import on_path, permissions, read_configuration
from garra.doctor.storage import check_store
from garra.sessions.entries import NewEntry, Said
from garra.sessions.store import Store
from garra.wire.messages import User

Write = Callable[[Any], None]


def test_a_configuration_that_cannot_be_read_is_broken_with_the_line_to_edit(
    paths: Paths, env: dict[str, str], write: Write
) -> None:
    write("{\n  agents: {\n")

    found, configuration = read_configuration(paths, env)

    assert configuration is None
    assert found.state == "broken"
    assert any(str(paths.config_file) in command for command in found.mend)
    assert "garra config validate" in found.mend


def test_a_single_unknown_key_is_mended_by_taking_it_out(paths: Paths, env: dict[str, str], write: Write) -> None:
    write({"agents": {"defaults": {"modle": "vllm/x"}}})

    found, _ = read_configuration(paths, env)

    assert found.state == "broken"
    assert "agents.defaults.modle" in found.means
    assert found.mend[0] == "garra config unset agents.defaults.modle"


def test_a_missing_variable_is_a_hint_that_names_it(paths: Paths, env: dict[str, str], write: Write) -> None:
    write({"models": {"providers": {"other": {"baseUrl": "http://127.0.0.1:9/v1", "apiKey": "${OTHER_SECRET}"}}}})

    found, configuration = read_configuration(paths, env)

    assert configuration is not None
    assert found.state == "hint"
    assert found.mend == ("export OTHER_SECRET=…",)


def test_the_commands_name_another_configuration_file_where_one_is_in_use(tmp_path: Path, env: dict[str, str]) -> None:
    from garra.config.paths import resolve_paths

    file = tmp_path / "mine.json"
    file.write_text('{"agents": {"defaults": {"modle": "x"}}}')

    found, _ = read_configuration(resolve_paths(env, config_file=str(file)), env)

    assert found.mend[0] == f"garra --config {file} config unset agents.defaults.modle"


def test_a_home_that_is_closed_to_others_is_well(paths: Paths, write: Write) -> None:
    write({})

    assert permissions(paths).state == "ok"


def test_a_key_file_that_others_can_read_is_broken_and_closed_by_the_commands(paths: Paths, write: Write) -> None:
    write({})
    paths.auth_file.write_text("{}")
    paths.auth_file.chmod(0o644)
    paths.home.chmod(0o755)

    found = permissions(paths)

    assert found.state == "broken"
    assert found.mend == (f"chmod 700 {paths.home}", f"chmod 600 {paths.auth_file}")


def test_an_open_file_in_a_closed_folder_is_a_hint(paths: Paths, write: Write) -> None:
    write({})
    paths.config_file.chmod(0o644)

    found = permissions(paths)

    assert (found.state, found.mend) == ("hint", (f"chmod 600 {paths.config_file}",))


def test_where_there_is_no_home_yet_all_is_well_and_none_is_made(paths: Paths) -> None:
    assert permissions(paths).state == "ok"
    assert not paths.home.exists()


@pytest.mark.anyio
async def test_a_store_is_whole_and_its_conversations_are_counted(paths: Paths) -> None:
    async with await Store.open(paths.sessions_db) as store:
        await store.append("agent:main:main", NewEntry(Said(User("hello"))))

    found = await check_store(paths)

    assert found.state == "ok"
    assert "1 conversation" in found.seen


@pytest.mark.anyio
async def test_no_store_yet_is_well_and_none_is_made(paths: Paths) -> None:
    assert (await check_store(paths)).state == "ok"
    assert not paths.sessions_db.exists()


@pytest.mark.anyio
@pytest.mark.parametrize("content", [b"this is no database, however long it may be" * 100, b"SQLite format 3\0" * 300])
async def test_a_damaged_store_is_broken_left_as_it_is_and_can_be_moved_aside(paths: Paths, content: bytes) -> None:
    paths.home.mkdir()
    paths.sessions_db.write_bytes(content)

    found = await check_store(paths)

    assert found.state == "broken"
    assert f"mv {paths.sessions_db}* " in found.mend[0]
    assert paths.sessions_db.read_bytes() == content


@pytest.mark.anyio
async def test_a_store_with_a_damaged_page_is_found_by_looking_at_all_of_it(paths: Paths) -> None:
    async with await Store.open(paths.sessions_db) as store:
        for number in range(400):
            await store.append("agent:main:main", NewEntry(Said(User(f"message {number} " * 40))))
    with sqlite3.connect(paths.sessions_db) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    data = bytearray(paths.sessions_db.read_bytes())
    for page in range(8, len(data) // 4096 - 1):
        data[page * 4096 : page * 4096 + 200] = b"\xa5" * 200
    paths.sessions_db.write_bytes(bytes(data))

    assert (await check_store(paths)).state == "broken"


@pytest.mark.anyio
async def test_a_store_of_a_newer_version_is_broken(paths: Paths) -> None:
    async with await Store.open(paths.sessions_db):
        pass
    with sqlite3.connect(paths.sessions_db) as db:
        db.execute("PRAGMA user_version = 999")
    db.close()

    found = await check_store(paths)

    assert (found.state, found.mend) == ("broken", ("pip install --upgrade garra",))


@pytest.mark.anyio
async def test_a_database_of_another_program_is_broken(paths: Paths) -> None:
    paths.home.mkdir()
    with sqlite3.connect(paths.sessions_db) as db:
        db.execute("CREATE TABLE notes (text)")
    db.close()

    assert (await check_store(paths)).state == "broken"


def test_a_command_that_is_not_on_the_path_is_a_hint_with_the_export() -> None:
    found = on_path({"PATH": "/nowhere"})

    assert found.state == "hint"
    assert found.mend == (f'export PATH={Path(sys.executable).parent}:"$PATH"',)


def test_another_garra_on_the_path_is_a_hint(tmp_path: Path) -> None:
    other = tmp_path / "garra"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)

    found = on_path({"PATH": str(tmp_path)})

    assert found.state == "hint"
    assert str(other) in found.seen
