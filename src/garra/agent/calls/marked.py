"""Calls that a mark announces wherever they stand in a reply: one function a form, each reading the calls at one place.

What a mark announces is only a call when the name is a tool's and the arguments fit; `hermes` has the one exception.
"""

import re
from collections.abc import Callable
from typing import TypeAlias

from garra.agent.calls.fitting import Found, Tools, call_of, json_calls, object_at, skip
from garra.agent.calls.hermes import tagged_call
from garra.agent.calls.pythonic import pythonic_calls
from garra.agent.calls.xml import function_call, keyed_call
from garra.wire.messages import ToolCall

Form: TypeAlias = Callable[[str, int, Tools], Found | None]

_PYTHON_TAG = "<|python_tag|>"
_LLAMA_END = re.compile(r"\s*(?:<\|eom_id\|>|<\|eot_id\|>)?")
_PYTHON_START, _PYTHON_END = "<|python_start|>", "<|python_end|>"
_TOOL_CALLS = "[TOOL_CALLS]"
_MISTRAL_NAME = re.compile(r"([\w.-]+)\s*(?:\[CALL_ID\]\w+\s*)?(?:\[ARGS\])?\s*(?=\{)")
_DEEPSEEK = re.compile(r"(?:<｜tool▁calls▁begin｜>\s*)?<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>)?")
_DEEPSEEK_NAME = re.compile(r"([^<>\s]+)(?:<｜tool▁sep｜>\s*|\s*```json\s*)(?=\{)")
_DEEPSEEK_END = re.compile(r"\s*(?:```\s*)?<｜tool▁call▁end｜>(?:\s*<｜tool▁calls▁end｜>)?")
_KIMI = re.compile(
    r"(?:<\|tool_calls_section_begin\|>\s*)?<\|tool_call_begin\|>\s*functions\.([\w.-]+):\d+\s*"
    r"<\|tool_call_argument_begin\|>\s*(?=\{)"
)
_KIMI_END = re.compile(r"\s*<\|tool_call_end\|>(?:\s*<\|tool_calls_section_end\|>)?")
_TO = r"to=(?:functions\.)?([^<>\s{]+)"
_HARMONY = re.compile(
    r"(?:<\|end\|>)?(?:<\|start\|>assistant)?\s*"
    rf"(?:{_TO}\s*<\|channel\|>(?:commentary|analysis)|<\|channel\|>(?:commentary|analysis)\s*{_TO})"
    r"\s*(?:<\|constrain\|>\w+|\w+)?\s*<\|message\|>\s*(?=\{)"
)
_HARMONY_END = re.compile(r"\s*(?:<\|call\|>|<\|end\|>)?")
_PLAIN_HARMONY = re.compile(rf"(?:assistant)?commentary {_TO}\s*(?:code|json)?\s*(?=\{{)")


def calls_at(text: str, at: int, tools: Tools) -> Found | None:
    """The calls that follow each other from here on, in whatever forms."""
    calls: list[ToolCall] = []
    end = at
    while found := next((found for form in FORMS if (found := form(text, at, tools))), None):
        calls += found[0]
        end = found[1]
        at = skip(text, end)
    return (calls, end) if calls else None


def llama_calls(text: str, at: int, tools: Tools) -> Found | None:
    """`<|python_tag|>{"name": …, "parameters": …}; {…}`, as Llama 3 writes it."""
    if not text.startswith(_PYTHON_TAG, at):
        return None
    found = json_calls(text, skip(text, at + len(_PYTHON_TAG)), tools, ";")
    return (found[0], _after(_LLAMA_END, text, found[1])) if found else None


def llama4_calls(text: str, at: int, tools: Tools) -> Found | None:
    """`<|python_start|>[read(path="a")]<|python_end|>`, as Llama 4 writes it."""
    if not text.startswith(_PYTHON_START, at):
        return None
    start = at + len(_PYTHON_START)
    closed = text.find(_PYTHON_END, start)
    calls = pythonic_calls(text[start : closed if closed >= 0 else len(text)], tools)
    return (calls, closed + len(_PYTHON_END) if closed >= 0 else len(text)) if calls else None


def mistral_calls(text: str, at: int, tools: Tools) -> Found | None:
    """`[TOOL_CALLS][{"name": …, "arguments": …}]`, or with newer tokenizers `[TOOL_CALLS]name{…}`, `…name[ARGS]{…}`."""
    if not text.startswith(_TOOL_CALLS, at):
        return None
    start = skip(text, at + len(_TOOL_CALLS))
    named = _MISTRAL_NAME.match(text, start)
    return _object(text, named.end(), named[1], tools) if named else json_calls(text, start, tools)


def deepseek_call(text: str, at: int, tools: Tools) -> Found | None:
    """`<｜tool▁call▁begin｜>name<｜tool▁sep｜>{…}<｜tool▁call▁end｜>`; V3 and R1 put the object in a fence."""
    begun = _DEEPSEEK.match(text, at)
    named = _DEEPSEEK_NAME.match(text, begun.end()) if begun else None
    found = _object(text, named.end(), named[1], tools) if named else None
    end = _DEEPSEEK_END.match(text, found[1]) if found else None
    return (found[0], end.end()) if found and end else None


def kimi_call(text: str, at: int, tools: Tools) -> Found | None:
    """`<|tool_call_begin|>functions.name:0<|tool_call_argument_begin|>{…}<|tool_call_end|>`, as Kimi K2 writes it."""
    named = _KIMI.match(text, at)
    found = _object(text, named.end(), named[1], tools) if named else None
    end = _KIMI_END.match(text, found[1]) if found else None
    return (found[0], end.end()) if found and end else None


def harmony_call(text: str, at: int, tools: Tools) -> Found | None:
    """`<|channel|>commentary to=functions.name <|constrain|>json<|message|>{…}<|call|>`, as gpt-oss writes it."""
    named = _HARMONY.match(text, at)
    found = _object(text, named.end(), named[1] or named[2], tools) if named else None
    return (found[0], _after(_HARMONY_END, text, found[1])) if found else None


def plain_harmony_call(text: str, at: int, tools: Tools) -> Found | None:
    """The same where the server left the special tokens out: `commentary to=functions.name code {…}`."""
    named = _PLAIN_HARMONY.match(text, at)
    return _object(text, named.end(), named[1], tools) if named else None


def _object(text: str, at: int, name: str, tools: Tools) -> Found | None:
    read = object_at(text, at) if name in tools else None
    call = call_of(name, read[0], tools) if read else None
    return ([call], read[1]) if read and call else None


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    end = pattern.match(text, at)
    return end.end() if end else at


FORMS: tuple[Form, ...] = (
    tagged_call,
    function_call,
    keyed_call,
    llama_calls,
    llama4_calls,
    mistral_calls,
    deepseek_call,
    kimi_call,
    harmony_call,
    plain_harmony_call,
)
