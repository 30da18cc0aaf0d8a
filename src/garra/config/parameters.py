"""The parameters that may stand in a `params` bag: their names, their spellings, and what their values must be.

Every parameter that is accepted reaches the request body; one that would not is refused by name, with the reason or
the nearest name that is known. Values are checked for their type alone: the rest is the server's business.
"""

from collections.abc import Mapping
from typing import Any, get_args

from garra.config.check import Fault
from garra.config.keypath import KeyPath, format_path
from garra.config.section import Thinking

_KINDS = {
    "a number": "temperature top_p min_p repetition_penalty frequency_penalty presence_penalty length_penalty",
    "a whole number": "top_k seed max_tokens min_tokens thinking_token_budget truncate_prompt_tokens priority",
    "true or false": "parallel_tool_calls ignore_eos include_stop_str_in_output skip_special_tokens "
    "spaces_between_special_tokens include_reasoning",
    "text": "reasoning_effort cache_salt user truncation_side",
    "text or a list of texts": "stop",
    "a list of texts": "bad_words",
    "a list of whole numbers": "stop_token_ids allowed_token_ids",
    "an object of numbers": "logit_bias",
    "an object": "response_format chat_template_kwargs extra_body vllm_xargs mm_processor_kwargs media_io_kwargs "
    "repetition_detection",
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}


def _spellings(name: str) -> tuple[str, ...]:
    """As in a configuration, then as on the wire; of several in one bag the first one counts."""
    first, *more = name.split("_")
    camel = first + "".join(word.capitalize() for word in more)
    both = (camel, name) if camel != name else (name,)
    return (camel, "max_completion_tokens", name) if name == "max_tokens" else both


SPELLINGS = {name: _spellings(name) for name in _KIND_OF}
"""Wire name: the spellings that are accepted."""

NOT_FOR_THE_WIRE = ("cacheRetention", "cachedContent", "transport")
"""Known to OpenClaw, and no field of a chat-completions request there either."""

FORMATS = ("text", "json_object", "json_schema", "structural_tag")
_WIRE = {spelling: name for name, spellings in SPELLINGS.items() for spelling in spellings}
_OURS = ("messages", "model", "stream", "stream_options", "n")
_SET_HERE = "is set by Garra itself and cannot be overridden"
_UNREAD = "would be sent for nothing: Garra does not read what it adds to a reply"
_REFUSED = {
    **dict.fromkeys(("messages", "model", "stream", "stream_options", "tools", "tool_choice"), _SET_HERE),
    **dict.fromkeys(("logprobs", "top_logprobs", "prompt_logprobs", "return_token_ids"), _UNREAD),
    "n": "there is one reply to a message",
    "best_of": "there is one reply to a message",
    "use_beam_search": "a reply is streamed, and beam search cannot be",
    "echo": "would repeat the person's message in the reply",
    "continue_final_message": "a reply is always a new message",
    "add_generation_prompt": "a reply is always a new message",
}


def parameter_faults(params: Mapping[str, Any], path: KeyPath, *, bare_schema: bool = False) -> list[Fault]:
    """All that is wrong with a bag. `bare_schema`: the server takes a response format that is a schema alone."""
    found = [_fault(name, value, (*path, name), bare_schema) for name, value in params.items()]
    return [fault for fault in found if fault]


def is_bare_schema(response_format: Mapping[str, Any]) -> bool:
    """Whether a response format is a JSON schema without its wrapping."""
    return response_format.get("type") not in FORMATS


def _fault(name: str, value: Any, key: KeyPath, bare_schema: bool) -> Fault | None:
    """What is wrong with one parameter; its value is not repeated."""
    if name in NOT_FOR_THE_WIRE or (value is None and (name in _WIRE or name == "thinking")):
        return None
    if name == "thinking":
        levels = get_args(Thinking)
        return None if value in levels else Fault(key, f"must be one of {', '.join(levels)}")
    if name not in _WIRE:
        return Fault(key, _unknown(name, key))
    wire = _WIRE[name]
    if not _is(_KIND_OF[wire], value):
        return Fault(key, f"must be {_KIND_OF[wire]}")
    return _shape_fault(key, wire, value, bare_schema)


def _unknown(name: str, key: KeyPath) -> str:
    if why := _REFUSED.get(name):
        return why
    raw = format_path((*key[:-1], "extra_body", name))
    return f"no parameter known here{_nearest(name)}; to send it as it is, write {raw}"


def _shape_fault(key: KeyPath, wire: str, value: Any, bare_schema: bool) -> Fault | None:
    """What is wrong inside a value whose type is right."""
    if wire == "max_tokens" and value < 1:
        return Fault(key, "must be 1 or more")
    if wire == "extra_body":
        taken = [Fault((*key, name), _SET_HERE) for name in _OURS if name in value]
        return taken[0] if taken else None
    if wire == "response_format" and not bare_schema and is_bare_schema(value):
        wrapped = '{type: "json_schema", json_schema: {name: "…", schema: {…}}}'
        return Fault((*key, "type"), f"must be one of {', '.join(FORMATS)}; a bare schema is written {wrapped}")
    return None


def _is(kind: str, value: Any) -> bool:
    items = value if isinstance(value, list | tuple) else None
    fits = {
        "a number": _is_number(value),
        "a whole number": _is_whole(value),
        "text": isinstance(value, str),
        "text or a list of texts": isinstance(value, str) or _all(items, _is_text),
        "a list of texts": _all(items, _is_text),
        "a list of whole numbers": _all(items, _is_whole),
        "an object of numbers": isinstance(value, Mapping) and all(map(_is_number, value.values())),
        "true or false": isinstance(value, bool),
        "an object": isinstance(value, Mapping),
    }
    return fits[kind]


def _all(items: Any, test: Any) -> bool:
    return items is not None and all(map(test, items))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or isinstance(value, float)


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(_WIRE), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
