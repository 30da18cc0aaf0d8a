"""Where tools could hang, flood or be led astray: special files, ways around the workspace's edge, small models."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from garra.config.edit import BACKUPS, backup
from garra.config.paths import resolve_paths
from garra.config.schema_tools import AgentToolsSection, ToolsSection
from garra.errors import ToolRefused
from garra.tools.base import ToolContext
from garra.tools.default import settings_of
from garra.tools.environment import is_secret
from garra.tools.locate import check_unmoved, locate
from garra.tools.opened import open_file
from garra.tools.toolbox import Toolbox
from garra.wire.messages import ToolCall, ToolResult

pytestmark = pytest.mark.anyio
Call = Callable[..., Awaitable[ToolResult]]


async def test_a_page_and_a_listing_keep_to_the_room_that_the_model_has(box: Toolbox, workspace: Path) -> None:
    (workspace / "long.txt").write_text("".join(f"line {number}\n" for number in range(1, 5_000)))
    (workspace / "many").mkdir()
    for number in range(200):
        (workspace / "many" / f"{number:03}-{'x' * 100}").touch()

    page = await box.run(ToolCall("c", "read", '{"path": "long.txt"}'), room_chars=1_000)
    names = await box.run(ToolCall("c", "read", '{"path": "many"}'), room_chars=1_000)

    assert len(page.text) < 1_200
    last = int(page.text.splitlines()[-2].removeprefix("line "))
    assert f"go on with offset={last + 1}]" in page.text
    assert len(names.text) < 1_200
    assert "191 more entries; go on with offset=10]" in names.text


async def test_output_keeps_to_the_room_that_the_model_has(box: Toolbox) -> None:
    result = await box.run(ToolCall("c", "exec", '{"command": "seq 100000"}'), room_chars=1_000)

    assert len(result.text) < 1_200
    assert "characters left out" in result.text


def test_a_pipe_that_took_a_files_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ToolRefused, match="no regular file"):
        open_file(tmp_path / "pipe")


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/stdin", "/dev/tty", "/proc/self/fd/0", "/proc/kmsg"])
async def test_what_never_ends_or_never_answers_does_not_hang_a_call(call: Call, path: str) -> None:
    async with asyncio.timeout(20):
        result = await call("read", path=path)

    assert len(result.text) < 60_000


async def test_a_folder_that_became_a_link_since_it_was_allowed_is_not_written_through(
    context: ToolContext, workspace: Path, tmp_path: Path
) -> None:
    (workspace / "in").mkdir()
    (tmp_path / "outside").mkdir()
    place = locate(context, "in/file.txt")
    (workspace / "in").rmdir()
    (workspace / "in").symlink_to(tmp_path / "outside")

    with pytest.raises(ToolRefused, match="elsewhere"):
        check_unmoved(place)


@pytest.mark.parametrize(
    "path", ["../outside.txt", "in/../../outside.txt", "/proc/self/root{outside}", "link/outside.txt"]
)
async def test_ways_around_the_workspaces_edge_are_seen_as_outside(
    context: ToolContext, workspace: Path, tmp_path: Path, path: str
) -> None:
    (workspace / "in").mkdir()
    (workspace / "link").symlink_to(tmp_path)

    place = locate(context, path.format(outside=tmp_path / "outside.txt"))

    assert not place.inside
    assert place.path == tmp_path / "outside.txt"


def test_the_configurations_backups_are_guarded_like_itself(tmp_path: Path) -> None:
    paths = resolve_paths({"GARRA_HOME": str(tmp_path), "HOME": str(tmp_path)})

    guarded = settings_of(ToolsSection(), AgentToolsSection(), paths).guarded

    assert {backup(paths.config_file, number).resolve() for number in range(BACKUPS)} <= set(guarded)


@pytest.mark.parametrize(
    "name", ["OPENAI_KEY", "STRIPE_API_KEY", "GH_PAT", "MYSQL_PWD", "NPM_AUTH", "AWS_SECRET_ACCESS_KEY"]
)
def test_names_of_keys_are_known(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["PWD", "OLDPWD", "PATH", "SSH_AUTH_SOCK", "KEYBOARD", "HOME", "MONKEY", "LANG"])
def test_names_of_other_variables_are_left_alone(name: str) -> None:
    assert not is_secret(name)
