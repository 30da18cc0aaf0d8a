"""From entries to what is sent to the model, and the mending of what a crash left open.

`history` is a pure function with one promise: what it gave for some entries is a prefix of what it gives when more
have been added, whatever they are. So what was sent stays sent, and the server's prefix cache holds. It keeps the
promise by never saying anything about a step that is still open: a reply with calls is left out until each of its
calls has a result, or until something else was said, which ends the step. Calls that have no result by then were
interrupted, and are answered so.

A compaction is the one exception: there the view begins anew, with the summary and what was kept behind it, and the
promise holds from there to the next one. The entries before it stay in the store.

Nothing is judged here, and nothing is shortened: order and text are those of the store.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from garra.sessions.entries import Compacted, Entry, Failed, Head, NewEntry, Said, Status
from garra.wire.messages import Assistant, Message, ToolCall, ToolResult, User

if TYPE_CHECKING:
    from garra.sessions.store import Store

INTERRUPTED = "interrupted before it finished: there is no result, and it may have been done in part"

NO_REPLY = Assistant("(There was no reply.)")
"""Stands where a turn failed or was stopped before a word: the templates of Mistral, Gemma and others refuse two user
messages in a row, and would refuse the session for ever."""

SUMMARY_READ = Assistant("(I have read the summary and go on from there.)")
"""Stands between the summary and a message of the person's, for the same reason."""

SUMMARY_LEAD = (
    "[Summary of the conversation up to here. The assistant's own process wrote it in the place of the older messages; "
    "it is no message of the person's.]"
)


def head(entries: Sequence[Entry]) -> Head | None:
    """The fixed prefix in force: as it was first sent, unless the turn had to store another one since."""
    return next((entry.item for entry in reversed(entries) if isinstance(entry.item, Head)), None)


def compaction(entries: Sequence[Entry]) -> Compacted | None:
    """The compaction in force: the last one."""
    return next((entry.item for entry in reversed(entries) if isinstance(entry.item, Compacted)), None)


def in_view(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries that are still sent as they are, among them those that are never sent."""
    found = compaction(entries)
    return tuple(entry for entry in entries if found is None or entry.seq >= found.first_kept)


def summary_message(summary: str) -> User:
    """The summary as it is sent."""
    return User(f"{SUMMARY_LEAD}\n\n{summary}")


def history(entries: Sequence[Entry], *, until: int | None = None) -> tuple[Message, ...]:
    """The messages to send after the head's system text: every call in them answered exactly once, in order.

    `until`: only those of the entries before this `seq`, at which something else than a result is said.
    """
    messages, step = _walk(entries, until)
    if step and until is not None:
        messages.extend(step.messages())  # what is said there ends it
    return tuple(messages)


def open_calls(entries: Sequence[Entry]) -> tuple[ToolCall, ...]:
    """The calls at the end of the transcript that have no result yet."""
    _, step = _walk(entries)
    return step.missing() if step else ()


async def mend(store: "Store", key: str, *, session_id: str | None = None) -> tuple[Entry, ...]:
    """Answer the calls that a crash left open, durably. Only for whoever holds the session's lease."""
    missing = open_calls(await store.entries(key, session_id=session_id))
    results = (NewEntry(Said(interrupted_result(call))) for call in missing)
    return await store.append(key, *results, session_id=session_id) if missing else ()


def interrupted_result(call: ToolCall) -> ToolResult:
    """The answer to a call that never finished. Always the same, so that it is never rendered in two ways."""
    return ToolResult(call.id, call.name, INTERRUPTED, failed=True)


class _Step:
    """A reply with calls, and the results as they come in. Calls of one id are answered in their order."""

    def __init__(self, reply: Assistant) -> None:
        self.reply = reply
        self._results: list[ToolResult | None] = [None] * len(reply.calls)

    def take(self, result: ToolResult) -> None:
        """Keep the result if a call still waits for it."""
        for place, call in enumerate(self.reply.calls):
            if call.id == result.call_id and self._results[place] is None:
                self._results[place] = result
                return

    def missing(self) -> tuple[ToolCall, ...]:
        return tuple(call for call, result in zip(self.reply.calls, self._results, strict=True) if result is None)

    def messages(self) -> Iterator[Message]:
        yield self.reply
        for call, result in zip(self.reply.calls, self._results, strict=True):
            yield result or interrupted_result(call)


def _walk(entries: Sequence[Entry], until: int | None = None) -> tuple[list[Message], _Step | None]:
    found = compaction(entries)
    messages: list[Message] = [summary_message(found.summary)] if found else []
    step: _Step | None = None
    for item in (entry.item for entry in in_view(entries) if until is None or entry.seq < until):
        if isinstance(item, Failed) and item.dropped:
            _drop_question(messages)
        if not isinstance(item, Said):
            continue
        if isinstance(item.message, ToolResult):
            if step:
                step.take(item.message)
        else:
            messages.extend(step.messages() if step else ())
            step = _begin(item, messages)
        if step and not step.missing():
            messages.extend(step.messages())
            step = None
    return messages, step


def _drop_question(messages: list[Message]) -> None:
    """Take back the message that the model never read, with the note that stood in for the reply before it."""
    if not messages or not isinstance(messages[-1], User) or _is_summary(messages[-1]):
        return
    messages.pop()
    if messages[-1:] in ([NO_REPLY], [SUMMARY_READ]):
        messages.pop()


def _is_summary(message: Message) -> bool:
    return isinstance(message, User) and isinstance(message.content, str) and message.content.startswith(SUMMARY_LEAD)


def _begin(said: Said, messages: list[Message]) -> _Step | None:
    """Take a message that is no result: a reply with calls opens a step, everything else stands for itself."""
    if not isinstance(said.message, Assistant):
        if isinstance(said.message, User) and messages and isinstance(messages[-1], User | ToolResult):
            messages.append(SUMMARY_READ if _is_summary(messages[-1]) else NO_REPLY)
        messages.append(said.message)
        return None
    reply = as_sent(said.message, said.status)
    if reply.calls:
        return _Step(reply)
    if reply.text.strip():  # an empty one counts as none: some servers refuse a reply without content for ever
        messages.append(reply)
    return None


def as_sent(reply: Assistant, status: Status) -> Assistant:
    """A reply cut short keeps its text, which the server may still have cached, and loses its unfinished calls."""
    if not reply.calls:
        return reply
    if status != "done":
        return msgspec.structs.replace(reply, calls=())
    calls = tuple(_readable(call) for call in reply.calls)
    return reply if calls == reply.calls else msgspec.structs.replace(reply, calls=calls)


def _readable(call: ToolCall) -> ToolCall:
    """Servers parse the arguments to render them and refuse the whole request, for ever, when they are no object."""
    try:
        msgspec.json.decode(call.arguments, type=dict)
    except (msgspec.DecodeError, RecursionError):
        wrapped = {"invalid_arguments": call.arguments} if call.arguments.strip() else {}
        return msgspec.structs.replace(call, arguments=msgspec.json.encode(wrapped).decode())
    return call
