"""Asking a weak model to choose between a call and an answer before it replies.

A small model to which tools are described often never begins a call by itself, so that what holds calls to their
schemas never comes to bear. Such a model is asked twice: the same messages first with a constraint that leaves two
words, `<tool_call>` or `<answer>`, then again for the reply, which is held to a call where it chose one. The prompt is
the same, so the second request finds it in the server's cache. With SmolLM2-135M on vLLM it chooses a call for 34 of 40
messages that need one and 9 of 40 that do not, against none and none by itself (`bench/calls.py`).

Whether a model is one of those is tried once, with the tools that it has.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec

from garra.agent.calls import described
from garra.agent.calls.hermes import OPEN
from garra.agent.prompt import INTRODUCTION
from garra.agent.turn import Turn
from garra.errors import ModelError
from garra.models.catalogue import Capabilities
from garra.sessions.entries import Entry, Said
from garra.wire.chat import ChatCompletions
from garra.wire.events import Event, Finish, Reply, TextDelta
from garra.wire.messages import Assistant, System, ToolCall, User
from garra.wire.request import ChatRequest

TRIAL = User("List the files in the working folder. Use a tool.")
TRIAL_TOKENS, CHOICE_TOKENS = 64, 8
"""A strong model may announce its call in a sentence or two before it makes it."""
_CLOSING = "</answer>"


def is_untried(turn: Turn, able: Capabilities) -> bool:
    """Whether it is not known yet if the model begins calls by itself, and matters."""
    return able.tools == "refused" and able.holds_calls and able.begins_calls is None and bool(turn.toolbox.specs())


async def tried(turn: Turn, able: Capabilities) -> Capabilities:
    """What the model can do, with that found out, and remembered. A server that fails at it leaves it open."""
    specs = turn.toolbox.specs()
    system = "\n\n".join([INTRODUCTION.format(workspace=turn.workspace), described.description(specs)])
    request = ChatRequest(
        turn.chosen.ref.id, (System(system), TRIAL), max_tokens=TRIAL_TOKENS, params=_sober(turn.chosen.params)
    )
    try:
        reply = (await _whole(turn, request)).message()
    except ModelError:
        return able
    thinks = reply.reasoning or "<think" in reply.text  # it had no room to come to a call
    begins = bool(reply.calls or thinks or OPEN in reply.text)
    await turn.models.learn(turn.chosen, begins_calls=begins)
    return msgspec.structs.replace(able, begins_calls=begins)


def is_open(params: dict[str, Any]) -> bool:
    """Whether the person's own parameters leave the model a choice."""
    return not any(name in params for name in ("structured_outputs", "response_format", "allowed_token_ids"))


async def chosen_form(turn: Turn, request: ChatRequest) -> ChatRequest:
    """The request for the reply: held to a call where the model chooses one, as it is where it chooses to answer."""
    choice = {"structured_outputs": {"choice": [OPEN, described.ANSWER]}}
    asked = msgspec.structs.replace(request, max_tokens=CHOICE_TOKENS, params=_sober(request.params) | choice)
    if (await _whole(turn, asked)).text.strip() != OPEN:
        return request
    held = described.constraint(turn.toolbox.callable_specs(), must_call=True, brief=False)
    return msgspec.structs.replace(request, params=request.params | held)


def answer_form(request: ChatRequest) -> ChatRequest:
    """The request for the reply, held to an answer."""
    return msgspec.structs.replace(request, params=request.params | described.no_call())


def goes_in_circles(entries: Sequence[Entry], calls: Sequence[ToolCall]) -> bool:
    """Whether all these calls were made before in the turn: their results are known, and a weak model goes on so."""
    made: set[tuple[str, str]] = set()
    for item in (entry.item for entry in entries):
        if isinstance(item, Said) and isinstance(item.message, User):
            made.clear()
        elif isinstance(item, Said) and isinstance(item.message, Assistant):
            made |= {(call.name, call.arguments) for call in item.message.calls}
    return bool(calls) and all((call.name, call.arguments) in made for call in calls)


async def without_tag(events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
    """The same events without the tag that an answer begins with, and without the one that it may end with."""
    held, begun = "", False
    try:
        async for event in events:
            match event:
                case TextDelta(text):
                    held, begun = (held + text, True) if begun else _begun(held + text)
                    keep = _partial_end(held) if begun else len(held)
                    if shown := held[: len(held) - keep]:
                        yield TextDelta(shown)
                    held = held[len(held) - keep :]
                case Finish():
                    if rest := held.strip().removeprefix(described.ANSWER).removesuffix(_CLOSING):
                        yield TextDelta(rest)
                    held = ""
                    yield event
                case _:
                    yield event
    finally:
        await events.aclose()


def _begun(text: str) -> tuple[str, bool]:
    """The text as it is shown, once enough of it has come to tell whether it begins with the tag."""
    bare = text.lstrip()
    if bare.startswith(described.ANSWER):
        answer = bare.removeprefix(described.ANSWER).lstrip()
        return (answer, True) if answer else (text, False)
    return text, not described.ANSWER.startswith(bare)


def _partial_end(text: str) -> int:
    """How many characters at the end may belong to a closing tag."""
    if text.rstrip().endswith(_CLOSING):
        return len(text) - text.rindex(_CLOSING)
    return next((size for size in range(min(len(_CLOSING), len(text)), 0, -1) if _CLOSING.startswith(text[-size:])), 0)


def _sober(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a request for a word: the likeliest one, and nothing that steers a reply otherwise."""
    kwargs = {"enable_thinking": False, "thinking": False} | (params.get("chat_template_kwargs") or {})
    kept = {name: params[name] for name in ("cache_salt", "priority") if name in params}
    return kept | {"temperature": 0, "chat_template_kwargs": kwargs}


async def _whole(turn: Turn, request: ChatRequest) -> Reply:
    """A reply of a few words, in one piece."""
    reply = Reply()
    request = msgspec.structs.replace(request, extra=request.extra | {"stream": False, "stream_options": None})
    events = ChatCompletions(turn.http, turn.chosen.endpoint).stream(request)
    try:
        async for event in events:
            reply.add(event)
    finally:
        await events.aclose()
    return reply
