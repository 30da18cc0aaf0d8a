"""Opening a file for reading without ever waiting for it: no pipe's other end, no device, no kernel log."""

import os
import stat
from pathlib import Path
from typing import IO

from garra.errors import ToolRefused


def open_file(path: Path) -> IO[bytes]:
    """The file, open. What lies there is looked at once it is open, since it may be another than a moment ago."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ToolRefused(f"{path} is no regular file any more; it is not read.")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise
