"""Which tools a session gets, and with which settings, as the configuration says."""

from typing import TYPE_CHECKING

from garra.tools.base import Tool
from garra.tools.edit_tool import Edit
from garra.tools.exec_tool import Exec
from garra.tools.find_tools import FindTools
from garra.tools.jobs_tool import JobsTool
from garra.tools.policy import offered
from garra.tools.read_tool import Read
from garra.tools.settings import ExecSettings, ToolSettings
from garra.tools.write_tool import Write

if TYPE_CHECKING:
    from garra.config.paths import Paths
    from garra.config.schema_tools import AgentToolsSection, ToolsSection

_BACKUP_SUFFIXES = ("", ".1", ".2", ".3", ".4")
"""What `garra config set` keeps of the configuration before (`config.edit`): it holds the same keys."""


def chosen_tools(section: "ToolsSection", own: "AgentToolsSection") -> list[Tool]:
    """The tools that policy leaves. `find_tools` is there when there is something to find, unless it is denied."""
    tools: list[Tool] = [Read(), Write(), Edit(), Exec(), JobsTool()]
    deny = (*section.deny, *own.deny)
    names = offered(
        (tool.spec.name for tool in tools),
        profile=own.profile or section.profile,
        allow=section.allow,
        also_allow=(*section.also_allow, *own.also_allow),
        deny=deny,
    )
    names = offered(names, allow=own.allow)
    left = [tool for tool in tools if tool.spec.name in names]
    found = [tool.spec for tool in left if not tool.carried]
    if found and offered([FindTools.spec.name], deny=deny):
        left.append(FindTools(found))
    return left


def settings_of(section: "ToolsSection", own: "AgentToolsSection", paths: "Paths") -> ToolSettings:
    """What the tools need of the configuration. An agent's own settings for commands go before the shared ones."""
    from garra.config.schema_tools import AgentExecSettings

    shared, agent = section.exec, own.exec or AgentExecSettings()
    safe_bins = shared.safe_bins if agent.safe_bins is None else agent.safe_bins
    beside = (paths.home, paths.config_file.parent)
    backups = (paths.config_file.with_name(f"{paths.config_file.name}.bak{suffix}") for suffix in _BACKUP_SUFFIXES)
    guarded = (
        paths.config_file,
        *backups,
        paths.auth_file,
        paths.approvals_file,
        *(folder / ".env" for folder in beside),
    )
    return ToolSettings(
        exec=ExecSettings(
            mode=agent.mode or shared.mode,
            timeout_s=agent.timeout_seconds or shared.timeout_seconds,
            safe_bins=safe_bins or ExecSettings().safe_bins,
            path_prepend=shared.path_prepend if agent.path_prepend is None else agent.path_prepend,
        ),
        workspace_only=section.fs.workspace_only or (own.fs is not None and own.fs.workspace_only),
        approvals_file=paths.approvals_file,
        guarded=tuple(path.resolve() for path in guarded),
    )
