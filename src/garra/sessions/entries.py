"""What a transcript is made of: items, which somebody wrote, and entries, which are items that the store has numbered.

Values and their JSON, nothing else: no SQL, no clock. An item is written once and never changed. What a newer version
wrote is read as `Unknown`: kept as it is, skipped by all who read.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from garra.wire.events import Usage
from garra.wire.messages import Assistant, Image, Message, Part, System, Text, ToolResult, ToolSpec, User

Status: TypeAlias = Literal["done", "interrupted", "failed"]


class Head(msgspec.Struct, frozen=True, tag="head"):
    """The fixed prefix of a session as it was first sent: it stays so, whatever the files it came from say later."""

    system: str
    tools: tuple[ToolSpec, ...] = ()
    model: str = ""


class Said(msgspec.Struct, frozen=True, omit_defaults=True, tag="said"):
    """A message. `status` tells of a reply cut short by the person (interrupted) or by an error (failed)."""

    message: Message
    status: Status = "done"
    model: str = ""
    usage: Usage | None = None
    note: str = ""
    replica: str = ""
    """The base URL that answered, where the provider has several: its prefix cache holds this conversation."""


class Failed(msgspec.Struct, frozen=True, omit_defaults=True, tag="failed"):
    """A turn ended with an error. People see it, the model does not.

    `dropped`: the message that began the turn never came before the model (it was too long, or refused, or nobody was
    there), and is left out of what is sent later. One that was refused once would be refused with every later request.
    """

    error: str
    dropped: bool = False


class Setting(msgspec.Struct, frozen=True, tag="setting"):
    """What the person chose for this session from here on; empty goes back to the configured default."""

    name: Literal["model", "thinking", "reasoning"]
    value: str = ""


class Compacted(msgspec.Struct, frozen=True, omit_defaults=True, tag="compacted"):
    """From here on `summary` is sent in the place of everything said before the entry `first_kept` (a `seq`).

    The entries themselves stay. `tokens_before` is what the conversation took, `model` who wrote the summary.
    """

    summary: str
    first_kept: int
    tokens_before: int = 0
    model: str = ""
    usage: Usage | None = None


Item: TypeAlias = Head | Said | Failed | Setting | Compacted


class Unknown(msgspec.Struct, frozen=True):
    """An item of a kind that this version does not know, as it stands in the store."""

    json: str


class NewEntry(msgspec.Struct, frozen=True):
    """An item to be appended."""

    item: Item


class Entry(msgspec.Struct, frozen=True):
    """An item as it stands in the store. `seq` counts from 1 without gaps in each session; `at` is in epoch seconds."""

    session_id: str
    seq: int
    at: float
    item: Item | Unknown


class SessionInfo(msgspec.Struct, frozen=True):
    """One session. `current` is false for those that a reset has put behind; `title` is how the person began it."""

    key: str
    session_id: str
    started_at: float
    updated_at: float
    messages: int
    title: str
    current: bool


class Found(msgspec.Struct, frozen=True):
    """One hit of a search: who said it (`user` or `assistant`), where, when, and the words around it."""

    key: str
    session_id: str
    seq: int
    at: float
    role: str
    snippet: str


STAMP = re.compile(r"\[[A-Z][a-z]{2} \d{4}-\d{2}-\d{2} \d{2}:\d{2} [^\]]{1,8}\] ")
"""The time before a person's message, which is stored since it was sent (openclaw.md 3.6)."""


def setting(entries: Sequence[Entry], name: str) -> str:
    """What the person chose last for this session; empty where they did not, or took it back."""
    items = (entry.item for entry in reversed(entries))
    return next((item.value for item in items if isinstance(item, Setting) and item.name == name), "")


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Item] = msgspec.json.Decoder(Item)


def encode(item: Item) -> bytes:
    """The item as JSON. Half characters, which UTF-8 cannot hold, become question marks."""
    try:
        return _encoder.encode(item)
    except UnicodeEncodeError:
        return _encoder.encode(_mended(msgspec.to_builtins(item)))


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list | tuple):
        return [_mended(each) for each in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(each) for key, each in value.items()}
    return value


def decode(data: bytes) -> Item | Unknown:
    """The item that was stored."""
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError:
        return Unknown(data.decode())


def kind_of(item: Item | Unknown) -> str:
    """Who speaks, or what it is: user, assistant, tool, system, head, failed, setting, compacted, unknown."""
    match item:
        case Said(User()):
            return "user"
        case Said(Assistant()):
            return "assistant"
        case Said(ToolResult()):
            return "tool"
        case Said(System()):
            return "system"
        case Head():
            return "head"
        case Failed():
            return "failed"
        case Setting():
            return "setting"
        case Compacted():
            return "compacted"
        case _:
            return "unknown"


def spoken_text(item: Item | Unknown) -> str:
    """What a person or the model said in it, for titles and the search; empty for everything else."""
    match item:
        case Said(User(content)):
            text = written_text(content)
        case Said(Assistant(text)):
            pass
        case _:
            return ""
    return text.replace("\0", " ")  # where SQLite's search would take the text to end


def written_text(content: str | tuple[Part, ...]) -> str:
    """What a person wrote, without the time before it and without the images."""
    text = content if isinstance(content, str) else "\n".join(part.text for part in content if isinstance(part, Text))
    return text[stamp.end() :] if (stamp := STAMP.match(text)) else text


def images(content: str | tuple[Part, ...]) -> tuple[Image, ...]:
    """The images in a person's message."""
    return () if isinstance(content, str) else tuple(part for part in content if isinstance(part, Image))
