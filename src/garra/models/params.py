"""The layers of `params` merged for the wire: one body, and what no request carries.

Which names there are, and what they may hold, stands in `config.parameters`. Nothing is dropped in silence: what is not
sent is refused, or listed in `unused`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from garra.config.keypath import format_path, parse_path
from garra.config.parameters import NOT_FOR_THE_WIRE, SPELLINGS, is_bare_schema, parameter_faults
from garra.errors import ConfigError


class Layer(msgspec.Struct, frozen=True):
    """One `params` bag of the configuration, and the key path it stands under."""

    path: str
    params: Mapping[str, Any]


class Params(msgspec.Struct, frozen=True):
    """The layers merged: the output cap apart, the rest under its wire names with `extra_body` opened over it."""

    body: dict[str, Any]
    max_tokens: int | None = None
    unused: tuple[str, ...] = ()
    """Paths of parameters that no request of ours carries."""
    sealed: frozenset[str] = frozenset()
    """The names that stood in `extra_body`, which has the last word on them."""


def merge_params(
    layers: Sequence[Layer], *, bare_schema: bool | None = None, temperature: bool | None = None
) -> Params:
    """Merge the layers; in later ones a key wins, and a null takes the parameter away.

    `bare_schema` and `temperature` are what the model's row says: whether it takes a JSON schema as response format
    (a bare one is then wrapped), and whether it takes a temperature.
    """
    _check(layers, bare_schema)
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= _on_the_wire(layer.params)
    body = {name: value for name, value in merged.items() if value is not None}
    limit = body.pop("max_tokens", None)
    extra = body.pop("extra_body", {})
    if (wanted := body.get("response_format")) and is_bare_schema(wanted):
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "reply", "schema": wanted}}
    unused = [f"{layer.path}.{name}" for layer in layers for name in layer.params if name in NOT_FOR_THE_WIRE]
    if temperature is False:
        body.pop("temperature", None)
        unused += [f"{layer.path}.temperature" for layer in layers if layer.params.get("temperature") is not None]
    return Params(body | extra, limit, tuple(unused), frozenset(extra))


def _check(layers: Sequence[Layer], bare_schema: bool | None) -> None:
    faults = [
        fault
        for layer in layers
        for fault in parameter_faults(layer.params, parse_path(layer.path), bare_schema=bool(bare_schema))
    ]
    issues = [f"{format_path(fault.path)}: {fault.message}" for fault in faults]
    if bare_schema is False:
        issues += [
            f"{layer.path}.{name}: the model's row says that it takes no JSON schema (supportsJsonSchemaResponseFormat)"
            for layer in layers
            for name in SPELLINGS["response_format"]
            if isinstance(wanted := layer.params.get(name), Mapping) and wanted.get("type") == "json_schema"
        ]
    if issues:
        raise ConfigError("The model's parameters cannot be used.", issues)


def _on_the_wire(params: Mapping[str, Any]) -> dict[str, Any]:
    """One layer under its wire names; of several spellings the first one in the table wins."""
    found: dict[str, Any] = {}
    for wire, spellings in SPELLINGS.items():
        given = [params[spelling] for spelling in spellings if spelling in params]
        if given:
            found[wire] = given[0]
    return found
