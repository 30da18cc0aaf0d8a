"""What a model can do on its server, found out by trying once, with requests of a few tokens.

Three things are tried, one after the other: whether there is a /tokenize route, whether `tools` are taken, whether
`structured_outputs` binds the answer. A server that cannot be asked at all is an error, not an answer. Nothing is kept.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from garra.errors import RequestRefused, ServerBusy, ServerFailed, ServerSilent, StreamBroken
from garra.models.catalogue import Capabilities, Chosen
from garra.models.discovery import root_url
from garra.wire.body import decode, message_to_wire, tools_to_wire
from garra.wire.http import Http, HttpResponse
from garra.wire.messages import Message, ToolSpec, User
from garra.wire.status import error_of

COUNT_TIMEOUT_S = 10.0
CHOICES = ("yes", "no")
_QUESTION: Message = User("Say hello in one word.")
_TOOL = ToolSpec("hello", "Says hello.", {"type": "object", "properties": {}})
_ANSWER_TOKENS, _THOUGHT_TOKENS = 8, 512
_NO_THINKING = {"enable_thinking": False}

ToolsWord: TypeAlias = Literal["native", "refused", "unknown"]


async def try_out(http: Http, chosen: Chosen, version: str) -> Capabilities:
    """Find out what the model can do. Raises what keeps the server from being asked: no connection, key or model."""
    tokenize = await _try_tokenize(http, chosen)
    tools, reason = await _try_tools(http, chosen)
    structured = await _try_structured(http, chosen)
    return Capabilities(tools, structured, tokenize, reason, version)


async def _try_tokenize(http: Http, chosen: Chosen) -> bool:
    try:
        return await count(http, chosen, [_QUESTION], ()) is not None
    except (ServerSilent, StreamBroken):
        return False


async def _try_tools(http: Http, chosen: Chosen) -> tuple[ToolsWord, str]:
    """Whether a request with a tool is taken; when it is not, whether the same one without it is."""
    limit = {chosen.endpoint.max_tokens_field: 1}
    try:
        await _chat(http, chosen, limit | {"tools": tools_to_wire([_TOOL]), "tool_choice": "auto"})
    except RequestRefused as refused:
        reason = str(refused)
    except (ServerBusy, ServerFailed) as failed:
        return "unknown", str(failed)
    else:
        return "native", ""
    try:
        await _chat(http, chosen, limit)
    except (RequestRefused, ServerBusy, ServerFailed) as failed:
        return "unknown", str(failed)
    return "refused", reason


async def _try_structured(http: Http, chosen: Chosen) -> bool:
    """Whether the answer is one of the choices that it was bound to. A model that thinks first is given room for it."""
    bound: dict[str, Any] = {"structured_outputs": {"choice": list(CHOICES)}, "temperature": 0}
    try:
        for limit_tokens in (_ANSWER_TOKENS, _THOUGHT_TOKENS):
            message = await _chat(http, chosen, bound | {chosen.endpoint.max_tokens_field: limit_tokens})
            content = message.get("content")
            if content or not (message.get("reasoning") or message.get("reasoning_content")):
                return isinstance(content, str) and content.strip() in CHOICES
    except (RequestRefused, ServerBusy, ServerFailed, ServerSilent):
        return False
    return False


async def _chat(http: Http, chosen: Chosen, fields: dict[str, Any]) -> dict[str, Any]:
    """One small request, not streamed; the message that is answered, empty where there is none."""
    kwargs = _NO_THINKING | (chosen.params.get("chat_template_kwargs") or {})
    body = {"model": chosen.ref.id, "messages": [message_to_wire(_QUESTION)], "chat_template_kwargs": kwargs} | fields
    patience_s = chosen.endpoint.timeouts.first_event_s  # as long as a reply may be waited for
    response = await _post(http, chosen, chosen.endpoint.url("chat/completions"), body, patience_s)
    if response.status != 200:
        raise error_of(response, chosen.endpoint, model=chosen.ref.id)
    answer = _json(response)
    choices = answer.get("choices") if isinstance(answer, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    return message if isinstance(message, dict) else {}


async def count(http: Http, chosen: Chosen, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> int | None:
    """How many tokens the prompt has, as the server counts them; None where it does not."""
    body: dict[str, Any] = {"model": chosen.ref.id, "messages": [message_to_wire(message) for message in messages]}
    body["add_generation_prompt"] = True
    if tools:
        body["tools"] = tools_to_wire(tools)
    if kwargs := chosen.params.get("chat_template_kwargs"):
        body["chat_template_kwargs"] = kwargs
    response = await _post(http, chosen, f"{root_url(chosen.endpoint)}/tokenize", body, COUNT_TIMEOUT_S)
    answer = _json(response) if response.status == 200 else None
    tokens = answer.get("count") if isinstance(answer, dict) else None
    return tokens if type(tokens) is int else None


async def _post(http: Http, chosen: Chosen, url: str, body: dict[str, Any], timeout_s: float) -> HttpResponse:
    """One POST, bounded in time as a whole: an answer that drips is none."""
    headers = chosen.endpoint.request_headers() | {"accept": "application/json"}
    try:
        async with asyncio.timeout(timeout_s):
            return await http.request("POST", url, headers=headers, json=body, timeout_s=timeout_s)
    except TimeoutError:
        raise ServerSilent(f"{url} did not answer in full within {timeout_s:g} s. Check the server's log.") from None


def _json(response: HttpResponse) -> Any:
    try:
        return decode(response.body)
    except ValueError:
        return None
