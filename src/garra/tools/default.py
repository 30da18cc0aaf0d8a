"""The toolbox that a session gets, as the configuration says."""

from pathlib import Path
from typing import TYPE_CHECKING

from garra.tools.base import Approver, Tool, ToolContext
from garra.tools.edit_tool import Edit
from garra.tools.exec_tool import Exec
from garra.tools.find_tools import FindTools
from garra.tools.jobs import Jobs
from garra.tools.jobs_tool import JobsTool
from garra.tools.policy import offered
from garra.tools.read_tool import Read
from garra.tools.settings import ExecSettings, ToolSettings
from garra.tools.toolbox import Toolbox
from garra.tools.write_tool import Write

if TYPE_CHECKING:
    from garra.config.load import Configuration
    from garra.config.paths import Paths
    from garra.config.schema_tools import ToolsSection


def default_toolbox(configuration: "Configuration", *, workspace: Path, session_key: str, approve: Approver) -> Toolbox:
    """Garra's own tools, those that policy leaves."""
    section = configuration.config.tools
    context = ToolContext(
        workspace=workspace,
        session_key=session_key,
        approve=approve,
        jobs=Jobs(),
        env=configuration.env,
        settings=settings_of(section, configuration.paths),
    )
    return Toolbox(chosen_tools(section), context)


def chosen_tools(section: "ToolsSection") -> list[Tool]:
    """The tools that policy leaves. `find_tools` is there when there is something to find, unless it is denied."""
    tools: list[Tool] = [Read(), Write(), Edit(), Exec(), JobsTool()]
    names = offered(
        (tool.spec.name for tool in tools),
        profile=section.profile,
        allow=section.allow,
        also_allow=section.also_allow,
        deny=section.deny,
    )
    left = [tool for tool in tools if tool.spec.name in names]
    found = [tool.spec for tool in left if not tool.carried]
    if found and offered([FindTools.spec.name], deny=section.deny):
        left.append(FindTools(found))
    return left


def settings_of(section: "ToolsSection", paths: "Paths") -> ToolSettings:
    """What the tools need of the configuration."""
    commands = section.exec
    guarded = (paths.config_file, paths.auth_file, paths.approvals_file, paths.home / ".env")
    return ToolSettings(
        exec=ExecSettings(
            mode=commands.mode,
            timeout_s=commands.timeout_seconds,
            safe_bins=commands.safe_bins or ExecSettings().safe_bins,
            path_prepend=commands.path_prepend,
        ),
        workspace_only=section.fs.workspace_only,
        approvals_file=paths.approvals_file,
        guarded=tuple(path.resolve() for path in guarded),
    )
