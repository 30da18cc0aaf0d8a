"""A workspace, and a toolbox over it in which everything is allowed; closed when the test is over."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from garra.config.schema_tools import AgentToolsSection, ToolsSection
from garra.tools.approval import nobody
from garra.tools.base import ToolContext
from garra.tools.default import chosen_tools
from garra.tools.jobs import Jobs
from garra.tools.settings import ExecSettings, ToolSettings
from garra.tools.toolbox import Toolbox
from garra.wire.messages import ToolCall, ToolResult


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def context(workspace: Path) -> ToolContext:
    settings = ToolSettings(exec=ExecSettings(mode="full"))
    return ToolContext(workspace, "agent:main:main", nobody, Jobs(), dict(os.environ), settings)


@pytest.fixture
async def box(context: ToolContext) -> AsyncIterator[Toolbox]:
    toolbox = Toolbox(chosen_tools(ToolsSection(), AgentToolsSection()), context)
    yield toolbox
    await toolbox.close()


@pytest.fixture
def call(box: Toolbox) -> Callable[..., Awaitable[ToolResult]]:
    """Call a tool by name with its arguments."""

    def run(name: str, **arguments: object) -> Awaitable[ToolResult]:
        return box.run(ToolCall("call_1", name, msgspec.json.encode(arguments).decode()))

    return run
