"""How much a model thinks before it answers: the level that is wanted, and the parameters that it makes.

A field is sent only where something says that the server takes it: the model row (`compat.thinkingFormat`,
`compat.supportsReasoningEffort`, OpenClaw's names), or the model's id together with somebody's wish. Where only the id
tells, nothing is sent until somebody asks, since the model's own default may be the better one; a row's format sends
its default. What the formats are is in `thinking_formats`.

What a person wrote into `params` wins over everything here. No server is asked, and nothing is stored.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from garra.config.schema_models import ModelRow
from garra.errors import UsageFault
from garra.models.thinking_formats import (
    BINARY,
    LEVELS,
    TEMPLATE,
    always_thinks,
    efforts_of,
    fields_for,
    format_of,
    levels_for,
    nearest,
    opens_tag,
    own_default,
    takes_efforts,
)

if TYPE_CHECKING:
    from garra.config.load import Configuration
    from garra.models.catalogue import Chosen
    from garra.models.params import Layer


class Thinking(msgspec.Struct, frozen=True):
    """A model's thinking as it can be set. No `format`: nothing is known, and nothing is sent.

    `level` is the one that `params` are for, empty where the server's own default holds; `default` the one without a
    wish. `efforts` renames levels. `own` are the person's parameters, those in `sealed` from `extra_body`. `opens`: the
    template opens the tag in the prompt. `always`: the model thinks, and nothing switches that; `never`: its row says
    that it does not.
    """

    format: str = ""
    levels: tuple[str, ...] = ()
    default: str = ""
    level: str = ""
    efforts: Mapping[str, str | None] = {}
    has_efforts: bool = False
    own: Mapping[str, Any] = {}
    sealed: frozenset[str] = frozenset()
    opens: bool = False
    always: bool = False
    never: bool = False
    model: str = ""


def make_thinking(
    model_id: str, row: ModelRow | None, asked: str | None, own: Mapping[str, Any], sealed: frozenset[str]
) -> Thinking:
    """What is known of a model's thinking. `asked`: the level that the configuration wants, None where it says none."""
    always = always_thinks(model_id)
    unknown = Thinking(own=own, sealed=sealed, opens=always, always=always, model=model_id)
    if row is not None and row.reasoning is False:
        return msgspec.structs.replace(unknown, opens=False, always=False, never=True)
    form = format_of(model_id, row)
    if not form:
        return unknown
    levels = levels_for(form, row)
    return msgspec.structs.replace(
        unknown,
        format=form,
        levels=levels,
        default=nearest(levels, asked or own_default(form, row)),
        efforts=efforts_of(row),
        has_efforts=takes_efforts(form, row),
    )


def asked_level(configuration: "Configuration", agent: str, layers: Sequence["Layer"]) -> str | None:
    """The level that the configuration wants for an agent and a model, the strongest word first (openclaw.md 3.5)."""

    def said(*prefixes: str) -> list[str]:
        return [
            layer.params["thinking"]
            for layer in reversed(layers)
            if layer.path.startswith(prefixes) and layer.params.get("thinking") is not None
        ]

    shared = configuration.config.agents.defaults.thinking_default
    words = [
        configuration.agent(agent).thinking_default,
        *said("agents.entries"),
        *said("agents.defaults.models"),
        shared,
        *said("agents.defaults.params", "models.providers"),
    ]
    return next((word for word in words if word), None)


def with_thinking(chosen: "Chosen", level: str | None) -> "Chosen":
    """The same model, with the parameters for this level; None, or one that nobody knows, stands for the default."""
    thinking = chosen.thinking
    wanted = nearest(thinking.levels, level) if level in LEVELS else thinking.default
    params = _merged(_fields(thinking, wanted), thinking)
    opens = not thinking.never and opens_tag(thinking.model, wanted)
    thinking = msgspec.structs.replace(thinking, level=wanted, opens=opens)
    return msgspec.structs.replace(chosen, params=params, thinking=thinking)


def levels_of(chosen: "Chosen") -> tuple[str, ...]:
    """The levels that this model offers; none where nothing is known of it."""
    return chosen.thinking.levels


def label(chosen: "Chosen", level: str) -> str:
    """A level as people read it: of two, the second is `on`."""
    return "on" if level == "low" and chosen.thinking.levels == BINARY else level


def level_named(chosen: "Chosen", word: str) -> str:
    """The level that a person means; raises UsageFault for one that this model does not offer."""
    levels, word = levels_of(chosen), word.strip().lower()
    if not levels:
        raise UsageFault(nothing_known(chosen))
    if word == "on":
        return nearest(levels, "medium")
    if levels == BINARY and word in LEVELS:
        return nearest(levels, word)
    if word not in levels:
        offered = ", ".join(label(chosen, each) for each in levels)
        raise UsageFault(f"{chosen.ref} offers no thinking level {word!r}; it offers: {offered}.")
    return word


def kept_by_params(chosen: "Chosen") -> tuple[str, ...]:
    """The fields that a level would send and the person's own `params` hold fast, in words."""
    thinking = chosen.thinking
    kept: list[str] = []
    for name, value in _fields(thinking, thinking.level).items():
        sent = chosen.params.get(name)
        if isinstance(value, dict) and isinstance(sent, dict):
            kept += [f"{name}.{key}" for key in value if sent.get(key) != value[key]]
        elif sent != value:
            kept.append(name)
    return tuple(kept)


def nothing_known(chosen: "Chosen") -> str:
    """Why a model offers no levels, and what would help."""
    if chosen.thinking.never:
        return f"The configuration says that {chosen.ref} does not think: reasoning: false in its row."
    if chosen.thinking.always:
        return f"{chosen.ref} always thinks before it answers; nothing switches that."
    return (
        f"Nothing is known of how {chosen.ref} is told to think, so nothing would change. If it can: set "
        f"compat.thinkingFormat in its row under models.providers.{chosen.ref.provider}.models (qwen-chat-template, "
        "for example), or the field itself in its params (chat_template_kwargs, reasoning_effort)."
    )


def sends_nothing(chosen: "Chosen") -> bool:
    """Whether this level leaves the server to its own default."""
    return not _fields(chosen.thinking, chosen.thinking.level)


def _fields(thinking: Thinking, level: str) -> dict[str, Any]:
    if not level:
        return {}
    return fields_for(thinking.format, level, thinking.efforts, has_efforts=thinking.has_efforts)


def _merged(fields: Mapping[str, Any], thinking: Thinking) -> dict[str, Any]:
    """The person's own parameters over the fields; a template's keys one by one, unless `extra_body` has them whole."""
    merged = {**thinking.own, **{name: value for name, value in fields.items() if name not in thinking.own}}
    generated, own = fields.get(TEMPLATE), thinking.own.get(TEMPLATE)
    if generated and isinstance(own, Mapping) and TEMPLATE not in thinking.sealed:
        merged[TEMPLATE] = {**generated, **own}
    return merged
