"""The request of the next step: the session's fixed prefix, its history, and the room that is left for a reply.

Built from what is stored and from nothing else, so that the request of one step is the beginning of the next one's.
"""

from collections.abc import Sequence
from typing import Any

from garra.agent.budget import estimate_tokens, reply_limit, used_tokens
from garra.agent.calls.described import as_text, constraint
from garra.agent.calls.neutral import neutral_results
from garra.agent.record import Record
from garra.agent.turn import Turn, is_described
from garra.models.catalogue import Capabilities
from garra.sessions.entries import Entry, Head
from garra.sessions.transcript import history
from garra.wire.messages import Message, System, User
from garra.wire.request import ChatRequest


def messages_of(prefix: Head, entries: Sequence[Entry]) -> list[Message]:
    """What is sent: the same values, and so the same bytes, each time."""
    return in_form(prefix, [System(prefix.system), *history(entries)])


def in_form(prefix: Head, messages: Sequence[Message]) -> list[Message]:
    """Messages as a session with this prefix sends them."""
    return as_text(messages) if is_described(prefix) else neutral_results(messages)


async def next_request(turn: Turn, record: Record, capabilities: Capabilities) -> ChatRequest:
    """The request for the next reply. Raises `ContextOverflow` where no useful reply has room."""
    prefix, chosen = record.prefix(capabilities), turn.chosen
    messages = messages_of(prefix, record.entries)
    limit = await reply_limit(
        used_tokens(record.entries, prefix, str(chosen.ref)),
        chosen.window,
        chosen.max_tokens,
        lambda: turn.models.count_tokens(chosen, messages, prefix.tools),
        fixed=estimate_tokens(messages[:1], prefix.tools),
        newest=estimate_tokens(messages[-1:], ()) if isinstance(messages[-1], User) else 0,
    )
    params = chosen.params | _constraint(turn, prefix, capabilities)
    return ChatRequest(chosen.ref.id, tuple(messages), tools=prefix.tools, max_tokens=limit, params=params)


def _constraint(turn: Turn, prefix: Head, capabilities: Capabilities) -> dict[str, Any]:
    """What holds a call to its schema, where the tools are described and the server can be held to anything. What the
    person put there stays."""
    if not is_described(prefix) or not capabilities.holds_calls or "structured_outputs" in turn.chosen.params:
        return {}
    return constraint(turn.toolbox.callable_specs())
