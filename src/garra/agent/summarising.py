"""Asking a model for a summary: the request, what to do where it does not fit, and when to ask again.

The request is what the conversation sent last, cut off at some message, with one message behind it: the server's prefix
cache serves all but that. So the tools stay in it, though none may be called. Nothing is stored here, and nobody sees
the reply while it comes.
"""

from collections.abc import Sequence

import msgspec

from garra.agent import summary
from garra.agent.budget import SURE_SHARE, estimate_tokens, text_tokens
from garra.agent.calls.described import as_text
from garra.agent.cut import halfway
from garra.agent.quiet import quiet_reply
from garra.agent.sending import in_form
from garra.agent.thresholds import reserve_tokens
from garra.agent.turn import Turn
from garra.errors import ContextOverflow
from garra.models.catalogue import Chosen
from garra.sessions.entries import Compacted, Entry, Head
from garra.sessions.transcript import NO_REPLY, history
from garra.wire.events import Reply, Usage
from garra.wire.messages import Assistant, Message, System, ToolSpec, User
from garra.wire.request import ChatRequest

LEAST_SUMMARY_TOKENS, MOST_SUMMARY_TOKENS = 128, 1_500
THINKING_TOKENS = 2_048
"""What a model that thinks gets on top, as far as there is room."""

SMALLER = ((None, None), (512, None), (128, None), (128, 256), (48, 96))
"""What results, and then all else, may take in a request that does not fit otherwise."""

MOST_HALVINGS = 3
OVERFLOWS = 3
NO_CONSTRAINTS = ("structured_outputs", "response_format", "stop", "n", "logprobs", "top_logprobs")


class Written(msgspec.Struct, frozen=True):
    """A summary, and who wrote it; `model` is empty where no model did."""

    text: str
    model: str = ""
    usage: Usage | None = None


class Writer(msgspec.Struct, frozen=True):
    """Who writes the summary of a session, and for whom: `focus` is what the person asks in particular.

    `own`: it is the model of the conversation, which has the beginning of the request in its cache. `told` is added to
    the summary in any case.
    """

    turn: Turn
    chosen: Chosen
    prefix: Head
    focus: str = ""
    told: str = ""
    own: bool = True

    def limit_tokens(self, head: Sequence[Message]) -> int:
        """How long the summary of this may be: a third of it at most."""
        third = estimate_tokens(head, ()) // 3
        return min(summary_limit(self.turn.chosen.window), max(LEAST_SUMMARY_TOKENS, third))

    @property
    def attempts(self) -> int:
        """How often it is asked for."""
        settings = self.turn.compaction
        checked = settings.mode == "safeguard" and settings.quality_guard.enabled
        return 1 + (settings.quality_guard.max_retries if checked else 0)


