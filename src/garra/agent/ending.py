"""How a reply ended, where that is not as it should be: in words for the person, and as an answer to a cut call."""

import msgspec

from garra.wire.messages import Assistant, ToolCall, ToolResult

CUT = (
    "The reply was cut off at its length limit before this call was whole; nothing was run. "
    "Make the call smaller: a long file, for example, in several steps."
)


def notice_of(reply: Assistant, finish_reason: str | None) -> str:
    """What the person should know of a reply that ends the turn; empty when all is well."""
    if not reply.text.strip():
        return _silent(reply, finish_reason)
    if finish_reason == "length":
        return 'The reply was cut off at its length limit (maxTokens, or the end of the window). "Go on" asks for more.'
    if finish_reason == "content_filter":
        return "The server cut off the reply: its content filter stepped in."
    return ""


def _silent(reply: Assistant, finish_reason: str | None) -> str:
    if finish_reason == "length":
        spent = "on thinking " if reply.reasoning else ""
        return f"The model spent all its tokens {spent}and said nothing. Raise maxTokens, or ask for something smaller."
    said = "thought, and said nothing" if reply.reasoning else "said nothing at all"
    return f"The model {said} (finish reason: {finish_reason or 'none'}). Ask again, in other words if need be."


def cut_result(call: ToolCall, finish_reason: str | None) -> ToolResult | None:
    """The answer to a call that the length limit has cut; None for one that is whole."""
    if finish_reason != "length" or _is_whole(call.arguments):
        return None
    return ToolResult(call.id, call.name, CUT, failed=True)


def _is_whole(arguments: str) -> bool:
    try:
        msgspec.json.decode(arguments, type=dict)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return True
