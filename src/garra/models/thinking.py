"""How much a model thinks before it answers: the levels, which of them a model offers, and what a level sends.

A field is sent only where something says that the server takes it: the model row (`compat.thinkingFormat`,
`compat.supportsReasoningEffort`, OpenClaw's names), or the model's id together with somebody's wish. The ids are those
whose switch is documented for vLLM (docs.vllm.ai, features/reasoning_outputs; for gpt-oss, Gemma 4 and Kimi K2.5 their
recipes). A wrong guess does no harm there: a template ignores a `chat_template_kwargs` key that it does not know. For
such a model nothing is sent until somebody asks, since its own default may be the better one; a row's format sends its
default.

What a person wrote into `params` wins over everything here. No server is asked, and nothing is stored.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from garra.config.schema_models import Compat, ModelRow
from garra.errors import UsageFault

if TYPE_CHECKING:
    from garra.config.load import Configuration
    from garra.models.catalogue import Chosen
    from garra.models.params import Layer

LEVELS = ("off", "minimal", "low", "medium", "adaptive", "high", "xhigh", "max", "ultra")
_USUAL = ("off", "minimal", "low", "medium", "high")
_BINARY = ("off", "low")
_NO_EFFORT = ("qwen", "qwen-chat-template", "nemotron-3", "enable_thinking", "thinking")
_TEMPLATE = "chat_template_kwargs"

_KNOWN = (
    (r"nemotron-?3", "nemotron-3"),
    (r"gpt-?oss", "gpt-oss"),
    (r"qwen-?3(?!.*(instruct|coder|thinking|embed|rerank|guard))|glm-?(4\.[5-9]|[5-9])|gemma-?4", "enable_thinking"),
    (r"deepseek-?v3\.[12]|granite-?3\.[23]|holo-?2|kimi-?k2\.5", "thinking"),
)
"""What switches the models of an id: a key of `chat_template_kwargs`, or an effort for gpt-oss."""

_OPEN_ALWAYS = re.compile(r"deepseek-?r1|qwq|qwen-?3.*thinking|minimax-?m2", re.IGNORECASE)
_OPEN_WHEN_ON = re.compile(r"deepseek-?v3\.[12]|qwen-?3\.[5-9]|nemotron-?3|glm-?(4\.7|5)", re.IGNORECASE)
"""Models whose template opens `<think>` in the prompt, so that the reply holds the end tag alone."""


class Thinking(msgspec.Struct, frozen=True):
    """A model's thinking as it can be set. No `format`: nothing is known, and nothing is sent.

    `level` is the one that `params` are for, empty where the server's own default holds; `default` the one without a
    wish. `efforts` renames levels. `own` are the person's parameters, those in `sealed` from `extra_body`. `opens`: the
    template opens the tag in the prompt. `always`: the model thinks, and nothing switches that.
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
    model: str = ""


