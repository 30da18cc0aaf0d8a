"""Single tries of what a model on its server can do: tiny chat requests, and what their answers show.

A refusal is an answer here. What keeps a server from being asked at all (no connection, no key, no model) is raised.
Whether an answer was bound to what was asked is looked at; that a field was accepted says nothing.
"""

from typing import Any

import msgspec

from garra.errors import ModelError, RequestRefused, ServerBusy, ServerFailed
from garra.models.catalogue import Chosen, StructuredForm
from garra.models.posting import json_of, post
from garra.wire.body import message_to_wire, tools_to_wire
from garra.wire.http import Http
from garra.wire.messages import Message, System, ToolSpec, User
from garra.wire.status import error_of

QUESTION = User("Say hello in one word.")
SYSTEM = System("You are a helpful assistant.")
TOOL = ToolSpec("hello", "Says hello.", {"type": "object", "properties": {}})
CHOICES = ("yes", "no")
ANSWER_TOKENS, THOUGHT_TOKENS = 8, 512
_OBJECT_TOKENS = 24
_NO_THINKING = {"enable_thinking": False}
_SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": list(CHOICES)}},
    "required": ["answer"],
    "additionalProperties": False,
}
_TAG_FORMAT = {
    "type": "triggered_tags",
    "triggers": ["<tool_call>"],
    "tags": [
        {
            "begin": "<tool_call>",
            "content": {"type": "json_schema", "json_schema": {"type": "object"}},
            "end": "</tool_call>",
        }
    ],
}


class Seen(msgspec.Struct, frozen=True):
    """What one request showed: the message that was answered, how long its prompt was, or why there is none."""

    message: dict[str, Any] = {}
    prompt_tokens: int | None = None
    error: ModelError | None = None

    @property
    def reasoning_field(self) -> str:
        """Under which name the model's thinking came."""
        names = ("reasoning", "reasoning_content")
        return next((name for name in names if isinstance(self.message.get(name), str) and self.message[name]), "")


async def ask(http: Http, chosen: Chosen, fields: dict[str, Any], *messages: Message) -> Seen:
    """One small request, not streamed. Busy, broken and refusing servers have answered too."""
    sent = messages or (QUESTION,)
    kwargs = _NO_THINKING | (chosen.params.get("chat_template_kwargs") or {})
    body: dict[str, Any] = {"model": chosen.ref.id, "messages": [message_to_wire(message) for message in sent]}
    body |= {"chat_template_kwargs": kwargs} | fields
    patience_s = chosen.endpoint.timeouts.first_event_s  # as long as a reply may be waited for
    response = await post(http, chosen, chosen.endpoint.url("chat/completions"), body, patience_s)
    if response.status == 200:
        return _read(json_of(response))
    error = error_of(response, chosen.endpoint, model=chosen.ref.id)
    if isinstance(error, RequestRefused | ServerBusy | ServerFailed):
        return Seen(error=error)
    raise error


def _read(answer: Any) -> Seen:
    told = answer if isinstance(answer, dict) else {}
    choices, usage = told.get("choices"), told.get("usage")
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    counted = tokens if type(tokens) is int and tokens > 0 else None
    return Seen(message if isinstance(message, dict) else {}, counted)


def one_token(chosen: Chosen) -> dict[str, Any]:
    """The limit of a request whose reply does not matter."""
    return {chosen.endpoint.max_tokens_field: 1}


async def try_tools(http: Http, chosen: Chosen, *messages: Message) -> Seen:
    """A request with a tool. One that broke the server is sent again, since anything may have done that."""
    fields = one_token(chosen) | {"tools": tools_to_wire([TOOL]), "tool_choice": "auto"}
    seen = await ask(http, chosen, fields, *messages)
    return await ask(http, chosen, fields, *messages) if isinstance(seen.error, ServerFailed) else seen


async def try_structured(http: Http, chosen: Chosen) -> tuple[bool, Seen]:
    """Whether `structured_outputs` binds the answer to one of the choices, and what was seen."""
    seen = await _bound(http, chosen, {"structured_outputs": {"choice": list(CHOICES)}}, ANSWER_TOKENS)
    content = seen.message.get("content")
    return isinstance(content, str) and content.strip() in CHOICES, seen


async def try_form(http: Http, chosen: Chosen, form: StructuredForm) -> bool:
    """Whether another field than vLLM's own binds the answer to a schema."""
    schema = {"name": "answer", "strict": True, "schema": _SCHEMA}
    wrapped = {"type": "json_schema", "json_schema": schema}
    field: dict[str, Any] = {form: _SCHEMA if form == "guided_json" else wrapped}
    seen = await _bound(http, chosen, field, _OBJECT_TOKENS)
    return _fits(seen.message.get("content"))


def _fits(content: Any) -> bool:
    try:
        said = msgspec.json.decode(content) if isinstance(content, str) else None
    except (msgspec.DecodeError, RecursionError):
        return False
    return isinstance(said, dict) and set(said) == {"answer"} and said["answer"] in CHOICES


async def _bound(http: Http, chosen: Chosen, field: dict[str, Any], limit_tokens: int) -> Seen:
    """An answer that is bound by a field. A model that thinks first is asked again, with room for it."""
    seen = Seen()
    for limit in (limit_tokens, THOUGHT_TOKENS):
        seen = await ask(http, chosen, field | {"temperature": 0, chosen.endpoint.max_tokens_field: limit})
        if seen.message.get("content") or not seen.reasoning_field:
            break
    return seen


async def try_tag(http: Http, chosen: Chosen, *, nonsense: bool = False) -> Seen:
    """A request whose text is held to a schema once a tag is opened; with `nonsense`, one that must be refused."""
    tag = msgspec.json.encode({"type": "structural_tag", "format": {"type": "none"} if nonsense else _TAG_FORMAT})
    return await ask(http, chosen, one_token(chosen) | {"structured_outputs": {"structural_tag": tag.decode()}})
