"""The `tools` section: what the assistant may do, and what it must ask for."""

from typing import ClassVar, Literal

from garra.config.section import Positive, Section, names

_POLICY = "byProvider toolsBySender codeMode elevated loopDetection message sandbox"


class ExecSettings(Section, frozen=True):
    """Commands. `deny`: none; `allowlist`: only allowed ones; `ask`: ask for the others; `full`: all."""

    unused: ClassVar[frozenset[str]] = names(
        "host cleanupMs approvalRunningNoticeMs notifyOnExit notifyOnExitEmptySuccess strictInlineEval "
        "commandHighlighting safeBinTrustedDirs safeBinProfiles grantExpiryDays node reviewer applyPatch"
    )
    later: ClassVar[frozenset[str]] = names("backgroundMs")

    mode: Literal["deny", "allowlist", "ask", "auto", "full"] = "ask"
    timeout_seconds: Positive = 1800
    background_ms: Positive = 10_000
    path_prepend: tuple[str, ...] = ()
    safe_bins: tuple[str, ...] = ()


class AgentExecSettings(Section, frozen=True):
    """One agent's own settings for commands; None: as in `tools.exec`."""

    unused: ClassVar[frozenset[str]] = ExecSettings.unused
    later: ClassVar[frozenset[str]] = ExecSettings.later

    mode: Literal["deny", "allowlist", "ask", "auto", "full"] | None = None
    timeout_seconds: Positive | None = None
    background_ms: Positive | None = None
    path_prepend: tuple[str, ...] | None = None
    safe_bins: tuple[str, ...] | None = None


class FsSettings(Section, frozen=True):
    """Files. `workspaceOnly`: nothing outside the workspace, not even when asked."""

    workspace_only: bool = False


class ToolPolicy(Section, frozen=True):
    """Which tools are offered. `deny` wins; `allow` and `alsoAllow` exclude each other."""

    profile: Literal["minimal", "coding", "messaging", "full"] | None = None
    allow: tuple[str, ...] = ()
    also_allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class ToolsSection(ToolPolicy, frozen=True):
    """The tools of every agent."""

    unused: ClassVar[frozenset[str]] = names(
        f"{_POLICY} agentToAgent experimental links media sessions sessions_spawn subagents swarm toolSearch "
        "updatePlan web"
    )

    exec: ExecSettings = ExecSettings()
    fs: FsSettings = FsSettings()


class AgentToolsSection(ToolPolicy, frozen=True):
    """The tools of one agent; they narrow what the `tools` section says."""

    unused: ClassVar[frozenset[str]] = names(_POLICY)

    exec: AgentExecSettings | None = None
    fs: FsSettings | None = None
