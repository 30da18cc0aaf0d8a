"""File work in a thread, so that the event loop goes on, with a flag that says when nobody waits for it any more."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[threading.Event], T]) -> T:
    """What the work returns. Long work looks at the event it is given, and ends when it is set."""
    gone = threading.Event()
    try:
        return await asyncio.to_thread(work, gone)
    finally:
        gone.set()
