"""Reading and writing real files."""

import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from garra.tools.base import ToolContext
from garra.tools.read_tool import PAGE_BYTES, Read
from garra.tools.settings import ExecSettings, ToolSettings
from garra.tools.toolbox import Toolbox
from garra.tools.write_tool import Write
from garra.wire.messages import ToolCall, ToolResult

pytestmark = pytest.mark.anyio
Call = Callable[..., Awaitable[ToolResult]]


async def test_a_small_file_is_read_as_it_is(call: Call, workspace: Path) -> None:
    (workspace / "a.txt").write_text("one\ntwo")

    assert (await call("read", path="a.txt")).text == "one\ntwo"


async def test_a_long_file_is_read_in_pages_that_say_how_to_go_on(call: Call, workspace: Path) -> None:
    (workspace / "a.txt").write_text("".join(f"{n}\n" for n in range(1, 4501)))

    first = (await call("read", path="a.txt")).text
    last = (await call("read", path="a.txt", offset=4001)).text

    assert first.startswith("1\n2\n")
    assert "\n2000\n[lines 1-2000 of" in first
    assert first.endswith("go on with offset=2001]")
    assert last == "".join(f"{n}\n" for n in range(4001, 4501))


async def test_offset_and_limit_choose_the_lines(call: Call, workspace: Path) -> None:
    (workspace / "a.txt").write_text("1\n2\n3\n4\n5\n")

    assert (await call("read", path="a.txt", offset="2", limit=2)).text.startswith("2\n3\n[lines 2-3 of")
    assert (await call("read", path="a.txt", offset=4, limit=2)).text == "4\n5\n"


async def test_a_page_holds_no_more_bytes_than_its_limit(call: Call, workspace: Path) -> None:
    (workspace / "a.txt").write_text(("x" * 999 + "\n") * 200)

    text = (await call("read", path="a.txt")).text

    assert text.count("x" * 999 + "\n") == PAGE_BYTES // 1000
    assert text.endswith(f"go on with offset={PAGE_BYTES // 1000 + 1}]")


async def test_an_endless_line_is_cut_and_the_next_line_can_be_read(call: Call, workspace: Path) -> None:
    (workspace / "a.txt").write_text("x" * 3_000_000 + "\nnext\n")

    cut = (await call("read", path="a.txt")).text
    rest = (await call("read", path="a.txt", offset=2)).text

    assert cut.startswith("x" * PAGE_BYTES + "\n[line 1 is longer than")
    assert len(cut) < PAGE_BYTES + 300
    assert rest == "next\n"


async def test_a_sparse_file_of_a_terabyte_is_not_read_whole(call: Call, workspace: Path) -> None:
    with (workspace / "big").open("wb") as file:
        file.write(b"line\n" * 3000)
        file.truncate(1 << 40)

    assert "of a file of 1,099,511,627,776 bytes" in (await call("read", path="big")).text


async def test_past_the_end_is_told_with_the_number_of_lines(call: Call, workspace: Path) -> None:
    (workspace / "a.txt").write_text("1\n2\n3")
    (workspace / "empty").write_text("")

    past = await call("read", path="a.txt", offset=9)
    empty = await call("read", path="empty")

    assert past.failed
    assert past.text == "a.txt has only 3 lines; offset 9 is past its end."
    assert (empty.text, empty.failed) == ("empty is empty.", False)


async def test_a_folder_is_listed(call: Call, workspace: Path) -> None:
    (workspace / "b").mkdir()
    (workspace / "a.txt").write_text("")
    (workspace / "c.txt").write_text("")

    assert (await call("read", path=".")).text == "a.txt\nb/\nc.txt"
    assert (await call("read", path=".", limit=1, offset=2)).text == "b/\n[1 more entries; go on with offset=3]"


