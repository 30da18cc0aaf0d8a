"""How many tokens a prompt has, as the server counts them with /tokenize.

The body is taken from the chat request that would be sent, so that both are the same prompt. Images are not counted:
the route counts the text around them.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from garra.models.catalogue import Chosen
from garra.models.facts import root_url
from garra.models.posting import json_of, post
from garra.wire.body import request_body
from garra.wire.chunks import TOKENS_LIMIT
from garra.wire.http import Http
from garra.wire.messages import Message, ToolSpec
from garra.wire.request import ChatRequest

_SAME = (
    "model",
    "messages",
    "tools",
    "chat_template",
    "chat_template_kwargs",
    "add_generation_prompt",
    "continue_final_message",
    "add_special_tokens",
    "mm_processor_kwargs",
    "media_io_kwargs",
)
"""The fields of a chat request that make its prompt, and that the route takes too."""


async def count(http: Http, chosen: Chosen, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> int | None:
    """How many tokens the prompt has; None where the server does not count it."""
    response = await post(http, chosen, f"{root_url(chosen.endpoint)}/tokenize", _body(chosen, messages, tools))
    answer = json_of(response) if response.status == 200 else None
    tokens = answer.get("count") if isinstance(answer, dict) else None
    return tokens if type(tokens) is int and 0 < tokens < TOKENS_LIMIT else None


def _body(chosen: Chosen, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> dict[str, Any]:
    """What the chat request says of its prompt. Its parts are passed on as the bytes that they are."""
    request = ChatRequest(chosen.ref.id, tuple(messages), tuple(tools), params=chosen.params)
    sent = request_body(request, dialect=chosen.endpoint.dialect)
    fields: dict[str, Any] = msgspec.json.decode(sent, type=dict[str, msgspec.Raw])
    body: dict[str, Any] = {"add_generation_prompt": True} | {name: fields[name] for name in _SAME if name in fields}
    if effort := chosen.params.get("reasoning_effort"):
        body["chat_template_kwargs"] = _with_effort(chosen.params.get("chat_template_kwargs"), effort)
    return body


def _with_effort(kwargs: Any, effort: Any) -> dict[str, Any]:
    """The template's variables as vLLM completes them for a chat request that names an effort."""
    given = kwargs if isinstance(kwargs, dict) else {}
    return {"enable_thinking": effort != "none"} | given | {"reasoning_effort": effort}
