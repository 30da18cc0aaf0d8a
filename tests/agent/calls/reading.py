"""The tools of these tests, and reading a text as a reply that comes in given pieces."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

import msgspec

from garra.agent.calls.reading import read_calls
from garra.wire.events import Event, Finish, Reply, TextDelta
from garra.wire.messages import ToolSpec


def _spec(name: str, required: Sequence[str] = (), **properties: dict[str, Any]) -> ToolSpec:
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return ToolSpec(name, f"The tool {name}.", schema)


STRING = {"type": "string"}
TOOLS = (
    _spec("get_weather", ["city"], city=STRING, unit={"type": "string", "enum": ["c", "f"]}),
    _spec("get_weather_map", ["city"], city=STRING),
    _spec(
        "write",
        ["path", "content"],
        path=STRING,
        content=STRING,
        mode={"type": "integer"},
        append={"type": "boolean"},
        share={"type": "number"},
        labels={"type": "array", "items": STRING},
        more={"type": "object"},
    ),
    _spec("now"),
)


class Read(msgspec.Struct, frozen=True):
    """What came of a reply: the text shown, name and arguments of each call, the finish reason."""

    shown: str
    calls: list[tuple[str, str]]
    reason: str

    @property
    def meant(self) -> list[tuple[str, Any]]:
        """The calls with their arguments as values."""
        return [(name, msgspec.json.decode(arguments)) for name, arguments in self.calls]


async def replay(events: Iterable[Event]) -> AsyncGenerator[Event]:
    for event in events:
        yield event


async def read(*pieces: str, reason: str = "stop", before: Sequence[Event] = ()) -> Read:
    """A reply whose text comes in these pieces, after other events."""
    reply = Reply()
    async for event in read_calls(replay([*before, *map(TextDelta, pieces), Finish(reason)]), TOOLS):
        reply.add(event)
    return Read(reply.text, [(call.name, call.arguments) for call in reply.calls], reply.finish_reason or "")
