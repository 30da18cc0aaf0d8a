"""How much memory there is for us: the machine's, or what a container is allowed."""

import contextlib
import os
from pathlib import Path

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def memory_bytes() -> int:
    """The smaller of the machine's memory and the container's limit."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        return min(machine, int(_CONTAINER_LIMIT.read_text()))
    return machine
