"""How long a turn may still take."""

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

from garra.errors import TimeLimit

T = TypeVar("T")


class Deadline:
    """The end of one turn, counted from when this was made. `timeout_s` 0: there is none."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._at = time.monotonic() + timeout_s if timeout_s else None

    async def within(self, work: Awaitable[T]) -> T:
        """Wait for something, but no longer than the turn may take: then `TimeLimit`."""
        if self._at is None:
            return await work
        try:
            async with asyncio.timeout(max(0, self._at - time.monotonic())) as limit:
                return await work
        except TimeoutError:
            if not limit.expired():
                raise
            raise TimeLimit(
                f"The turn took longer than the {self._timeout_s:g} s that agents.defaults.timeoutSeconds allows. "
                "Send another message to go on, or raise it: garra config set agents.defaults.timeoutSeconds SECONDS"
            ) from None
