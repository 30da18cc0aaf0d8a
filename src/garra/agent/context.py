"""Where the tokens of a conversation go: what the next request would hold, part by part.

The whole is counted by the server where it counts; the parts are estimates, scaled so that they add up to it. Nothing
is stored, and nothing is asked of the model.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from garra.agent.budget import estimate_tokens, text_tokens, used_tokens
from garra.agent.calls import described
from garra.agent.prompt import WORKSPACE_FILES
from garra.agent.sending import messages_of
from garra.agent.thresholds import compact_at
from garra.agent.turn import Turn, make_prefix, stored_prefix
from garra.models.catalogue import Capabilities
from garra.sessions.entries import Compacted, Entry, Head, Said
from garra.wire.messages import Assistant, Message, System, ToolResult, User

_FILE = re.compile(rf"^# ({'|'.join(re.escape(name) for name in WORKSPACE_FILES)})$", re.MULTILINE)
_LEFT_OUT = re.compile(r"^\[… ([\d,]+) characters of (\S+) left out …\]$", re.MULTILINE)


class Part(msgspec.Struct, frozen=True):
    """One part of the request, in tokens."""

    name: str
    tokens: int


class ContextReport(msgspec.Struct, frozen=True):
    """What the next request of a session would hold. `counted`: the server gave the total, else it is estimated.

    `compacts_at` is the total from which on older turns are summarised; None where the window is not known.
    """

    model: str
    window: int | None
    total: int
    counted: bool
    compacts_at: int | None
    parts: tuple[Part, ...]
    cuts: tuple[str, ...] = ()


class PrefixShare(msgspec.Struct, frozen=True):
    """How much of a session's prompts the server had in its cache, as far as it told."""

    prompt_tokens: int
    cached_tokens: int
    requests: int

    @property
    def share(self) -> float:
        return self.cached_tokens / self.prompt_tokens if self.prompt_tokens else 0.0


async def context_report(turn: Turn, entries: Sequence[Entry], capabilities: Capabilities) -> ContextReport:
    """Where the tokens go. A session that nothing was said in yet is shown as its first request would begin."""
    prefix = stored_prefix(entries, capabilities) or make_prefix(turn, capabilities)[0]
    messages, window = messages_of(prefix, entries), turn.chosen.window
    counted = await turn.models.count_tokens(turn.chosen, messages, prefix.tools)
    estimate = (
        used_tokens(entries, prefix, str(turn.chosen.ref)) if entries else estimate_tokens(messages, prefix.tools)
    )
    total = estimate if counted is None else counted
    return ContextReport(
        model=str(turn.chosen.ref),
        window=window,
        total=total,
        counted=counted is not None,
        compacts_at=compact_at(window) if window else None,
        parts=_scaled([part for part in _parts(prefix, messages, entries) if part.tokens], total),
        cuts=cuts(prefix),
    )


def cuts(prefix: Head) -> tuple[str, ...]:
    """A line for each workspace file that is not whole in the prompt."""
    return tuple(f"{name}: {missing} characters are left out" for missing, name in _LEFT_OUT.findall(prefix.system))


def prefix_share(entries: Sequence[Entry]) -> PrefixShare | None:
    """The share of the session's prompts that came from the server's cache; None where it never told.

    The first request of a session is left out: there was nothing of it that could have been cached.
    """
    usages = [entry.item.usage for entry in entries if isinstance(entry.item, Said) and entry.item.usage]
    told = [usage for usage in usages[1:] if usage.cached_tokens is not None]
    if not told:
        return None
    return PrefixShare(sum(u.prompt_tokens for u in told), sum(u.cached_tokens or 0 for u in told), len(told))


def _parts(prefix: Head, messages: Sequence[Message], entries: Sequence[Entry]) -> Iterator[Part]:
    yield from _system_parts(prefix.system)
    yield Part("tools", estimate_tokens([], prefix.tools))
    said = [message for message in messages if not isinstance(message, System)]
    if any(isinstance(entry.item, Compacted) for entry in entries) and said:
        yield Part("summary of older turns", estimate_tokens(said[:1], ()))
        said = said[1:]
    results = [m for m in said if isinstance(m, ToolResult) or _is_described_result(m)]
    yield Part("your messages", estimate_tokens([m for m in said if isinstance(m, User) and m not in results], ()))
    yield Part("replies and calls", estimate_tokens([m for m in said if isinstance(m, Assistant)], ()))
    yield Part("tool results", estimate_tokens(results, ()))


def _is_described_result(message: Message) -> bool:
    """Whether it is the results of a step, where they are sent as text."""
    return isinstance(message, User) and isinstance(message.content, str) and message.content.startswith("<tool_resp")


def _system_parts(system: str) -> Iterator[Part]:
    own, *files = re.split(_FILE, system)
    lead = described.lead_of(own)
    before, _, tools = own.partition(lead) if lead else (own, "", "")
    yield Part("system prompt", text_tokens(before))
    yield Part("tools, described", text_tokens(lead + tools))
    for name, text in zip(files[::2], files[1::2], strict=True):
        yield Part(name, text_tokens(text))


def _scaled(parts: list[Part], total: int) -> tuple[Part, ...]:
    """The parts in proportion, adding up to the total."""
    estimate, scaled, left = sum(part.tokens for part in parts), [], total
    for part in parts:
        share = round(left * part.tokens / estimate) if estimate else 0
        scaled.append(Part(part.name, share))
        estimate, left = estimate - part.tokens, left - share
    return tuple(scaled)
