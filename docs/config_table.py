"""Writes the table of keys into config.md from the schema: python docs/config_table.py

Types and defaults come from the code; what a key means stands here, and a key without a meaning is an error.
"""

import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from garra.config.check import fields_of, words
from garra.config.schema import Config
from garra.config.section import Section

PAGE = Path(__file__).parent / "config.md"
BEGIN, END = "<!-- keys: written by docs/config_table.py -->", "<!-- end of keys -->"
AS_ELSEWHERE = {
    "agents.entries.<id>.models": "As `agents.defaults.models`; its parameters win over those.",
    "agents.entries.<id>.tools": "As `tools`, for this agent.",
    "agents.entries.<id>.compaction": "As `agents.defaults.compaction`; what is set here wins.",
    "agents.entries.<id>.model": "As `agents.defaults.model`.",
}
MEANINGS = {
    "$schema": "For editors; not read.",
    "meta": "Notes of the program that wrote the file; not read.",
    "env.vars": "Variables, used where the process environment and `.env` lack them.",
    "agents.defaults.model": "The model: `provider/id`, an alias, or an object with `primary` and `fallbacks`.",
    "agents.defaults.model.primary": "The model that is asked first.",
    "agents.defaults.model.fallbacks": "The models that are tried after it.",
    "agents.defaults.models.<ref>.alias": "A short name for the model.",
    "agents.defaults.models.<ref>.params": "Parameters for the model. `vllm/*` as `<ref>` brings discovery back.",
    "agents.defaults.params": "Parameters for every model; `extra_body` goes into the request as it is.",
    "agents.defaults.workspace": "The working folder; `~/.garra/workspace` where not set.",
    "agents.defaults.skipBootstrap": "Do not put the workspace's first files there.",
    "agents.defaults.bootstrapMaxChars": "How much of one workspace file goes into the prompt.",
    "agents.defaults.bootstrapTotalMaxChars": "How much of all of them does.",
    "agents.defaults.contextTokens": "A smaller window than the model has.",
    "agents.defaults.thinkingDefault": "How much the model thinks (see thinking.md); `/think` changes it.",
    "agents.defaults.reasoningDefault": "Whether `garra chat` shows the thinking: never, afterwards, or as it comes.",
    "agents.defaults.timeoutSeconds": "How long a turn may take; 0: as long as it wants.",
    "agents.defaults.maxSteps": "How often a turn may ask the model.",
    "agents.defaults.warmup": "`true`: `garra chat` sends the prompt ahead, so that the first message need not wait.",
    "agents.defaults.compaction.enabled": "Summarise older turns when the window fills; `/compact` works in any case.",
    "agents.defaults.compaction.mode": "`default`: summaries are not checked.",
    "agents.defaults.compaction.keepRecentTokens": "What stays as it was said; a third of the window at most.",
    "agents.defaults.compaction.recentTurnsPreserve": "So many turns stay, where they fit (0 to 12).",
    "agents.defaults.compaction.identifierPolicy": "`strict`: paths and ids of the last messages must be in it.",
    "agents.defaults.compaction.qualityGuard.enabled": "Ask again for a summary that lost something.",
    "agents.defaults.compaction.qualityGuard.maxRetries": "How often (0 to 3).",
    "agents.defaults.compaction.model": "Who writes the summary; the conversation's own model where not set.",
    "agents.defaults.compaction.thinkingLevel": "How much it thinks about it; `inherit`: as in the conversation.",
    "agents.defaults.compaction.timeoutSeconds": "How long one summary may take.",
    "agents.defaults.compaction.notifyUser": "Tell when it happened by itself.",
    "agents.entries.<id>.default": "This agent is meant where none is named.",
    "agents.entries.<id>.name": "Its name for people.",
    "agents.entries.<id>.workspace": "Its own working folder.",
    "agents.entries.<id>.params": "Its own parameters; they win over all others.",
    "agents.entries.<id>.skipBootstrap": "As in the defaults.",
    "agents.entries.<id>.bootstrapMaxChars": "As in the defaults.",
    "agents.entries.<id>.bootstrapTotalMaxChars": "As in the defaults.",
    "agents.entries.<id>.contextTokens": "As in the defaults.",
    "agents.entries.<id>.thinkingDefault": "As in the defaults.",
    "agents.entries.<id>.reasoningDefault": "As in the defaults.",
    "agents.entries.<id>.timeoutSeconds": "As in the defaults.",
    "agents.entries.<id>.maxSteps": "As in the defaults.",
    "models.mode": "`replace`: only the models that are listed here.",
    "models.providers.<id>.baseUrl": "The server's address, with `/v1`.",
    "models.providers.<id>.baseUrls": "Addresses of servers of the same models; a session stays with one.",
    "models.providers.<id>.apiKey": 'The key: a text, `${VAR}`, or a reference `{source: "env", id: "VAR"}`.',
    "models.providers.<id>.auth": "The kind of the key.",
    "models.providers.<id>.api": "`openai-completions`; a provider with another one is left out.",
    "models.providers.<id>.maxTokens": "The longest reply, for rows that do not say.",
    "models.providers.<id>.timeoutSeconds": "How long the server may be silent.",
    "models.providers.<id>.params": "Parameters for its models.",
    "models.providers.<id>.localService.command": "The command that starts the server.",
    "models.providers.<id>.localService.args": "Its arguments.",
    "models.providers.<id>.localService.cwd": "Its working folder.",
    "models.providers.<id>.localService.env": "Its variables.",
    "models.providers.<id>.localService.healthUrl": "What answers when it is ready; `baseUrl`/models where not set.",
    "models.providers.<id>.localService.readyTimeoutMs": "How long it may take to be ready.",
    "models.providers.<id>.localService.idleStopMs": "Stop it when unused for so long; 0: never.",
    "models.providers.<id>.headers": "Headers for every request.",
    "models.providers.<id>.authHeader": "Send the key as `Authorization`, whatever else is set.",
    "models.providers.<id>.request.headers": "More headers.",
    "models.providers.<id>.request.auth.mode": "How the key is sent.",
    "models.providers.<id>.request.auth.token": "The token of `authorization-bearer`.",
    "models.providers.<id>.request.auth.headerName": "The header of `header`.",
    "models.providers.<id>.request.auth.value": "Its value.",
    "models.providers.<id>.request.auth.prefix": "What stands before the value.",
    "models.providers.<id>.request.allowPrivateNetwork": "Whether redirects may lead into private networks.",
    "models.providers.<id>.models[].id": "The model's id on the server.",
    "models.providers.<id>.models[].name": "Its name for people.",
    "models.providers.<id>.models[].api": "As the provider's.",
    "models.providers.<id>.models[].baseUrl": "An address of its own.",
    "models.providers.<id>.models[].headers": "Headers of its own.",
    "models.providers.<id>.models[].reasoning": "Whether it thinks before it answers.",
    "models.providers.<id>.models[].input": "What it takes: text, image, video, audio.",
    "models.providers.<id>.models[].cost.input": "Price of a million tokens.",
    "models.providers.<id>.models[].cost.output": "The same for the reply.",
    "models.providers.<id>.models[].cost.cacheRead": "The same for cached ones.",
    "models.providers.<id>.models[].cost.cacheWrite": "The same for writing the cache.",
    "models.providers.<id>.models[].contextWindow": "Its window; the server is asked where not set.",
    "models.providers.<id>.models[].contextTokens": "A smaller window than it has.",
    "models.providers.<id>.models[].maxTokens": "Its longest reply.",
    "models.providers.<id>.models[].thinkingLevelMap": "The server's words for thinking levels; null: none such.",
    "models.providers.<id>.models[].params": "Parameters for it.",
    "models.providers.<id>.models[].compat": "What the server can take and wants otherwise (see thinking.md).",
    "auth.profiles.<id>.provider": "The provider that the profile is for. Keys are stored by `garra auth`, not here.",
    "auth.profiles.<id>.mode": "The kind of its key.",
    "auth.profiles.<id>.email": "Whose it is.",
    "auth.profiles.<id>.displayName": "Its name for people.",
    "auth.order.<provider>": "The order in which a provider's profiles are tried.",
    "tools.profile": "A ready set of tools.",
    "tools.allow": "Only these tools. Not together with `alsoAllow`.",
    "tools.alsoAllow": "These tools besides those of the profile.",
    "tools.deny": "Never these tools.",
    "tools.exec.mode": "Which commands run: none, allowed ones, others after asking, all.",
    "tools.exec.timeoutSeconds": "How long a command may take.",
    "tools.exec.backgroundMs": "After how long a command goes on in the background.",
    "tools.exec.pathPrepend": "Folders that come first in `PATH`.",
    "tools.exec.safeBins": "Commands that never need to be asked for.",
    "tools.fs.workspaceOnly": "Files outside the workspace are never touched.",
    "session.scope": "One conversation for each person, or one for all.",
    "session.dmScope": "How private conversations are told apart.",
    "session.groupScope": "Whether a group has a conversation of its own.",
    "session.reset.mode": "When a conversation starts anew by itself.",
    "session.reset.atHour": "The hour, for `daily`.",
    "session.reset.idleMinutes": "The silence, for `idle`.",
}
MAP_KEYS = {"agents.defaults.models": "<ref>", "auth.order": "<provider>"}
LATER: set[str] = set()  # keys that nothing reads yet; found on the way
WHOLE = ("env.vars", "models.providers.<id>.models[].compat")


