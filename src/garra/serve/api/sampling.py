"""From a request's fields to what the engine is told. What cannot be honoured is refused by name here."""

import json
import math
from typing import Any

from garra.serve.api.errors import Refused, invalid, not_supported
from garra.serve.api.requests import ChatCompletion, Completion, Generation, ResponseFormat, StructuredOutputs
from garra.serve.api.settings import Settings
from garra.serve.engines.base import Sampling, Structure

UNSUPPORTED = (
    "logit_bias",
    "prompt_logprobs",
    "bad_words",
    "allowed_token_ids",
    "logprob_token_ids",
    "use_beam_search",
    "truncate_prompt_tokens",
    "thinking_token_budget",
    "repetition_detection",
    "kv_transfer_params",
    "ec_transfer_params",
    "vllm_xargs",
    "watermarking",
    "cache_salt",
    "priority",
    "return_token_offsets",
    "prompt_embeds",
)
"""Fields that change the reply and that nothing here can do; refused unless they hold their neutral value."""

LIMIT_N = 64
ANY_OBJECT = '{"type": "object"}'
_DEFAULTS: dict[str, Any] = {
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}


def check_fields(request: Generation) -> None:
    """Refuse by name what cannot be done."""
    extra = request.model_extra or {}
    for name in UNSUPPORTED:
        if extra.get(name, getattr(request, name, None)):
            raise not_supported(name)


def sampling_of(request: Generation, *, room_tokens: int, settings: Settings) -> Sampling:
    """How a reply to this request is sampled. `room_tokens` is what the prompt leaves of the window."""
    values = {name: _value(request, name, settings) for name in _DEFAULTS}
    asked = _max_tokens(request)
    limit = min(room_tokens, asked if asked is not None else settings.defaults.get("max_tokens", room_tokens))
    _check_ranges(values)
    _check_lengths(request, asked, limit)
    if values["temperature"] < 1e-5 and (request.n or 1) > 1:
        raise invalid(f"n must be 1 when using greedy sampling, got {request.n}.")
    return Sampling(
        **{**values, "top_k": max(0, values["top_k"])},
        seed=None if request.seed is None else request.seed & (2**63 - 1),
        max_tokens=limit,
        min_tokens=request.min_tokens,
        ignore_eos=request.ignore_eos,
        stop_token_ids=tuple(request.stop_token_ids or ()),
        logprobs=_wants_logprobs(request),
        structure=structure_of(request.response_format, request.structured_outputs),
    )


def _value(request: Generation, name: str, settings: Settings) -> Any:
    given = getattr(request, name)
    return settings.defaults.get(name, _DEFAULTS[name]) if given is None else given


def _max_tokens(request: Generation) -> int | None:
    newer = request.max_completion_tokens if isinstance(request, ChatCompletion) else None
    if isinstance(request, Completion) and request.max_tokens is None:
        return 16
    return newer if newer is not None else request.max_tokens


def check_max_tokens(request: Generation, window: int) -> None:
    """More than the whole window cannot be asked for."""
    asked = _max_tokens(request)
    newer = isinstance(request, ChatCompletion) and request.max_completion_tokens is not None
    name = "max_completion_tokens" if newer else "max_tokens"
    if asked is not None and asked > window:
        text = f"{name}={asked} cannot be greater than max_model_len={window}. Please request fewer output tokens."
        raise invalid(text, name, asked)


def _wants_logprobs(request: Generation) -> bool:
    if isinstance(request, ChatCompletion):
        if request.top_logprobs:
            raise not_supported("top_logprobs")
        return bool(request.logprobs)
    if isinstance(request, Completion) and request.logprobs is not None:
        if request.logprobs or request.echo:
            raise not_supported("logprobs")
        return True
    return False


def _check_ranges(values: dict[str, Any]) -> None:
    for name in ("presence_penalty", "frequency_penalty"):
        if not -2.0 <= values[name] <= 2.0:
            raise invalid(f"{name} must be in [-2, 2], got {values[name]}.")
    repetition, temperature = values["repetition_penalty"], values["temperature"]
    if not math.isfinite(repetition):
        raise invalid(f"repetition_penalty must be a finite number, got {repetition}.")
    if repetition <= 0:
        raise invalid(f"repetition_penalty must be greater than zero, got {repetition}.")
    if not math.isfinite(temperature):
        raise invalid(f"temperature must be a finite number, got {temperature}.", "temperature", temperature)
    if temperature < 0:
        raise invalid(f"temperature must be non-negative, got {temperature}.", "temperature", temperature)
    if temperature > 2:
        raise invalid(f"temperature must be in [0, 2], got {temperature}.", "temperature", temperature)
    if not 0 < values["top_p"] <= 1:
        raise invalid(f"top_p must be in (0, 1], got {values['top_p']}.", "top_p", values["top_p"])
    if values["top_k"] < -1:
        raise invalid(f"top_k must be 0 (disable), or at least 1, got {values['top_k']}.")
    if not 0 <= values["min_p"] <= 1:
        raise invalid(f"min_p must be in [0, 1], got {values['min_p']}.")


def _check_lengths(request: Generation, asked: int | None, limit: int) -> None:
    count = limit if asked is None or asked > 0 else asked
    if count < 1:
        raise invalid(f"max_tokens must be at least 1, got {count}.", "max_tokens", count)
    if request.min_tokens < 0:
        raise invalid(f"min_tokens must be greater than or equal to 0, got {request.min_tokens}.")
    if request.min_tokens > limit:
        raise invalid(f"min_tokens must be less than or equal to max_tokens={limit}, got {request.min_tokens}.")
    if request.n is not None and not 1 <= request.n <= LIMIT_N:
        raise invalid(f"n must be between 1 and {LIMIT_N}, got {request.n}.", "n", request.n)
    if any(not stop for stop in request.stops):
        raise invalid("stop cannot contain an empty string.")


def structure_of(response_format: ResponseFormat | None, structured: StructuredOutputs | None) -> Structure | None:
    """The shape that a reply must have, from either of the two fields that ask for one."""
    from_format = _of_format(response_format) if response_format else None
    return from_format or (_of_structured(structured) if structured else None)


def _of_format(wanted: ResponseFormat) -> Structure | None:
    if wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return Structure("json", ANY_OBJECT)
    if wanted.type == "structural_tag":
        return Structure("structural_tag", json.dumps(wanted.model_dump(exclude_none=True)))
    if wanted.json_schema is None or wanted.json_schema.json_schema is None:
        raise Refused("The `json_schema` field of `response_format` must hold a `schema`.", param="response_format")
    return Structure("json", json.dumps(wanted.json_schema.json_schema))


def _of_structured(wanted: StructuredOutputs) -> Structure | None:
    if wanted.json_ is not None:
        return Structure("json", wanted.json_ if isinstance(wanted.json_, str) else json.dumps(wanted.json_))
    if wanted.regex is not None:
        return Structure("regex", wanted.regex)
    if wanted.choice is not None:
        return Structure("choice", json.dumps(wanted.choice))
    if wanted.grammar is not None:
        return Structure("grammar", wanted.grammar)
    if wanted.structural_tag is not None:
        return Structure("structural_tag", wanted.structural_tag)
    return Structure("json", ANY_OBJECT) if wanted.json_object else None
