"""The ways in which servers are told how much a model shall think: which one a model takes, and what a level sends.

The seven formats of OpenClaw's `compat.thinkingFormat`, and what is known by id. The ids are those whose switch is
documented for vLLM (docs.vllm.ai, features/reasoning_outputs; for gpt-oss, Gemma 4 and Kimi K2.5 their recipes). A
wrong guess does no harm there: a template ignores a `chat_template_kwargs` key that it does not know.

Nothing here knows a session or the person's parameters.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from garra.config.schema_models import Compat, ModelRow

LEVELS = ("off", "minimal", "low", "medium", "adaptive", "high", "xhigh", "max", "ultra")
_USUAL = ("off", "minimal", "low", "medium", "high")
BINARY = ("off", "low")
_NO_EFFORT = ("qwen", "qwen-chat-template", "nemotron-3", "enable_thinking", "thinking")
TEMPLATE = "chat_template_kwargs"

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


def always_thinks(model_id: str) -> bool:
    """Whether the model thinks whatever it is told."""
    return _OPEN_ALWAYS.search(model_id) is not None


def opens_tag(model_id: str, level: str) -> bool:
    """Whether the template opens the tag in the prompt at this level."""
    return always_thinks(model_id) or (is_on(level) and _OPEN_WHEN_ON.search(model_id) is not None)


def format_of(model_id: str, row: ModelRow | None) -> str:
    """How the model is told: what its row says, else what its id says; empty where neither does."""
    compat = row.compat if row else Compat()
    if compat.thinking_format not in (None, "openai"):
        return str(compat.thinking_format)
    known = next((form for pattern, form in _KNOWN if re.search(pattern, model_id, re.IGNORECASE)), "")
    known = "" if always_thinks(model_id) else known
    if compat.supports_reasoning_effort or compat.supported_reasoning_efforts:
        return "gpt-oss" if known == "gpt-oss" and not compat.supported_reasoning_efforts else "openai"
    return "" if compat.supports_reasoning_effort is False or compat.thinking_format else known


def own_default(form: str, row: ModelRow | None) -> str:
    """The level where nobody asked for one; empty leaves it to the server."""
    if row is None or form in ("enable_thinking", "thinking"):
        return ""
    if form == "nemotron-3":
        return "off" if row.reasoning else ""
    if form == "gpt-oss":
        return "medium" if row.reasoning and row.compat.supports_reasoning_effort else ""
    return "medium" if row.reasoning and form not in ("qwen", "qwen-chat-template") else "off"


def takes_efforts(form: str, row: ModelRow | None) -> bool:
    """Whether the server takes `reasoning_effort`, beside a switch or alone."""
    compat = row.compat if row else Compat()
    if compat.supports_reasoning_effort is not None:
        return compat.supports_reasoning_effort
    return form in ("openrouter", "deepseek", "gpt-oss") or bool(compat.supported_reasoning_efforts)


def efforts_of(row: ModelRow | None) -> dict[str, str | None]:
    """The server's words for levels. `off` is said only where the row has a word for it."""
    if row is None:
        return {}
    none = {"off": "none"} if "none" in (row.compat.supported_reasoning_efforts or ()) else {}
    return {**none, **(row.compat.reasoning_effort_map or {}), **row.thinking_level_map}


def levels_for(form: str, row: ModelRow | None) -> tuple[str, ...]:
    """The levels that a model offers: those that make a difference."""
    has_efforts, efforts = takes_efforts(form, row), efforts_of(row)
    supported = row.compat.supported_reasoning_efforts if row else None
    if form == "gpt-oss" and supported is None:
        offered: tuple[str, ...] = ("low", "medium", "high")
    elif not has_efforts or form in _NO_EFFORT:
        offered = BINARY
    else:
        usual = _USUAL if supported is None else ("off", *supported)
        offered = tuple(level for level in LEVELS if level in usual or efforts.get(level) in (supported or ()))
    added = [level for level, effort in efforts.items() if effort is not None and form not in _NO_EFFORT]
    gone = [level for level, effort in efforts.items() if effort is None]
    return tuple(level for level in LEVELS if (level in offered or level in added) and level not in gone)


def nearest(levels: Sequence[str], level: str | None) -> str:
    """The offered level that is closest to the one that is wanted, and not above it where there is a choice."""
    if not level or not levels or level in levels:
        return level if level and levels else ""
    below = [each for each in levels if LEVELS.index(each) < LEVELS.index(level) and each != "off"]
    return below[-1] if below else next((each for each in levels if each != "off"), levels[0])


def is_on(level: str) -> bool:
    """Whether the model shall think."""
    return level not in ("", "off")


def fields_for(form: str, level: str, efforts: Mapping[str, str | None], *, has_efforts: bool) -> dict[str, Any]:
    """What goes into the body for one level."""
    on = is_on(level)
    effort = efforts.get(level, level if on else None)
    sent = {"reasoning_effort": effort} if effort and has_efforts else {}
    match form:
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
            return {TEMPLATE: {"enable_thinking": on, "preserve_thinking": True}}
        case "nemotron-3" if not on:
            return {TEMPLATE: {"enable_thinking": False, "force_nonempty_content": True}}
        case "thinking":
            return {TEMPLATE: {"thinking": on}}
        case _:
            return {TEMPLATE: {"enable_thinking": on}}