def keys(kind: Any, path: str = "", default: Any = None) -> Iterator[tuple[str, Any, Any]]:
    """Every key that is checked: path, kind, default."""
    inner = sections(kind)
    if path in AS_ELSEWHERE or path in WHOLE or not inner:
        yield path, kind, default
        return
    if get_origin(kind) is not dict and str in get_args(kind):
        yield path, kind, default
    for section, suffix in inner:
        if suffix == ".<>":
            suffix = f".{MAP_KEYS.get(path, '<id>')}"
        if not (isinstance(section, type) and issubclass(section, Section)):
            yield f"{path}{suffix}", section, None
            continue
        for name, field in fields_of(section).items():
            below = f"{path}{suffix}.{name}".lstrip(".")
            if name in section.later:
                LATER.add(below)
            usual = None if field.default is msgspec.NODEFAULT else msgspec.to_builtins(field.default)
            yield from keys(field.type, below, usual)


def sections(kind: Any) -> list[tuple[Any, str]]:
    """The sections that a kind holds, and what stands between in the path."""
    if isinstance(kind, type) and issubclass(kind, Section):
        return [(kind, "")] if kind.__name__ != "SecretRef" else []
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return [found for part in arguments for found in sections(part)]
    if origin is tuple and sections(arguments[0]):
        return [(arguments[0], "[]")]
    if origin is dict and (sections(arguments[1]) or get_origin(arguments[1]) is tuple):
        return [(arguments[1], ".<>")]
    return []


def kind_text(kind: Any) -> str:
    """The kind in words."""
    if get_origin(kind) is Annotated:
        return kind_text(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(kind_text(part) for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is Literal:
        return " ".join(f"`{word}`" for word in get_args(kind))
    return words(kind)


def table() -> str:
    """The table in Markdown."""
    meanings = {**MEANINGS, **AS_ELSEWHERE}
    rows = list(keys(Config))
    if unexplained := {path for path, _, _ in rows} ^ set(meanings):
        sys.exit(f"keys and meanings differ: {sorted(unexplained)}")
    lines = ["| Key | Kind | Default | Meaning |", "|---|---|---|---|"]
    for path, kind, default in rows:
        later = any(path == key or path.startswith(f"{key}.") for key in LATER)
        usual = (
            "" if default in (None, {}, [], ()) or path in WHOLE or path in AS_ELSEWHERE else f"`{json.dumps(default)}`"
        )
        lines.append(
            f"| `{path}` | {kind_text(kind)} | {usual} | {'Not used yet. ' if later else ''}{meanings[path]} |"
        )
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with the table brought up to date."""
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
