"""`garra sessions` as it is called from a shell."""

import asyncio
import json
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from garra.cli.main import run
from garra.sessions.lease import turn_lease
from garra.sessions.store import NewEntry, Said, Store
from garra.wire.messages import Assistant, User

Capture = pytest.CaptureFixture[str]
DELETE = (sys.executable, "-m", "garra", "sessions", "delete")


@pytest.fixture
def state(home: Path) -> Path:
    return home / ".garra"


@pytest.fixture
def kept(state: Path) -> Path:
    """A home with three conversations, one of them reset once."""

    async def write() -> None:
        async with await Store.open(state / "sessions.sqlite") as store:
            await store.append("agent:main:main", NewEntry(Said(User("the first harbour"))))
            await store.reset("agent:main:main")
            await store.append("agent:main:main", NewEntry(Said(User("the second pier"))))
            await store.append("agent:main:explicit:work", NewEntry(Said(User("paint it"))))
            await store.append("agent:main:explicit:work", NewEntry(Said(Assistant("painted"), model="vllm/m")))
            await store.append("cron:nightly", NewEntry(Said(User("sweep"))))

    asyncio.run(write())
    return state


def garra(capsys: Capture, *args: str) -> tuple[int, str, str]:
    code = run(["sessions", *args])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_list_begins_with_what_was_used_last(kept: Path, capsys: Capture) -> None:
    code, out, err = garra(capsys, "list")

    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == [
        "cron:nightly",
        "agent:main:explicit:work",
        "agent:main:main",
    ]
    assert "2 messages  paint it" in out
    assert "first harbour" not in out


def test_the_list_can_be_json_with_a_limit_and_with_past_sessions(kept: Path, capsys: Capture) -> None:
    _, newest, _ = garra(capsys, "list", "--json", "--limit", "1")
    _, everything, _ = garra(capsys, "list", "--json", "--all")

    assert [row["key"] for row in json.loads(newest)] == ["cron:nightly"]
    assert [(row["title"], row["current"]) for row in json.loads(everything)][-2:] == [
        ("the second pier", True),
        ("the first harbour", False),
    ]


@pytest.mark.parametrize("args", [("list",), ("search", "x")])
def test_looking_where_nothing_is_creates_nothing(state: Path, capsys: Capture, args: tuple[str, ...]) -> None:
    code, out, err = garra(capsys, *args)

    assert (code, out) == (0, "")
    assert err
    assert not state.exists()


@pytest.mark.parametrize("name", ["work", "agent:main:explicit:work"])
def test_a_conversation_is_shown_by_its_key_or_its_short_name(kept: Path, capsys: Capture, name: str) -> None:
    code, out, _ = garra(capsys, "show", name)

    assert code == 0
    assert "paint it\n\nAssistant (vllm/m):\npainted\n" in out


def test_a_past_session_is_shown_by_its_id(kept: Path, capsys: Capture) -> None:
    _, listed, _ = garra(capsys, "list", "--json", "--all")
    past = next(row["sessionId"] for row in json.loads(listed) if not row["current"])

    code, out, _ = garra(capsys, "show", past[:12])

    assert code == 0
    assert "the first harbour" in out
    assert "before a reset" in out


def test_a_transcript_as_json_has_every_entry_as_it_is_stored(kept: Path, capsys: Capture) -> None:
    _, out, _ = garra(capsys, "show", "work", "--json")

    shown = json.loads(out)
    assert shown["key"] == "agent:main:explicit:work"
    assert [(entry["seq"], entry["item"]["message"]["type"]) for entry in shown["entries"]] == [
        (1, "user"),
        (2, "assistant"),
    ]


@pytest.mark.parametrize("action", ["show", "export", "delete"])
def test_an_unknown_key_is_answered_with_the_near_ones(kept: Path, capsys: Capture, action: str) -> None:
    code, out, err = garra(capsys, action, "wrok")

    assert (code, out) == (1, "")
    assert "no session agent:main:explicit:wrok" in err
    assert "Did you mean agent:main:explicit:work?" in err


