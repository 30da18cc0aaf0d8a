"""Prompts as token ids: from messages through the chat template, or from text or ids as given."""

import asyncio
from typing import Any

from msgspec import Struct

from garra.errors import RequestRefused
from garra.serve.api.errors import Refused, invalid, too_long
from garra.serve.api.requests import Chat
from garra.serve.api.state import Served
from garra.serve.text.conversation import conversation_of
from garra.serve.text.template import ChatTemplate, Conversation, Rendered

LONG_CHARS = 20_000
"""Texts beyond this are tokenized off the event loop."""


class Prompt(Struct, frozen=True):
    """What the engine is given, and the text that it came from."""

    ids: list[int]
    text: str = ""


async def chat_prompt(request: Chat, served: Served) -> Prompt:
    """The prompt for messages."""
    template = _template(request, served)
    conversation = Conversation(
        messages=conversation_of(
            [message.model_dump(exclude_unset=True) for message in request.messages], parts=template.wants_parts
        ),
        tools=[_tool(tool) for tool in request.tools] if request.tools else None,
        documents=request.documents,
        add_generation_prompt=request.add_generation_prompt and not request.continue_final_message,
        continue_final_message=request.continue_final_message,
        variables=_variables(request, served),
    )
    size = sum(len(str(message)) for message in conversation.messages)
    if size <= LONG_CHARS:
        return _encoded(template.render(conversation), request, served)
    return await asyncio.to_thread(lambda: _encoded(template.render(conversation), request, served))


def _template(request: Chat, served: Served) -> ChatTemplate:
    if request.chat_template is not None or (request.chat_template_kwargs or {}).get("chat_template") is not None:
        raise Refused(
            "Chat template is passed with request, but --trust-request-chat-template is not set. "
            "Refused request with untrusted chat template."
        )
    if served.template is None:
        raise Refused("This model has no chat template; use /v1/completions with a prompt of your own.")
    if not request.messages:
        raise Refused("`messages` must hold at least one message.", param="messages")
    return served.template


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Refused("Each of `tools` must hold a `function` with a `name`.", param="tools")
    return {"type": "function", **tool}


def _variables(request: Chat, served: Served) -> dict[str, Any]:
    variables = {**served.settings.default_template_variables, **(request.chat_template_kwargs or {})}
    if request.reasoning_effort is not None:
        variables.setdefault("reasoning_effort", request.reasoning_effort)
        variables.setdefault("enable_thinking", request.reasoning_effort != "none")
    taken = {"messages", "tools", "documents", "add_generation_prompt", "continue_final_message"} & set(variables)
    if taken:
        raise RequestRefused(f"`chat_template_kwargs` may not hold {sorted(taken)}.", param="chat_template_kwargs")
    return variables


def _encoded(rendered: Rendered, request: Chat, served: Served) -> Prompt:
    text = rendered.plain
    check_chars(text, served)
    if request.add_special_tokens and not rendered.mark:
        return Prompt(served.tokenizer.encode(text, add_special_tokens=True), text)
    return Prompt(served.tokenizer.encode_guarded(rendered.text, rendered.mark), text)


async def text_prompt(text: str, served: Served, *, add_special_tokens: bool = True) -> Prompt:
    """The prompt for a text that the client wrote as a whole: control tokens count, as in vLLM."""
    check_chars(text, served)
    encode = served.tokenizer.encode
    if len(text) <= LONG_CHARS:
        return Prompt(encode(text, add_special_tokens=add_special_tokens), text)
    return Prompt(await asyncio.to_thread(lambda: encode(text, add_special_tokens=add_special_tokens)), text)


def check_chars(text: str, served: Served) -> None:
    """A text that cannot fit, however it is split, is refused before it is split."""
    window = served.window
    limit_chars = window * served.tokenizer.max_chars_per_token
    if len(text) > limit_chars:
        raise invalid(
            f"This model's maximum context length is {window} tokens. However, your prompt contains {len(text)} "
            f"characters (more than {limit_chars} characters, which is the upper bound for {window} input tokens). "
            "Please reduce the length of the input prompt.",
            "input_text",
            len(text),
        )


def check_length(prompt: Prompt, served: Served) -> None:
    """The prompt must fit the window."""
    if len(prompt.ids) > served.window:
        raise too_long(served.window)


def check_ids(ids: list[int], served: Served) -> None:
    """Ids that the vocabulary does not have are refused."""
    top = served.engine.info.vocab_size
    wrong = next((number for number in ids if not 0 <= number < top), None)
    if wrong is not None:
        raise Refused(f"Token id {wrong} is out of vocabulary")
