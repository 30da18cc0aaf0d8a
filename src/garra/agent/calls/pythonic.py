"""Calls written as a Python list: `[read(path="a", limit=3), list()]`. Parsed as Python, never evaluated."""

import json
import warnings
from typing import TYPE_CHECKING, Any

from garra.agent.calls.fitting import Tools, call_of
from garra.wire.messages import ToolCall

if TYPE_CHECKING:
    import ast

_JSON_NAMES = {"true": True, "false": False, "null": None}


def pythonic_calls(text: str, tools: Tools) -> list[ToolCall]:
    """The calls of a text that is nothing but such a list; none where any of it is something else."""
    import ast  # costs some milliseconds: only for a text that looks like it

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a string of the model's is none of our code
            body = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return []
    items = body.elts if isinstance(body, ast.List) else []
    calls = [_call(item, tools) for item in items]
    known = [call for call in calls if call]
    return known if len(known) == len(calls) else []


def _call(node: "ast.expr", tools: Tools) -> ToolCall | None:
    import ast

    if not isinstance(node, ast.Call) or node.args or not isinstance(node.func, ast.Name | ast.Attribute):
        return None
    try:
        values = {str(each.arg): _value(each.value) for each in node.keywords if each.arg}
        arguments = json.dumps(values, ensure_ascii=False, allow_nan=False)
        name = ast.unparse(node.func)
    except (ValueError, RecursionError):
        return None
    return call_of(name, arguments, tools) if len(values) == len(node.keywords) else None


def _value(node: "ast.expr") -> Any:
    """A literal's value. Raises ValueError for anything that JSON cannot say."""
    import ast

    match node:
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {_key(key): _value(value) for key, value in zip(keys, values, strict=True)}
        case ast.Name(id=name) if name in _JSON_NAMES:
            return _JSON_NAMES[name]
    raise ValueError("not a literal")


def _key(node: "ast.expr | None") -> str:
    key = _value(node) if node is not None else None
    if not isinstance(key, str):
        raise ValueError("not a string")
    return key
