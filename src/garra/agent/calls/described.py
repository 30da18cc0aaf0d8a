"""Tool calls on a server that takes no `tools`: the second rung of the ladder.

The tools are described in the system prompt. The model writes its call between `<tool_call>` tags, and a structural
tag (`structured_outputs` of vLLM, xgrammar's format) holds it to the tool's schema from the opening tag on, so that a
call that has begun always parses. Text around it stays text and streams as it comes.

The history goes back in the same form, byte for byte as it is stored. How the calls are read from the reply is
in `reading`.
"""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from garra.agent.calls.hermes import CLOSE, OPEN
from garra.agent.calls.neutral import neutral_results
from garra.wire.messages import Assistant, Message, System, ToolResult, ToolSpec, User

END = "}\n" + CLOSE
LEAD = "Tools. To call one, end your message with:\n" + OPEN
ANSWER = "<answer>"
CHOOSING_LEAD = (
    f'Tools. When no tool is needed, begin your message with "{ANSWER}" and answer. To call one, write:\n{OPEN}'
)
"""How a description begins, for a model that calls by itself and for one that has to choose (`agent.choosing`). No
prompt without one holds either."""

_SPACES = 1
"""So many between two parts of a call. A weak model would fill its reply with line breaks: each is allowed there."""


def _begin(name: str) -> str:
    return f'{OPEN}\n{{"name": {json.dumps(name)}, "arguments": '


def lead_of(system: str) -> str:
    """With what the description in a system prompt begins; empty where it holds none."""
    return next((lead for lead in (LEAD, CHOOSING_LEAD) if lead in system), "")


def description(specs: Sequence[ToolSpec], *, choosing: bool = False) -> str:
    """How to call the tools, as a part of the system prompt."""
    lines = [
        f"{json.dumps({'name': spec.name, 'description': spec.description, 'parameters': spec.parameters})}"
        for spec in specs
    ]
    form = _begin("NAME").removeprefix(OPEN) + "{ARGUMENTS}" + END
    return "\n".join([(CHOOSING_LEAD if choosing else LEAD) + form, *lines])


def constraint(specs: Sequence[ToolSpec], *, must_call: bool = False, brief: bool | None = None) -> dict[str, Any]:
    """The body fields that hold a call to its schema, once it has begun. One call a reply.

    With `must_call` the reply is a call and nothing else. `brief` (as `must_call`, unless given) is for trying out a
    server: strings, lists and numbers are kept short, so that `brief.TRIAL_TOKENS` are always enough.
    """
    if not specs:
        return {}
    if must_call if brief is None else brief:
        from garra.agent.calls.brief import short  # only for who tries a server out

        specs = [msgspec.structs.replace(spec, parameters=short(spec.parameters)) for spec in specs]
    tags = [_tag(spec.name, spec.parameters) for spec in specs]
    form = {
        "type": "triggered_tags",
        "triggers": [OPEN],
        "tags": tags,
        "at_least_one": must_call,
        "stop_after_first": True,
    }
    return {"structured_outputs": {"structural_tag": json.dumps({"type": "structural_tag", "format": form})}}


def no_call() -> dict[str, Any]:
    """The body fields that hold a reply to an answer: it begins with the tag of one."""
    parts = [{"type": "const_string", "value": f"{ANSWER}\n"}, {"type": "any_text"}]
    form = {"type": "sequence", "elements": parts}
    return {"structured_outputs": {"structural_tag": json.dumps({"type": "structural_tag", "format": form})}}


def _tag(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    content = {"type": "json_schema", "json_schema": schema, "max_whitespace_cnt": _SPACES}
    return {"begin": _begin(name), "content": content, "end": END}


def as_text(messages: Sequence[Message]) -> list[Message]:
    """The history without the tool roles: calls as the text that they were written in, results as user messages.

    The results of one step are one message, since some templates refuse two of a role in a row. They are only ever sent
    together, so what was sent stays sent.
    """
    plain: list[Message] = []
    messages = neutral_results(messages)
    for before, message in zip((None, *messages), messages, strict=False):
        written = _plain(message)
        if isinstance(before, ToolResult) and isinstance(message, ToolResult):
            plain[-1] = User(f"{_content(plain[-1])}\n{_content(written)}")
        else:
            plain.append(written)
    return plain


def _content(message: Message) -> str:
    return message.content if isinstance(message, User) and isinstance(message.content, str) else ""


def _plain(message: Message) -> Message:
    match message:
        case Assistant(text, calls, reasoning, field) if calls:
            written = "\n".join(f"{_begin(call.name)}{call.arguments}{END}" for call in calls)
            return Assistant(text + written, (), reasoning, field)
        case ToolResult(_, _, text):
            return User(f"<tool_response>\n{text}\n</tool_response>")
        case System() | User() | Assistant():
            return message
