"""The shapes of answers, as vLLM writes them: which fields there are, in which order, and which are left out.

Frames of a stream leave out what was not set (`UNSET`); whole answers name every field.
"""

from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

encode = msgspec.json.encode


class PromptTokensDetails(Struct):
    cached_tokens: int | None


class Usage(Struct):
    """Tokens of a whole answer."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: int
    prompt_tokens_details: PromptTokensDetails | UnsetType | None = None
    completion_tokens_details: UnsetType | None = None


class Delta(Struct):
    """What a chat frame adds."""

    role: str | UnsetType = UNSET
    content: str | UnsetType = UNSET


class ChatStreamChoice(Struct):
    index: int
    delta: Delta
    logprobs: Any = None
    finish_reason: str | None = None
    stop_reason: int | str | UnsetType | None = UNSET
    token_ids: list[int] | UnsetType | None = UNSET


class ChatFrame(Struct, kw_only=True):
    """One frame of a streamed chat completion."""

    id: str
    object: str = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChatStreamChoice]
    usage: Usage | UnsetType = UNSET
    system_fingerprint: str | UnsetType = UNSET
    prompt_token_ids: list[int] | UnsetType | None = UNSET
    prompt_text: str | UnsetType | None = UNSET


class ChatMessage(Struct, kw_only=True):
    role: str = "assistant"
    content: str
    refusal: None = None
    annotations: None = None
    audio: None = None
    function_call: None = None
    reasoning: None = None


class ChatChoice(Struct):
    index: int
    message: ChatMessage
    logprobs: Any = None
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    token_ids: list[int] | None = None
    routed_experts: None = None


class ChatAnswer(Struct, kw_only=True):
    """A whole chat completion."""

    id: str
    object: str = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    service_tier: None = None
    system_fingerprint: str
    usage: Usage
    prompt_logprobs: None = None
    prompt_token_ids: list[int] | None = None
    prompt_text: str | None = None
    kv_transfer_params: None = None
    ec_transfer_params: None = None
    metrics: None = None


class CompletionStreamChoice(Struct):
    index: int
    text: str
    logprobs: Any = None
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    prompt_token_ids: list[int] | None = None
    token_ids: list[int] | None = None


class CompletionFrame(Struct, kw_only=True):
    """One frame of a streamed completion."""

    id: str
    object: str = "text_completion"
    created: int
    model: str
    choices: list[CompletionStreamChoice]
    usage: Usage | UnsetType = UNSET
    system_fingerprint: str | UnsetType = UNSET


class CompletionChoice(Struct):
    index: int
    text: str
    logprobs: Any = None
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    token_ids: list[int] | None = None
    prompt_logprobs: None = None
    prompt_token_ids: list[int] | None = None
    routed_experts: None = None


class CompletionAnswer(Struct, kw_only=True):
    """A whole completion."""

    id: str
    object: str = "text_completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    service_tier: None = None
    system_fingerprint: str
    usage: Usage
    kv_transfer_params: None = None
    ec_transfer_params: None = None
    metrics: None = None


def event(frame: Struct) -> bytes:
    """One server-sent event."""
    return b"data: " + encode(frame) + b"\n\n"


def usage(prompt: int, completion: int, cached: int | None = None, *, brief: bool = False) -> Usage:
    """Tokens used. `brief`: as the last frame of a stream has it, without what is not known."""
    details: PromptTokensDetails | UnsetType | None = UNSET if brief else None
    if cached is not None:
        details = PromptTokensDetails(cached)
    return Usage(prompt, prompt + completion, completion, details, UNSET if brief else None)


def running_usage(prompt: int, completion: int) -> Usage:
    """Tokens used so far, as `continuous_usage_stats` puts them on every frame."""
    return Usage(prompt, prompt + completion, completion, UNSET, None)
