"""The whole configuration, as typed values. The attribute tree is that of the file, in snake_case.

Every object is closed: a key that is neither a field nor in a section's `unused` is a fault. Defaults stand here and
nowhere else.
"""

from typing import Any, ClassVar, Literal

from msgspec import field

from garra.config.schema_compaction import AgentCompaction, CompactionSettings
from garra.config.schema_models import AuthSection, ModelsSection
from garra.config.schema_tools import AgentToolsSection, ToolsSection
from garra.config.section import Bag, NotNegative, Positive, Section, ShowReasoning, Thinking, names

_AGENT = (
    "agentRuntime contextInjection contextLimits contextPruning cwd embeddedAgent experimental "
    "fastModeDefault heartbeat humanDelay imageModel mediaModels memory memorySearch modelPolicy pdfModel "
    "runRetries sandbox skills startupContext subagents toolProgressDetail utilityModel "
    "verboseDefault voiceModel decisionModel"
)


class ModelChoice(Section, frozen=True):
    """A model and what is tried after it. `fallbacks` None: inherited."""

    unused: ClassVar[frozenset[str]] = names("timeoutMs overloadFallback")

    primary: str | None = None
    fallbacks: tuple[str, ...] | None = None


class ModelSettings(Section, frozen=True):
    """An alias and parameters for one model, by its reference; `provider/*` stands for all that is discovered."""

    unused: ClassVar[frozenset[str]] = names("agentRuntime pickerRuntimes codeMode streaming")

    alias: str | None = None
    params: Bag = field(default_factory=dict)


class AgentDefaults(Section, frozen=True):
    """What holds for every agent."""

    unused: ClassVar[frozenset[str]] = names(
        f"{_AGENT} blockStreamingBreak blockStreamingChunk blockStreamingCoalesce blockStreamingDefault "
        "bootstrapPromptTruncationWarning cliBackends elevatedDefault envelopeElapsed envelopeTimestamp "
        "envelopeTimezone imageGenerationModel imageMaxDimensionPx imageQuality maxConcurrent "
        "mediaGenerationAutoProviderFallback mediaMaxMb modelSelectionScope musicGenerationModel pdfMaxBytesMb "
        "pdfMaxMb pdfMaxPages promptOverlays repoRoot silentReply skipOptionalBootstrapFiles timeFormat "
        "typingIntervalSeconds typingMode userTimezone videoGenerationModel embeddedPi"
    )
    later: ClassVar[frozenset[str]] = names("skipBootstrap")

    model: str | ModelChoice | None = None
    models: dict[str, ModelSettings] = field(default_factory=dict)
    params: Bag = field(default_factory=dict)
    workspace: str | None = None
    skip_bootstrap: bool = False
    bootstrap_max_chars: Positive = 20_000
    bootstrap_total_max_chars: Positive = 60_000
    context_tokens: Positive | None = None
    thinking_default: Thinking | None = None
    reasoning_default: ShowReasoning | None = None
    timeout_seconds: NotNegative = 172_800
    max_steps: Positive = 50
    warmup: bool = False
    compaction: CompactionSettings = CompactionSettings()


class AgentEntry(Section, frozen=True):
    """What one agent has of its own. None, or empty: as in the defaults."""

    unused: ClassVar[frozenset[str]] = names(
        f"{_AGENT} agentDir groupChat identity runtime skillsLimits tts embeddedPi description"
    )
    later: ClassVar[frozenset[str]] = names("skipBootstrap")

    default: bool = False
    name: str | None = None
    workspace: str | None = None
    model: str | ModelChoice | None = None
    models: dict[str, ModelSettings] = field(default_factory=dict)
    params: Bag = field(default_factory=dict)
    skip_bootstrap: bool | None = None
    bootstrap_max_chars: Positive | None = None
    bootstrap_total_max_chars: Positive | None = None
    context_tokens: Positive | None = None
    thinking_default: Thinking | None = None
    reasoning_default: ShowReasoning | None = None
    timeout_seconds: NotNegative | None = None
    max_steps: Positive | None = None
    compaction: AgentCompaction = AgentCompaction()
    tools: AgentToolsSection = AgentToolsSection()


class AgentsSection(Section, frozen=True):
    """The assistants. The older `agents.list` is read into `entries`."""

    unused: ClassVar[frozenset[str]] = names("ownership")

    defaults: AgentDefaults = AgentDefaults()
    entries: dict[str, AgentEntry] = field(default_factory=dict)


class SessionReset(Section, frozen=True):
    """When a conversation starts anew by itself."""

    mode: Literal["none", "daily", "idle"] = "none"
    at_hour: NotNegative = 4
    idle_minutes: Positive | None = None


class SessionSection(Section, frozen=True):
    """How conversations are told apart and when they end."""

    unused: ClassVar[frozenset[str]] = names(
        "agentToAgent coldStorage identityLinks mainKey maintenance parentForkMaxTokens resetByChannel resetByType "
        "resetTriggers sendPolicy store threadBindings typingIntervalSeconds typingMode writeLock"
    )

    scope: Literal["per-sender", "global"] = "per-sender"
    dm_scope: Literal["main", "per-peer", "per-channel-peer", "per-account-channel-peer"] = "main"
    group_scope: Literal["per-group", "main"] = "per-group"
    reset: SessionReset = SessionReset()


class EnvSection(Section, frozen=True):
    """Variables that are used where the process environment lacks them."""

    unused: ClassVar[frozenset[str]] = names("shellEnv")

    vars: dict[str, str] = field(default_factory=dict)


class Config(Section, frozen=True):
    """The root of the file."""

    unused: ClassVar[frozenset[str]] = names(
        "wizard diagnostics logging update telemetry browser ui secrets accessGroups acp nodeHost worktreeRoot "
        "worktreeAcceleration security bindings broadcast attachments messages tts commands approvals cron "
        "transcripts hooks channels discovery talk gateway cloudWorkers desktop memory mcp skills plugins surfaces "
        "proxy media audio audit heartbeat web canvasHost"
    )
    later: ClassVar[frozenset[str]] = names("session")

    schema_: str | None = field(name="$schema", default=None)
    meta: dict[str, Any] = field(default_factory=dict)
    env: EnvSection = EnvSection()
    agents: AgentsSection = AgentsSection()
    models: ModelsSection = ModelsSection()
    auth: AuthSection = AuthSection()
    tools: ToolsSection = ToolsSection()
    session: SessionSection = SessionSection()
