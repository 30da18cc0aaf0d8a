"""What a tool is, what it is given and what it gives back.

Values and a protocol only: nothing here runs, asks or touches the disk.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from garra.tools.approval import Approver
from garra.tools.settings import ToolSettings
from garra.wire.messages import ToolSpec

if TYPE_CHECKING:
    from garra.tools.jobs import Jobs


class Outcome(msgspec.Struct, frozen=True):
    """What a tool call came to. The model reads `text`; `failed` is for people and tests."""

    text: str
    failed: bool = False


def silent(text: str) -> None:
    """The progress of a call that nobody watches."""


class ToolContext(msgspec.Struct, frozen=True):
    """What every call of a session shares. `progress` gets output while a tool runs, never the result.

    `room_chars`: about how long a result may be for this model; None where that is not known.
    """

    workspace: Path
    session_key: str
    approve: Approver
    jobs: "Jobs"
    env: Mapping[str, str]
    settings: ToolSettings = ToolSettings()
    progress: Callable[[str], None] = silent
    room_chars: int | None = None


class Tool(Protocol):
    """Something the model can call. `carried`: its schema is in every prompt; if not, `find_tools` finds it.

    `run` gets arguments that fit the schema. What it raises on purpose (ToolRefused, any GarraError, OSError) is told
    to the model in one line.
    """

    @property
    def spec(self) -> ToolSpec: ...

    @property
    def carried(self) -> bool: ...

    async def run(self, args: dict[str, Any], ctx: ToolContext) -> Outcome: ...
