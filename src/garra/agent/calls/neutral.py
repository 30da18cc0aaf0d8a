"""Text from elsewhere in which nothing can pass for a call, for the end of a result, or for a token of a chat template.

A tokenizer turns `<|im_end|>` into the token that ends a message, wherever it stands: in a file that was read, on a
page that was fetched, in what a person pasted. So the first character of every such look-alike is written as an entity,
which people and models still read. The change depends on the text alone, so what was sent once is sent the same way
ever after; a second time changes nothing. Not for what the model wrote itself, nor for our own system text.
"""

import re
from collections.abc import Sequence

import msgspec

from garra.wire.messages import Message, Part, Text, ToolResult, User

_TEMPLATE_TAGS = (
    r"s|bos|eos|unk|pad|sop|eop|BOS_TOKEN|EOS_TOKEN|SPECIAL_\d+|<SYS>|</SYS>|seed:[a-z_:/]+|(?:start|end)_of_\w+|"
    "arg_key|arg_value"
)
_BRACKETS = (
    "INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|TOOL_REQUEST|END_TOOL_REQUEST|THINK|"
    r"IMG|IMG_BREAK|IMG_END|gMASK|BOS|EOS|tool:[\w.-]+"
)
_LOOK_ALIKE = re.compile(
    r"<(?="
    r"[|｜][\w.:/▁-]{1,64}[|｜]>"  # <|im_start|>, <｜tool▁calls▁begin｜>
    r"|\s*/?\s*(?i:tool_(?:call|response)s?)\b"
    r"|(?:function|parameter)="
    rf"|/?(?:{_TEMPLATE_TAGS})>"
    r")"
    rf"|\[(?=/?(?:{_BRACKETS})\])"
)
_COMMENTARY = re.compile(r"(commentary) (?=to=)")
_ENTITIES = {"<": "&lt;", "[": "&#91;"}


def neutral(text: str) -> str:
    """The text with every look-alike made plain."""
    plain = _LOOK_ALIKE.sub(lambda found: _ENTITIES[found[0]], text)
    return _COMMENTARY.sub(r"\1&#32;", plain) if "commentary to=" in plain else plain


def neutral_results(messages: Sequence[Message]) -> list[Message]:
    """The history with what tools found and what people wrote made plain; every other message as it is."""
    return [_made_plain(message) for message in messages]


def _made_plain(message: Message) -> Message:
    match message:
        case ToolResult(text=text) if (plain := neutral(text)) != text:
            return msgspec.structs.replace(message, text=plain)
        case User(content=str() as text) if (plain := neutral(text)) != text:
            return User(plain)
        case User(content=tuple() as parts):
            changed = tuple(map(_plain_part, parts))
            return message if changed == parts else User(changed)
    return message


def _plain_part(part: Part) -> Part:
    return Text(neutral(part.text)) if isinstance(part, Text) else part
