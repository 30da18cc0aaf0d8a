"""Compaction: the older turns of a conversation become a summary, so that it goes on in the model's window.

The transcript keeps everything; what is stored is one `Compacted`, and only the view changes with it. A failure and a
cancellation store nothing. When to compact is for the turn to decide (`thresholds`), where is `cut`'s, and what a
summary must hold is `summary`'s.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing

import msgspec

from garra.agent import summary
from garra.agent.budget import LEAST_SHARE, estimate_tokens, text_tokens, used_tokens
from garra.agent.candidates import Candidates
from garra.agent.cut import Cut, Room, find_cut
from garra.agent.events import Notice, TurnEvent
from garra.agent.holding import hold_session
from garra.agent.summarising import Writer, Written, summary_limit, write
from garra.agent.thresholds import compact_at
from garra.agent.turn import Turn, stored_prefix
from garra.config.schema_compaction import CompactionSettings
from garra.errors import (
    AuthRejected,
    GarraError,
    ModelError,
    ModelNotFound,
    ModelUnreachable,
    ServerBusy,
    StreamBroken,
)
from garra.models.catalogue import Chosen
from garra.models.thinking import with_thinking
from garra.sessions.entries import Compacted, Entry, Head, NewEntry, Said
from garra.sessions.keys import agent_of
from garra.sessions.transcript import history
from garra.wire.messages import System, User

__all__ = ["CompactionSettings", "can_compact", "compact_session", "summarise", "told"]

NOTHING = "Nothing to compact yet."
_AWAY = (ModelUnreachable, AuthRejected, ModelNotFound, ServerBusy)
"""The server is not there for the next request either: the turn ends with that, and nothing is given up for it."""


async def summarise(
    turn: Turn, entries: Sequence[Entry], prefix: Head, *, instructions: str = "", used: int
) -> Compacted | None:
    """The compaction of a conversation that takes `used` tokens, to be stored; None where nothing can be gained.

    For a turn that cannot go on without: where the model gives no summary, one is put together without it. Raises
    `ModelError` where the server is away.
    """
    cut = find_cut(entries, _room(turn, entries, prefix, used))
    if cut is None:
        return None
    try:
        written = await _written(turn, entries, prefix, cut, instructions)
    except _AWAY:
        raise
    except ModelError:
        written = Written("")
    if not written.text:
        limit = summary_limit(turn.chosen.window)
        text = summary.mechanical(cut.head, limit)
        written = Written(summary.with_list(text, summary.missing(text, summary.identifiers(cut.head))))
    return _compacted(turn, cut, written, used)


def can_compact(turn: Turn, entries: Sequence[Entry], prefix: Head, *, used: int) -> bool:
    """Whether there is anything to summarise that helps: what `summarise` finds out before it asks the model."""
    return not _is_hopeless(turn, entries, prefix) and find_cut(entries, _room(turn, entries, prefix, used)) is not None


def _is_hopeless(turn: Turn, entries: Sequence[Entry], prefix: Head) -> bool:
    """Whether the message that waits for its reply fits by no means: all that was said before would go for nothing."""
    said = next((entry.item.message for entry in reversed(entries) if isinstance(entry.item, Said)), None)
    if turn.chosen.window is None or not isinstance(said, User):
        return False
    surely = estimate_tokens([System(prefix.system), said], prefix.tools) * LEAST_SHARE
    return surely > turn.chosen.window


async def compact_session(turn: Turn, instructions: str = "") -> AsyncGenerator[TurnEvent]:
    """Compact a session because the person wants it. Close the generator to cancel: the session is then as it was."""
    async with AsyncExitStack() as stack:
        async with aclosing(hold_session(turn, stack)) as waiting:
            async for notice in waiting:
                yield notice
        entries = await turn.store.entries(turn.key)
        turn = msgspec.structs.replace(turn, chosen=Candidates(turn, entries).chosen)
        prefix = stored_prefix(entries, await turn.models.capabilities(turn.chosen)) if entries else None
        used = used_tokens(entries, prefix, str(turn.chosen.ref)) if prefix else 0
        cut = find_cut(entries, _room(turn, entries, prefix, used)) if prefix else None
        if prefix is None or cut is None:
            yield Notice(NOTHING)
            return
        yield Notice(f"Compacting {len(cut.head):,} messages …")
        done = await _by_model(turn, entries, prefix, cut, instructions, used)
        if done is None:
            yield Notice("Nothing was compacted: the summary would be longer than what it stands for.")
            return
        stored = await turn.store.append(turn.key, NewEntry(done), session_id=entries[-1].session_id)
        after = used_tokens((*entries, *stored), prefix, str(turn.chosen.ref))
        yield Notice(told(done, after))


def told(done: Compacted, after: int) -> str:
    """A compaction in a line, for the person. `after`: what the conversation takes now."""
    by = done.model or "without the model, which gave no summary"
    kept = f"a summary of {text_tokens(done.summary):,} by {by}" if done.model else f"a summary {by}"
    return f"Compacted: {done.tokens_before:,} -> about {after:,} tokens ({kept}; the transcript keeps everything)."


async def _by_model(
    turn: Turn, entries: Sequence[Entry], prefix: Head, cut: Cut, instructions: str, used: int
) -> Compacted | None:
    """The compaction by the model's own words, or an error with the way out: nobody is in need of a poor one."""
    try:
        written = await _written(turn, entries, prefix, cut, instructions)
    except ModelError as error:
        raise await turn.models.explain(error, turn.chosen) from None
    if not written.text:
        raise StreamBroken("The model gave no summary, and nothing was changed. Try /compact again, or another /model.")
    return _compacted(turn, cut, written, used)


async def _written(turn: Turn, entries: Sequence[Entry], prefix: Head, cut: Cut, focus: str) -> Written:
    """The summary by `compaction.model`, and where that gives none, by the model of the conversation."""
    settings, told = turn.compaction, summary.with_question("", cut.question, summary_limit(turn.chosen.window))
    if settings.model:
        try:
            other = await turn.models.choose(settings.model, agent_of(turn.key))
            own = other.ref == turn.chosen.ref
            writer = Writer(turn, _thinking(other, settings), prefix, focus, told, own=own)
            if (written := await write(writer, entries, cut.first_kept)).text:
                return written
        except GarraError:
            pass  # the model of the conversation is there in any case, and is asked next
    writer = Writer(turn, _thinking(turn.chosen, settings), prefix, focus, told)
    return await write(writer, entries, cut.first_kept)


def _thinking(chosen: Chosen, settings: CompactionSettings) -> Chosen:
    return chosen if settings.thinking_level == "inherit" else with_thinking(chosen, settings.thinking_level)


def _compacted(turn: Turn, cut: Cut, written: Written, used: int) -> Compacted | None:
    """The item to be stored; None where it would take no less than what it stands for."""
    limit = summary_limit(turn.chosen.window)
    text = summary.with_question(written.text, cut.question, limit)
    if text_tokens(text) >= estimate_tokens(cut.head, ()):
        return None
    return Compacted(text, cut.first_kept, used, written.model, written.usage)


def _room(turn: Turn, entries: Sequence[Entry], prefix: Head, used: int) -> Room:
    """What may stay: a third of the window, and less where the fixed prefix is large or little was said at all."""
    settings, window = turn.compaction, turn.chosen.window
    said = estimate_tokens(history(entries), ())
    most = max(settings.keep_recent_tokens, said)
    if window is not None:
        fixed = estimate_tokens([System(prefix.system)], prefix.tools)
        left = compact_at(window) - fixed - summary_limit(window)
        most = max(min(window // 3, left * 2 // 3), window // 8)  # the results of the last step, at least
    if window is None or used < compact_at(window):  # the person's wish, or a server that takes less than it says
        most = min(most, said // 2)
    return Room(min(settings.keep_recent_tokens, most), most, settings.recent_turns_preserve)
