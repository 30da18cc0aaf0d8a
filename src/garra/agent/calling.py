"""Running one call: what the tool prints while it works, then its one result."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeAlias

import msgspec

from garra.agent.budget import fitted
from garra.agent.clock import Deadline
from garra.agent.events import ToolProgress
from garra.agent.prompt import CHARS_A_TOKEN
from garra.tools.toolbox import Toolbox
from garra.wire.messages import ToolCall, ToolResult

Calling: TypeAlias = AsyncGenerator[ToolProgress | ToolResult]


async def run_call(toolbox: Toolbox, call: ToolCall, limit_tokens: int | None, deadline: Deadline) -> Calling:
    """What the tool prints, then its result, cut to the limit. Closing the generator ends the tool."""
    printed: asyncio.Queue[str | None] = asyncio.Queue()
    room = None if limit_tokens is None else limit_tokens * CHARS_A_TOKEN
    work = asyncio.create_task(toolbox.run(call, printed.put_nowait, room_chars=room))
    work.add_done_callback(lambda _: printed.put_nowait(None))
    try:
        while (text := await deadline.within(printed.get())) is not None:
            yield ToolProgress(call.id, text)
        result = await work
        yield msgspec.structs.replace(result, text=fitted(result.text, limit_tokens))
    finally:
        if not work.done():
            work.cancel()
            await asyncio.wait([work])
