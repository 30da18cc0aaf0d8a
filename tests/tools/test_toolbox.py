"""The toolbox: every call has one result, and what the model carries is small and stable."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from garra.config.load import load_configuration
from garra.config.paths import resolve_paths
from garra.errors import ToolRefused
from garra.tools.approval import nobody
from garra.tools.base import Outcome, ToolContext
from garra.tools.toolbox import Toolbox, default_toolbox
from garra.wire.messages import ToolCall, ToolResult, ToolSpec

pytestmark = pytest.mark.anyio
Call = Callable[..., Awaitable[ToolResult]]


class Raising:
    """A tool that raises what it is given."""

    spec = ToolSpec("raising", "Raises.", {"type": "object", "properties": {"n": {"type": "integer"}}})
    carried = True

    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def run(self, args: dict[str, Any], ctx: ToolContext) -> Outcome:
        raise self.error


def configured(home: Path, text: str, session_key: str = "agent:main:main") -> Toolbox:
    (home / "garra.json").write_text(text)
    env = {"GARRA_HOME": str(home), "HOME": str(home)}
    configuration = load_configuration(resolve_paths(env), env)
    return default_toolbox(configuration, workspace=home / "workspace", session_key=session_key, approve=nobody)


def names(box: Toolbox) -> list[str]:
    return [spec.name for spec in box.specs()]


async def test_the_carried_tools_cost_little(box: Toolbox) -> None:
    tools = [{"type": "function", "function": msgspec.to_builtins(spec)} for spec in box.specs()]

    assert names(box) == ["edit", "exec", "find_tools", "read", "write"]
    assert len(msgspec.json.encode(tools)) < 1_800
    assert all("\n" not in spec.description for spec in box.specs())
    assert box.specs() == box.specs()


async def test_the_others_are_named_in_one_line_and_found_with_their_schema(box: Toolbox, call: Call) -> None:
    assert box.directory() == "More tools, found with find_tools: jobs"

    found = await call("find_tools", query="how do I stop a background process?")

    assert found.text.startswith("jobs: ")
    assert '"enum":["list","read","stop"]' in found.text
    assert (await call("find_tools", query="weather")).text == "No tool fits these words. There are: jobs."
    assert not (await call("jobs", action="list")).failed


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("raed", "{}", "Did you mean read?"),
        ("teleport", "{}", "There are: edit, exec, find_tools, jobs, read, write."),
        ("read", '{"path": "x"', "the arguments are not valid JSON"),
        ("read", "[1]", "should be a JSON object, got an array: [1]"),
        ("read", "", '"path" is missing (a string). Expected: read(path: string, offset?: integer, limit?: integer)'),
        ("read", '{"path": "x", "limt": 3}', 'unknown argument "limt" (did you mean "limit"?)'),
    ],
)
async def test_a_wrong_call_is_answered_in_one_line(box: Toolbox, name: str, arguments: str, told: str) -> None:
    result = await box.run(ToolCall("c9", name, arguments))

    assert (result.call_id, result.name, result.failed) == ("c9", name, True)
    assert told in result.text
    assert "\n" not in result.text


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ToolRefused("No, because."), "No, because."),
        (FileNotFoundError(2, "No such file or directory", "/x"), "raising: No such file or directory: /x"),
        (ZeroDivisionError("by zero"), "raising failed: ZeroDivisionError: by zero"),
    ],
)
async def test_what_a_tool_raises_is_its_result(context: ToolContext, error: Exception, told: str) -> None:
    result = await Toolbox([Raising(error)], context).run(ToolCall("1", "raising", ""))

    assert result == ToolResult("1", "raising", told, failed=True)


async def test_cancellation_passes_through(context: ToolContext) -> None:
    box = Toolbox([Raising(asyncio.CancelledError())], context)

    with pytest.raises(asyncio.CancelledError):
        await box.run(ToolCall("1", "raising", ""))


async def test_the_configuration_decides_which_tools_there_are(home: Path) -> None:
    assert names(configured(home, "{}")) == ["edit", "exec", "find_tools", "read", "write"]
    assert names(configured(home, '{tools: {allow: ["READ", "group:nothing"]}}')) == ["read"]
    assert names(configured(home, '{tools: {deny: ["process"]}}')) == ["edit", "exec", "read", "write"]
    assert names(configured(home, '{tools: {deny: ["find_tools"]}}')) == ["edit", "exec", "read", "write"]
    assert names(configured(home, '{tools: {profile: "messaging"}}')) == []


async def test_an_agents_own_settings_narrow_and_override(home: Path) -> None:
    text = '{agents: {entries: {a: {tools: {deny: ["write"], exec: {mode: "deny"}, fs: {workspaceOnly: true}}}}}}'

    other, own = configured(home, text, "agent:b:main"), configured(home, text, "agent:a:main")

    assert "write" in names(other)
    assert "write" not in names(own)
    assert other.context.settings.exec.mode == "ask"
    assert own.context.settings.exec.mode == "deny"
    assert own.context.settings.workspace_only


async def test_the_assistants_own_files_are_guarded_even_inside_the_workspace(home: Path) -> None:
    text = '{tools: {exec: {mode: "ask"}}}'
    (home / "garra.json").write_text(text)
    env = {"GARRA_HOME": str(home), "HOME": str(home)}
    configuration = load_configuration(resolve_paths(env), env)
    box = default_toolbox(configuration, workspace=home, session_key="agent:main:main", approve=nobody)

    calls = [
        ToolCall("1", "read", '{"path": "garra.json"}'),
        ToolCall("2", "write", '{"path": "garra.json", "content": "{}"}'),
        ToolCall("3", "edit", '{"path": "garra.json", "old": "ask", "new": "full"}'),
        ToolCall("4", "exec", '{"command": "cat garra.json"}'),
    ]

    assert all([(await box.run(call)).failed for call in calls])
    assert (home / "garra.json").read_text() == text
