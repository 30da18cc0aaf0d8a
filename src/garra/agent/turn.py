"""What one turn works with, and the session's fixed prefix: made once, stored, and sent the same way ever after."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from garra.agent.calls import described
from garra.agent.calls.neutral import neutral
from garra.agent.prompt import Limits, Prompt, build_prompt
from garra.config.schema_compaction import CompactionSettings
from garra.models.catalogue import Capabilities, Chosen
from garra.models.models import Models
from garra.sessions.store import Entry, Head, Store
from garra.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from garra.wire.http import Http


class Turn(msgspec.Struct, frozen=True):
    """Everything a turn needs, made by whoever starts it; the turn closes none of it.

    `timeout_s` 0 means no limit, as `agents.defaults.timeoutSeconds` does in OpenClaw.
    """

    store: Store
    models: Models
    http: "Http"
    chosen: Chosen
    toolbox: Toolbox
    key: str
    workspace: Path
    state: Path
    limits: Limits = Limits()
    max_steps: int = 50
    timeout_s: float = 0
    retries: bool = True
    """Whether what passes by itself is asked again after a pause; without, the next one is asked, or the turn ends."""
    compaction: CompactionSettings = CompactionSettings()
    thinking: str | None = None
    """The level that the person chose for this session; None: the model's default."""
    fallbacks: tuple[str, ...] = ()
    """Who answers when the model cannot, in this order. Empty where the person pinned the model."""
    notices: tuple[str, ...] = ()
    """What the person should know before anything is asked."""


def is_described(prefix: Head) -> bool:
    """Whether the session's tools stand in its system prompt instead of in `tools`."""
    return not prefix.tools and bool(described.lead_of(prefix.system))


def stored_prefix(entries: Sequence[Entry], capabilities: Capabilities | None) -> Head | None:
    """The prefix to send to this server: the last one that was sent to one like it, so that its cache serves again.

    A server that refuses `tools` gets none that has them. One that takes them gets one that has them where there is
    one; it can do without.
    """
    heads = [entry.item for entry in reversed(entries) if isinstance(entry.item, Head)]
    word = capabilities.tools if capabilities else "unknown"
    if capabilities and word == "refused":
        return next((head for head in heads if not head.tools and _is_told_as(head, capabilities)), None)
    last = next(iter(heads), None)
    return next((head for head in heads if head.tools), last) if word == "native" else last


def _is_told_as(prefix: Head, capabilities: Capabilities) -> bool:
    """Whether its description, if it has one, is for a model that calls as this one does."""
    lead = described.lead_of(prefix.system)
    return not lead or (lead == described.CHOOSING_LEAD) == capabilities.chooses_first


def make_prefix(turn: Turn, capabilities: Capabilities) -> tuple[Head, Prompt]:
    """The prefix for a new session on this model, and the prompt it was made from (for its notices)."""
    specs = turn.toolbox.specs()
    native = capabilities.tools != "refused"
    prompt = build_prompt(
        turn.workspace,
        turn.limits.within(turn.chosen.window),
        directory=turn.toolbox.directory(),
        extra="" if native or not specs else described.description(specs, choosing=capabilities.chooses_first),
        quote=neutral,
    )
    return Head(prompt.text, specs if native else (), str(turn.chosen.ref)), prompt


def new_prefix(turn: Turn, entries: Sequence[Entry], capabilities: Capabilities) -> tuple[list[Head], Prompt | None]:
    """The prefix to store first where the session has none, or none that this server takes; else nothing."""
    if stored_prefix(entries, capabilities) is not None:
        return [], None
    prefix, prompt = make_prefix(turn, capabilities)
    return [prefix], prompt
