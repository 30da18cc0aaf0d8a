"""The `compaction` sections: when older turns of a conversation become a summary, and how."""

from typing import Annotated, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import Meta

from garra.config.section import NotNegative, Positive, Section, Thinking, names

_UNUSED = names("provider midTurnPrecheck maxActiveTranscriptBytes postIndexSync postCompactionSections memoryFlush")

Level: TypeAlias = Literal[Thinking, "inherit"]
Turns: TypeAlias = Annotated[int, Meta(ge=0, le=12)]
Retries: TypeAlias = Annotated[int, Meta(ge=0, le=3)]


class QualityGuard(Section, frozen=True):
    """Whether a summary that lost something is asked for again, and how often."""

    enabled: bool = True
    max_retries: Retries = 1


class CompactionSettings(Section, frozen=True):
    """What holds for every agent. `enabled` is about the threshold: `/compact` and an overflow compact in any case."""

    unused: ClassVar[frozenset[str]] = _UNUSED

    enabled: bool = True
    mode: Literal["safeguard", "default"] = "safeguard"
    keep_recent_tokens: NotNegative = 20_000
    recent_turns_preserve: Turns = 3
    identifier_policy: Literal["strict", "off"] = "strict"
    quality_guard: QualityGuard = QualityGuard()
    model: str | None = None
    thinking_level: Level = "inherit"
    timeout_seconds: Positive = 180
    notify_user: bool = False

    def over(self, own: "AgentCompaction") -> "CompactionSettings":
        """These settings with what one agent has of its own."""
        said = {name: value for name in own.__struct_fields__ if (value := getattr(own, name)) is not None}
        return msgspec.structs.replace(self, **said)


class AgentCompaction(Section, frozen=True):
    """What one agent has of its own. None: as in the defaults."""

    unused: ClassVar[frozenset[str]] = _UNUSED

    enabled: bool | None = None
    mode: Literal["safeguard", "default"] | None = None
    keep_recent_tokens: NotNegative | None = None
    recent_turns_preserve: Turns | None = None
    identifier_policy: Literal["strict", "off"] | None = None
    quality_guard: QualityGuard | None = None
    model: str | None = None
    thinking_level: Level | None = None
    timeout_seconds: Positive | None = None
    notify_user: bool | None = None