def test_an_unknown_key_is_an_error_where_nothing_is(state: Path, capsys: Capture) -> None:
    code, _, err = garra(capsys, "show", "main")

    assert code == 1
    assert "no session agent:main:main" in err
    assert not state.exists()


def test_what_is_no_key_is_wrong_usage(kept: Path, capsys: Capture) -> None:
    code, _, err = garra(capsys, "show", "agnt:main:work")

    assert code == 2
    assert "is no session key" in err


def test_the_search_takes_words_without_quotes_and_names_the_place(kept: Path, capsys: Capture) -> None:
    code, out, _ = garra(capsys, "search", "harbour", "first")
    _, as_json, _ = garra(capsys, "search", "--json", "pier")

    assert code == 0
    assert out.startswith("agent:main:main  ")
    assert out.endswith("user: the first harbour\n")
    assert [(hit["role"], hit["snippet"]) for hit in json.loads(as_json)] == [("user", "the second pier")]


def test_an_export_goes_to_standard_output_or_to_a_private_file(kept: Path, capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "work.jsonl"

    _, out, _ = garra(capsys, "export", "work")
    code, nothing, _ = garra(capsys, "export", "work", "-o", str(file))

    events = [json.loads(line) for line in out.splitlines()]
    assert [event["type"] for event in events] == ["session", "message", "model_change", "message"]
    assert events[0]["cwd"] == str(kept / "workspace")
    assert (code, nothing) == (0, "")
    assert file.read_text() == out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_export_can_be_markdown(kept: Path, capsys: Capture) -> None:
    _, out, _ = garra(capsys, "export", "work", "--format", "markdown")

    assert out.startswith("# agent:main:explicit:work\n")
    assert out.endswith("painted\n")


def test_an_export_works_with_a_broken_configuration(kept: Path, capsys: Capture) -> None:
    (kept / "garra.json").write_text("{ broken")

    code, out, _ = garra(capsys, "export", "work")

    assert code == 0
    assert len(out.splitlines()) == 4


def test_nothing_is_deleted_where_nobody_can_be_asked(kept: Path, capsys: Capture) -> None:
    ran = subprocess.run([*DELETE, "main"], stdin=subprocess.DEVNULL, capture_output=True, text=True)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert "whether to delete agent:main:main with 2 sessions" in ran.stderr
    assert "--yes" in ran.stderr
    assert len(json.loads(garra(capsys, "list", "--json", "--all")[1])) == 4


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", 4), (b"\n", 4), (b"y\n", 2)])
def test_a_person_at_a_terminal_is_asked_before_anything_is_deleted(
    kept: Path, capsys: Capture, answer: bytes, left: int
) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, answer)

    ran = subprocess.run([*DELETE, "main"], stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, timeout=30)

    asked = os.read(ours, 10_000).decode()
    os.close(ours)
    os.close(theirs)
    assert "Delete agent:main:main with 2 sessions for good?" in asked
    assert ran.returncode == (0 if left == 2 else 130)
    assert len(json.loads(garra(capsys, "list", "--json", "--all")[1])) == left


def test_delete_with_yes_removes_the_key_and_what_was_before_its_resets(kept: Path, capsys: Capture) -> None:
    code, out, _ = garra(capsys, "delete", "main", "--yes")
    _, listed, _ = garra(capsys, "list", "--json", "--all")

    assert (code, out) == (0, "Deleted agent:main:main\n")
    assert {row["key"] for row in json.loads(listed)} == {"cron:nightly", "agent:main:explicit:work"}


@pytest.mark.anyio
async def test_a_session_in_which_a_turn_runs_is_not_deleted(kept: Path, capsys: Capture) -> None:
    async with turn_lease(kept, "agent:main:main"):
        code, _, err = await asyncio.to_thread(garra, capsys, "delete", "main", "--yes")

    assert code == 1
    assert f"process {os.getpid()} is running a turn in agent:main:main" in err
    async with await Store.open(kept / "sessions.sqlite") as store:
        assert len(await store.entries("agent:main:main")) == 1