async def test_binary_files_and_devices_are_named_and_not_dumped(call: Call, workspace: Path) -> None:
    (workspace / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
    os.mkfifo(workspace / "pipe")

    image, pipe, device = [await call("read", path=path) for path in ("x.png", "pipe", "/dev/zero")]

    assert "a PNG image, 108 bytes" in image.text
    assert "pipe" in pipe.text
    assert "device" in device.text
    assert image.failed
    assert pipe.failed
    assert device.failed


async def test_text_that_is_not_utf8_is_shown_with_a_warning(call: Call, workspace: Path) -> None:
    (workspace / "a.txt").write_bytes("café\n".encode("latin-1"))

    assert (await call("read", path="a.txt")).text.startswith("caf�\n[not UTF-8")


async def test_a_missing_file_is_told_with_names_like_it(call: Call, workspace: Path) -> None:
    (workspace / "notes.md").write_text("")

    near = await call("read", path="Note.md")
    far = await call("read", path="no/such/folder/x")

    assert near.failed
    assert near.text == "Note.md does not exist. In its folder there is: notes.md"
    assert f"Nor does the folder {workspace}/no." in far.text


@pytest.mark.parametrize("path", ["", "a\0b", "x" * 5000])
async def test_a_path_that_is_none_is_refused_in_one_line(call: Call, path: str) -> None:
    result = await call("read", path=path)

    assert result.failed
    assert "\n" not in result.text


async def test_symbolic_links_in_a_circle_are_refused(call: Call, workspace: Path) -> None:
    (workspace / "a").symlink_to("b")
    (workspace / "b").symlink_to("a")

    assert (await call("read", path="a")).failed
    assert (await call("write", path="a", content="x")).failed


async def test_the_home_folder_is_understood(call: Call) -> None:
    Path(os.environ["HOME"], "x.txt").write_text("home")

    assert (await call("read", path="~/x.txt")).text == "home"


async def test_a_file_is_created_with_its_folders_and_replaced(call: Call, workspace: Path) -> None:
    created = await call("write", path="a/b/c.txt", content="one\ntwo\n")
    replaced = await call("write", path="a/b/c.txt", content="é")

    assert created.text == "Created a/b/c.txt: 2 lines, 8 bytes."
    assert replaced.text == "Replaced a/b/c.txt: 1 line, 2 bytes."
    assert (workspace / "a/b/c.txt").read_text() == "é"
    assert [path.name for path in (workspace / "a/b").iterdir()] == ["c.txt"]


async def test_a_replaced_file_keeps_its_mode(call: Call, workspace: Path) -> None:
    (workspace / "run.sh").write_text("old")
    (workspace / "run.sh").chmod(0o751)

    await call("write", path="run.sh", content="new")

    assert stat.S_IMODE((workspace / "run.sh").stat().st_mode) == 0o751


async def test_a_link_within_the_workspace_stays_a_link(call: Call, workspace: Path) -> None:
    (workspace / "real.txt").write_text("old")
    (workspace / "link.txt").symlink_to("real.txt")

    await call("write", path="link.txt", content="new")

    assert (workspace / "link.txt").is_symlink()
    assert (workspace / "real.txt").read_text() == "new"


async def test_folders_and_pipes_are_not_written_over(call: Call, workspace: Path) -> None:
    os.mkfifo(workspace / "pipe")
    (workspace / "file").write_text("")

    results = [await call("write", path=path, content="x") for path in (".", "pipe", "file/below")]

    assert all(result.failed for result in results)
    assert stat.S_ISFIFO((workspace / "pipe").stat().st_mode)


async def test_with_workspace_only_nothing_outside_is_read_or_written(context: ToolContext, tmp_path: Path) -> None:
    settings = ToolSettings(exec=ExecSettings(mode="full"), workspace_only=True)
    box = Toolbox([Read(), Write()], msgspec.structs.replace(context, settings=settings))
    (tmp_path / "x").write_text("outside")
    (context.workspace / "link").symlink_to(tmp_path)

    for path in ("../x", "link/x", str(tmp_path / "x")):
        read = await box.run(ToolCall("1", "read", msgspec.json.encode({"path": path}).decode()))
        write = await box.run(ToolCall("1", "write", msgspec.json.encode({"path": path, "content": "y"}).decode()))
        assert read.failed
        assert write.failed
        assert "tools.fs.workspaceOnly" in read.text

    assert (tmp_path / "x").read_text() == "outside"


async def test_files_with_keys_are_never_read_or_edited(context: ToolContext) -> None:
    secret = context.workspace / "auth.json"
    secret.write_text("sk-very-secret")
    settings = ToolSettings(exec=ExecSettings(mode="full"), guarded=(secret,))
    box = Toolbox([Read()], msgspec.structs.replace(context, settings=settings))

    result = await box.run(ToolCall("1", "read", '{"path": "./auth.json"}'))

    assert result.failed
    assert "sk-very" not in result.text


async def test_the_environment_of_a_process_is_not_read(call: Call) -> None:
    result = await call("read", path="/proc/self/environ")

    assert result.failed
    assert "may hold keys" in result.text
