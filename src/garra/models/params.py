"""The sampling parameters that a person may set, under the names that they are known by, merged for the wire.

Every parameter that is accepted reaches the request body; one that would not is refused by name, with the key that
holds it and the nearest name that is known. Values are checked for their type alone: the rest is the server's business.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from garra.errors import ConfigError

# Wire name: the spellings that are accepted (the first one that is there wins), and what the value must be.
_KNOWN: dict[str, tuple[tuple[str, ...], str]] = {
    "temperature": (("temperature",), "a number"),
    "top_p": (("topP", "top_p"), "a number"),
    "top_k": (("topK", "top_k"), "a whole number"),
    "min_p": (("minP", "min_p"), "a number"),
    "repetition_penalty": (("repetitionPenalty", "repetition_penalty"), "a number"),
    "frequency_penalty": (("frequencyPenalty", "frequency_penalty"), "a number"),
    "presence_penalty": (("presencePenalty", "presence_penalty"), "a number"),
    "seed": (("seed",), "a whole number"),
    "stop": (("stop",), "text or a list of texts"),
    "max_tokens": (("maxTokens", "max_completion_tokens", "max_tokens"), "a whole number"),
    "min_tokens": (("minTokens", "min_tokens"), "a whole number"),
    "response_format": (("responseFormat", "response_format"), "an object"),
    "reasoning_effort": (("reasoningEffort", "reasoning_effort"), "text"),
    "parallel_tool_calls": (("parallelToolCalls", "parallel_tool_calls"), "true or false"),
    "chat_template_kwargs": (("chatTemplateKwargs", "chat_template_kwargs"), "an object"),
    "extra_body": (("extraBody", "extra_body"), "an object"),
}
_WIRE = {spelling: wire for wire, (spellings, _) in _KNOWN.items() for spelling in spellings}
# Known to OpenClaw, and no field of a chat-completions request there either.
_NOT_FOR_THE_WIRE = ("cacheRetention", "cachedContent", "thinking", "transport")
_OURS = ("messages", "model", "stream", "stream_options")
_FORMATS = ("text", "json_object", "json_schema", "structural_tag")


class Layer(msgspec.Struct, frozen=True):
    """One `params` bag of the configuration, and the key path it stands under."""

    path: str
    params: Mapping[str, Any]


class Params(msgspec.Struct, frozen=True):
    """The layers merged: the output cap apart, the rest under its wire names with `extra_body` opened over it."""

    body: dict[str, Any]
    max_tokens: int | None = None
    unused: tuple[str, ...] = ()
    """Paths of parameters that other programs know and that no request of ours carries."""
    sealed: frozenset[str] = frozenset()
    """The names that stood in `extra_body`, which has the last word on them."""


def merge_params(layers: Sequence[Layer]) -> Params:
    """Merge the layers; in later ones a key wins, and a null takes the parameter away."""
    issues = [issue for layer in layers for issue in _issues(layer)]
    if issues:
        raise ConfigError("The model's parameters cannot be used.", issues)
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= _on_the_wire(layer.params)
    body = {name: value for name, value in merged.items() if value is not None}
    limit = body.pop("max_tokens", None)
    extra = body.pop("extra_body", {})
    body |= extra
    unused = (f"{layer.path}.{name}" for layer in layers for name in layer.params if name in _NOT_FOR_THE_WIRE)
    return Params(body, limit, tuple(unused), frozenset(extra))


def _on_the_wire(params: Mapping[str, Any]) -> dict[str, Any]:
    """One layer under its wire names; of several spellings the first one in the table wins."""
    found: dict[str, Any] = {}
    for wire, (spellings, _) in _KNOWN.items():
        given = [params[spelling] for spelling in spellings if spelling in params]
        if given:
            found[wire] = given[0]
    return found


def _issues(layer: Layer) -> list[str]:
    found = [_issue(layer.path, name, value) for name, value in layer.params.items()]
    return [issue for issue in found if issue]


def _issue(path: str, name: str, value: object) -> str | None:
    """What is wrong with one parameter; its value is not repeated."""
    if name in _NOT_FOR_THE_WIRE or (value is None and name in _WIRE):
        return None
    key = f"{path}.{name}"
    if name not in _WIRE:
        return f"{key}: no parameter known here{_nearest(name)}; to send it as it is, write {path}.extra_body.{name}"
    wire = _WIRE[name]
    kind = _KNOWN[wire][1]
    if not _is(kind, value):
        return f"{key}: must be {kind}"
    return _shape_issue(key, wire, value)


def _shape_issue(key: str, wire: str, value: Any) -> str | None:
    """What is wrong inside a value whose type is right."""
    if wire == "max_tokens" and value < 1:
        return f"{key}: must be 1 or more"
    if wire == "extra_body":
        taken = [f"{key}.{name}: is set by Garra itself and cannot be overridden" for name in _OURS if name in value]
        return taken[0] if taken else None
    if wire == "response_format" and value.get("type") not in _FORMATS:
        wrapped = '{type: "json_schema", json_schema: {name: "…", schema: {…}}}'
        return f"{key}.type: must be one of {', '.join(_FORMATS)}; a bare schema is written {wrapped}"
    return None


def _is(kind: str, value: object) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    texts = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    fits = {
        "a number": whole or isinstance(value, float),
        "a whole number": whole,
        "text": isinstance(value, str),
        "text or a list of texts": isinstance(value, str) or texts,
        "true or false": isinstance(value, bool),
        "an object": isinstance(value, Mapping),
    }
    return fits[kind]


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(_WIRE), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
