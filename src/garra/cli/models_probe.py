"""How `garra models probe` shows what a model can do: a line for each thing, with what was seen and what it means.

Says "not known" where the server did not tell, and never a guess.
"""

from typing import Any

from garra.models.catalogue import Capabilities

_UNKNOWN = "not known"
_NO_HELP = "a tool parser would not help: see the next line"
_MEND_PARSER = "start it with --enable-auto-tool-choice --tool-call-parser NAME"

Row = tuple[str, str, str]


def probe_lines(model: str, base_url: str, found: Capabilities) -> list[str]:
    """The whole report, aligned; what the server itself said against tools stands below."""
    rows = [_version(found), *_tools(found), *_replies(found), *_server(found)]
    label, seen = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"{'model':{label}}  {model} at {base_url}"]
    lines += [f"{row[0]:{label}}  {row[1]:{seen}}  {row[2]}" for row in rows]
    return [*lines, "", *found.reason.splitlines()] if found.reason else lines


def _version(found: Capabilities) -> Row:
    told = "the server says so" if found.version else "the server has no /version"
    return "version", found.version[:24] or _UNKNOWN, told


def _tools(found: Capabilities) -> list[Row]:
    parser = {
        True: ("accepted", "a request with `tools` is answered"),
        False: ("refused", _NO_HELP if found.template_has_tools is False else _MEND_PARSER),
        None: (_UNKNOWN, "the server failed at requests with and without `tools`"),
    }[found.parser]
    unseen = "`tools` were refused" if found.parser is False else "the server does not tell how long a prompt is"
    template = {
        True: ("shows tools", "the prompt grows by them"),
        False: ("no place for tools", "the model never sees `tools`: the prompt does not grow by them"),
        None: (_UNKNOWN, unseen),
    }[found.template_has_tools]
    return [("tools", *parser), ("chat template", *template), ("tool calls", *_calls(found))]


def _calls(found: Capabilities) -> tuple[str, str]:
    if found.tools == "unknown":
        return _UNKNOWN, "tried natively; calls in the text are read too"
    if found.tools == "native":
        return "native", "sent as `tools`, read from `tool_calls`"
    if found.chooses_first:
        return "chosen first", "the model begins no call by itself: it is asked before each reply; calls always parse"
    how = "held to their schemas: a call that is begun always parses"
    return "described", how if found.holds_calls else "read from the text, where the model writes them well"


def _replies(found: Capabilities) -> list[Row]:
    form = ("no field", "no field that was tried holds a reply to a schema")
    if found.structured_form:
        form = (found.structured_form, "holds a reply to a schema")
    tag = {
        True: ("accepted", "a call in the text can be held to its schema"),
        False: ("refused", "calls in the text are read as they are written"),
        None: (_UNKNOWN, "the server takes anything for one, or could not be tried"),
    }[found.structural_tag]
    images = {
        True: ("seen", "the prompt grows by them"),
        False: ("not seen", "send text alone"),
        None: (_UNKNOWN, "the server does not tell how long a prompt is"),
    }[found.images]
    thinking = ("none seen", "the model answered without thinking aloud")
    if found.reasoning_field:
        thinking = (found.reasoning_field, "the field that the model's thinking comes in")
    return [("structured", *form), ("structural tag", *tag), ("images", *images), ("thinking", *thinking)]


def _server(found: Capabilities) -> list[Row]:
    counts = ("/tokenize", "prompts are counted exactly") if found.tokenize else ("no route", "prompts are estimated")
    usage = {
        True: ("told", "the tokens of each reply are known"),
        False: ("not told", "the tokens of a reply are estimated"),
        None: (_UNKNOWN, "the stream broke off"),
    }[found.stream_usage]
    cached = {
        True: ("told", "how much of a prompt came from the prefix cache is known"),
        False: ("not told", "start vLLM with --enable-prompt-tokens-details to see the share"),
        None: (_UNKNOWN, "no usage was seen"),
    }[found.cached_tokens]
    caching = {
        True: ("on", "a prompt that begins as the last one is read at once"),
        False: ("off", "start vLLM with --enable-prefix-caching"),
        None: (_UNKNOWN, "/metrics does not tell"),
    }[found.prefix_caching]
    slots = (
        (str(found.max_num_seqs), "requests at a time")
        if found.max_num_seqs
        else (_UNKNOWN, "the server does not tell how many requests it runs at a time")
    )
    return [
        ("token counts", *counts),
        ("stream usage", *usage),
        ("cached tokens", *cached),
        ("prefix cache", *caching),
        ("parallel", *slots),
    ]


def as_data(found: Capabilities) -> dict[str, Any]:
    """The same as data. None: not tried, or not told."""
    return {
        "tools": found.tools,
        "rung": found.rung,
        "reason": found.reason,
        "structured": found.structured,
        "tokenize": found.tokenize,
        "version": found.version,
        "parser": found.parser,
        "templateHasTools": found.template_has_tools,
        "structuredForm": found.structured_form or None,
        "structuralTag": found.structural_tag,
        "images": found.images,
        "reasoningField": found.reasoning_field or None,
        "streamUsage": found.stream_usage,
        "cachedTokens": found.cached_tokens,
        "prefixCaching": found.prefix_caching,
        "maxNumSeqs": found.max_num_seqs,
        "beginsCalls": found.begins_calls,
    }