def make_thinking(
    model_id: str, row: ModelRow | None, asked: str | None, own: Mapping[str, Any], sealed: frozenset[str]
) -> Thinking:
    """What is known of a model's thinking. `asked`: the level that the configuration wants, None where it says none."""
    always = _OPEN_ALWAYS.search(model_id) is not None
    unknown = Thinking(own=own, sealed=sealed, opens=always, always=always, model=model_id)
    if row is not None and row.reasoning is False:
        return msgspec.structs.replace(unknown, opens=False, always=False)
    form = _format(model_id, row)
    if not form:
        return unknown
    compat = row.compat if row else Compat()
    efforts, supported = _efforts(row), compat.supported_reasoning_efforts
    takes = compat.supports_reasoning_effort
    if takes is None:
        takes = form in ("openrouter", "deepseek", "gpt-oss") or bool(supported)
    levels = _levels(form, takes, efforts, supported)
    return msgspec.structs.replace(
        unknown,
        format=form,
        levels=levels,
        default=_nearest(levels, asked or _own_default(form, row)),
        efforts=_with_off(efforts, supported),
        has_efforts=takes,
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
    wanted = _nearest(thinking.levels, level) if level in LEVELS else thinking.default
    params = _merged(_fields(thinking, wanted) if wanted else {}, thinking)
    opens = thinking.always or (_on(wanted) and _OPEN_WHEN_ON.search(thinking.model) is not None)
    thinking = msgspec.structs.replace(thinking, level=wanted, opens=opens)
    return msgspec.structs.replace(chosen, params=params, thinking=thinking)


def levels_of(chosen: "Chosen") -> tuple[str, ...]:
    """The levels that this model offers; none where nothing is known of it."""
    return chosen.thinking.levels


def label(chosen: "Chosen", level: str) -> str:
    """A level as people read it: of two, the second is `on`."""
    return "on" if level == "low" and chosen.thinking.levels == _BINARY else level


def level_named(chosen: "Chosen", word: str) -> str:
    """The level that a person means; raises UsageFault for one that this model does not offer."""
    levels, word = levels_of(chosen), word.strip().lower()
    if not levels:
        raise UsageFault(_nothing_known(chosen))
    if word == "on":
        return _nearest(levels, "medium")
    if levels == _BINARY and word in LEVELS:
        return _nearest(levels, word)
    if word not in levels:
        offered = ", ".join(label(chosen, each) for each in levels)
        raise UsageFault(f"{chosen.ref} offers no thinking level {word!r}; it offers: {offered}.")
    return word


def kept_by_params(chosen: "Chosen") -> tuple[str, ...]:
    """The fields that a level would send and the person's own `params` hold fast, in words."""
    thinking = chosen.thinking
    kept: list[str] = []
    for name, value in (_fields(thinking, thinking.level) if thinking.level else {}).items():
        sent = chosen.params.get(name)
        if isinstance(value, dict) and isinstance(sent, dict):
            kept += [f"{name}.{key}" for key in value if sent.get(key) != value[key]]
        elif sent != value:
            kept.append(name)
    return tuple(kept)


def _nothing_known(chosen: "Chosen") -> str:
    if chosen.thinking.always:
        return f"{chosen.ref} always thinks before it answers; nothing switches that."
    return (
        f"Nothing is known of how {chosen.ref} is told to think, so nothing would change. If it can: set "
        f"compat.thinkingFormat in its row under models.providers.{chosen.ref.provider}.models (qwen-chat-template, "
        "for example), or the field itself in its params (chat_template_kwargs, reasoning_effort)."
    )


def _format(model_id: str, row: ModelRow | None) -> str:
    """How the model is told: what its row says, else what its id says."""
    compat = row.compat if row else Compat()
    if compat.thinking_format not in (None, "openai"):
        return str(compat.thinking_format)
    known = next((form for pattern, form in _KNOWN if re.search(pattern, model_id, re.IGNORECASE)), "")
    if compat.supports_reasoning_effort or compat.supported_reasoning_efforts:
        return "gpt-oss" if known == "gpt-oss" and not compat.supported_reasoning_efforts else "openai"
    return "" if compat.supports_reasoning_effort is False or compat.thinking_format else known


def _own_default(form: str, row: ModelRow | None) -> str:
    """The level where nobody asked for one; empty leaves it to the server."""
    if row is None or form in ("enable_thinking", "thinking", "gpt-oss"):
        return ""
    if form == "nemotron-3":
        return "off" if row.reasoning else ""
    return "medium" if row.reasoning and form not in ("qwen", "qwen-chat-template") else "off"


def _efforts(row: ModelRow | None) -> dict[str, str | None]:
    return {} if row is None else {**(row.compat.reasoning_effort_map or {}), **row.thinking_level_map}


def _with_off(efforts: dict[str, str | None], supported: Sequence[str] | None) -> dict[str, str | None]:
    """What `off` sends as an effort: only where the row names a word for it."""
    return {"off": "none" if "none" in (supported or ()) else None, **efforts}


def _levels(
    form: str, has_efforts: bool, efforts: Mapping[str, str | None], supported: Sequence[str] | None
) -> tuple[str, ...]:
    if form == "gpt-oss" and supported is None:
        offered: tuple[str, ...] = ("low", "medium", "high")
    elif not has_efforts or form in _NO_EFFORT:
        offered = _BINARY
    else:
        usual = _USUAL if supported is None else ("off", *supported)
        offered = tuple(level for level in LEVELS if level in usual or efforts.get(level) in (supported or ()))
    added = [level for level, effort in efforts.items() if effort is not None and form not in _NO_EFFORT]
    gone = [level for level, effort in efforts.items() if effort is None]
    return tuple(level for level in LEVELS if (level in offered or level in added) and level not in gone)


def _nearest(levels: Sequence[str], level: str | None) -> str:
    """The offered level that is closest to the one that is wanted, and not above it where there is a choice."""
    if not level or not levels or level in levels:
        return level if level and levels else ""
    below = [each for each in levels if LEVELS.index(each) < LEVELS.index(level) and each != "off"]
    return below[-1] if below else next((each for each in levels if each != "off"), levels[0])


def _on(level: str) -> bool:
    return level not in ("", "off")


def _fields(thinking: Thinking, level: str) -> dict[str, Any]:
    """What goes into the body for one level."""
    on, effort = _on(level), thinking.efforts.get(level, level if _on(level) else None)
    sent = {"reasoning_effort": effort} if effort and thinking.has_efforts else {}
    match thinking.format:
        case "openai" | "gpt-oss":
            return sent
        case "openrouter":
            return {"reasoning": {"effort": effort or "none"}}
        case "together":
            return {"reasoning": {"enabled": on}, **(sent if on else {})}
        case "deepseek" | "zai":
            return {"thinking": {"type": "enabled" if on else "disabled"}, **(sent if on else {})}
        case "qwen":
            return {"enable_thinking": on}
        case "qwen-chat-template":
            return {_TEMPLATE: {"enable_thinking": on, "preserve_thinking": True}}
        case "nemotron-3" if not on:
            return {_TEMPLATE: {"enable_thinking": False, "force_nonempty_content": True}}
        case "thinking":
            return {_TEMPLATE: {"thinking": on}}
        case _:
            return {_TEMPLATE: {"enable_thinking": on}}


def _merged(fields: Mapping[str, Any], thinking: Thinking) -> dict[str, Any]:
    """The person's own parameters over the fields; a template's keys one by one, unless `extra_body` has them whole."""
    merged = {**thinking.own, **{name: value for name, value in fields.items() if name not in thinking.own}}
    generated, own = fields.get(_TEMPLATE), thinking.own.get(_TEMPLATE)
    if generated and isinstance(own, Mapping) and _TEMPLATE not in thinking.sealed:
        merged[_TEMPLATE] = {**generated, **own}
    return merged