def summary_limit(window: int | None) -> int:
    """The most that a summary may take, in tokens."""
    return MOST_SUMMARY_TOKENS if window is None else max(64, min(MOST_SUMMARY_TOKENS, reserve_tokens(window) // 2))


async def write(writer: Writer, entries: Sequence[Entry], until: int, *, halvings: int = MOST_HALVINGS) -> Written:
    """A summary of all that is sent of the entries before `until`; its text is empty where the model gave none."""
    for _ in range(OVERFLOWS):
        try:
            written = await _at_once(writer, entries, until)
        except ContextOverflow as refused:
            writer = _narrower(writer, refused, history(entries, until=until))
        else:
            if written is not None:
                return written
            break
    middle = halfway(entries, until) if halvings else None
    if middle is None:
        return Written("")
    first = await write(writer, entries, middle, halvings=halvings - 1)
    text = first.text or _without_model(writer, history(entries, until=middle))
    last = entries[-1]
    between = Entry(last.session_id, last.seq + 1, last.at, Compacted(text, middle))
    return await write(writer, (*entries, between), until, halvings=halvings - 1)


async def _at_once(writer: Writer, entries: Sequence[Entry], until: int) -> Written | None:
    """The summary by one request, and more of them while it is not good enough; None where none fits."""
    head = history(entries, until=until)
    wanted = _wanted(writer, head)
    best, lost, shorter = Written(""), wanted, False
    for attempt in range(writer.attempts):
        words = writer.limit_tokens(head) // 2
        asked = summary.instruction(words, focus=writer.focus, wanted=lost if attempt else (), shorter=shorter)
        found = await _fitting(writer, head, asked)
        if found is None:
            return best if best.text else None
        messages, room = found
        reply = await _reply(writer, messages, room)
        text = summary.cleaned(reply.text)
        left = summary.missing(text, wanted)
        if text and (not best.text or len(left) <= len(lost)):
            best, lost = Written(text, str(writer.chosen.ref), reply.usage), left
        shorter = reply.finish_reason == "length" or text_tokens(text) >= estimate_tokens(head, ())
        if (text and not left and not shorter) or reply.finish_reason is None:
            break  # it is good, or took all the time there is
    return msgspec.structs.replace(best, text=summary.with_list(best.text, lost)) if best.text else best


def _wanted(writer: Writer, head: Sequence[Message]) -> tuple[str, ...]:
    """What the summary must name."""
    strict = writer.turn.compaction.identifier_policy == "strict"
    return summary.missing(writer.told, summary.identifiers(head)) if strict else ()


async def _fitting(writer: Writer, head: Sequence[Message], asked: str) -> tuple[list[Message], int] | None:
    """The messages, shortened as far as they must be, and the room for the reply; None where no shortening helps."""
    window, limit = writer.chosen.window, writer.limit_tokens(head)
    wanted = limit + (THINKING_TOKENS if _thinks(writer.chosen) else 0)
    for results, others in SMALLER:
        messages = _messages(writer, [summary.smaller(message, results, others) for message in head], asked)
        if window is None:
            return messages, wanted
        tokens = estimate_tokens(messages, _tools(writer))
        if tokens + wanted > window * SURE_SHARE:
            counted = await writer.turn.models.count_tokens(writer.chosen, messages, _tools(writer))
            tokens = tokens if counted is None else counted
        if window - tokens >= limit // 2:
            return messages, min(wanted, window - tokens)
    return None


def _without_model(writer: Writer, head: Sequence[Message]) -> str:
    return summary.mechanical(head, writer.limit_tokens(head))


def _messages(writer: Writer, head: Sequence[Message], asked: str) -> list[Message]:
    """The conversation as it was sent, and the instruction: in the form of its prefix, or without tools for others."""
    pause = [] if head and isinstance(head[-1], Assistant) else [NO_REPLY]
    messages: list[Message] = [System(writer.prefix.system), *head, *pause, User(asked)]
    return in_form(writer.prefix, messages) if writer.own else as_text(messages)


def _tools(writer: Writer) -> tuple[ToolSpec, ...]:
    return writer.prefix.tools if writer.own else ()


async def _reply(writer: Writer, messages: Sequence[Message], limit: int) -> Reply:
    """One reply of the model that writes."""
    chosen = writer.chosen
    params = {name: value for name, value in chosen.params.items() if name not in NO_CONSTRAINTS}
    request = ChatRequest(
        chosen.ref.id, tuple(messages), tools=_tools(writer), tool_choice="none", max_tokens=limit, params=params
    )
    return await quiet_reply(writer.turn, chosen, request, limit_s=writer.turn.compaction.timeout_seconds)


def _thinks(chosen: Chosen) -> bool:
    return chosen.reasoning or chosen.thinking.always or chosen.thinking.level not in ("", "off")


def _narrower(writer: Writer, refused: ContextOverflow, head: Sequence[Message]) -> Writer:
    """The same writer with the window that the server's refusal tells of, or one that is surely smaller."""
    tokens = estimate_tokens([System(writer.prefix.system), *head], _tools(writer))
    known = [size for size in (writer.chosen.window, refused.limit) if size]
    window = min(known, default=tokens)
    if window == writer.chosen.window:  # it counts otherwise than we do
        window = int(min(window, tokens) * 0.75)
    return msgspec.structs.replace(writer, chosen=msgspec.structs.replace(writer.chosen, window=window))
