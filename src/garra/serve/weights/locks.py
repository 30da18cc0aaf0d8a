"""One process at a time: a lock on a file that the system gives back when its holder dies."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from garra.serve.weights.base import Progress

_LOOK_AGAIN_S = 0.2


@asynccontextmanager
async def locked(path: Path, progress: Progress, what: str) -> AsyncIterator[None]:
    """Hold the lock `path`; while another process holds it, say once that we wait for `what`."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a") as file:
        waited = False
        while not _try_lock(file.fileno()):
            if not waited:
                progress.say(f"Another process is {what}; waiting for it.")
            waited = True
            await asyncio.sleep(_LOOK_AGAIN_S)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
