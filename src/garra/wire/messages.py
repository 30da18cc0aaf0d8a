"""The messages of a conversation, as values.

Pure: no ids of our own, no clocks, no I/O. Storage adds identity, `wire.body` turns them into JSON. Two histories are
the same exactly when they compare equal. A call's `arguments` stay the text that the server sent, byte for byte, since
what was sent once must be sent the same way ever after (the server's prefix cache depends on it).
"""

from typing import Any, TypeAlias

import msgspec


class Text(msgspec.Struct, frozen=True, tag="text"):
    """A piece of text in a message of several parts."""

    text: str


class Image(msgspec.Struct, frozen=True, tag="image"):
    """An image in a message of several parts: a `data:` URL, or an address that the server can reach."""

    url: str


Part: TypeAlias = Text | Image


class ToolCall(msgspec.Struct, frozen=True):
    """The model asks for a tool. `id` goes back as it came; `arguments` is JSON text, unparsed."""

    id: str
    name: str
    arguments: str


class System(msgspec.Struct, frozen=True, tag="system"):
    """What the assistant is told before anybody speaks."""

    text: str


class User(msgspec.Struct, frozen=True, tag="user"):
    """What a person said: plain text, or parts when there is an image among it."""

    content: str | tuple[Part, ...]


class Assistant(msgspec.Struct, frozen=True, omit_defaults=True, tag="assistant"):
    """What the model said. `reasoning_field` is the name under which the server sent `reasoning`, for replay."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    reasoning_field: str = ""


class ToolResult(msgspec.Struct, frozen=True, omit_defaults=True, tag="tool"):
    """The one answer to one `ToolCall`. `failed` is for people and tests; the model reads `text`."""

    call_id: str
    name: str
    text: str
    failed: bool = False


Message: TypeAlias = System | User | Assistant | ToolResult


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool as the model sees it. `parameters` is a JSON Schema of type object."""

    name: str
    description: str
    parameters: dict[str, Any]
