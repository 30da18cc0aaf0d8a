"""A person at a terminal: a `garra` process on a pty of its own, what it shows, and the keys that are pressed."""

import asyncio
import os
import pty
import re
import sys
import termios
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.live.served import GARRA, environment

LIMIT_S = 60
"""Far longer than anything takes; only what never comes is waited for so long."""

CTRL_C, CTRL_D, ENTER = "\x03", "\x04", "\r"

_ON_ITS_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>]")
_WHERE_IS_THE_CURSOR, _AT_THE_TOP = b"\x1b[6n", b"\x1b[1;1R"


class Terminal:
    """What the process has shown so far, without colours and cursor movements, and its keyboard."""

    def __init__(self, process: asyncio.subprocess.Process, handle: int) -> None:
        self.process, self._handle = process, handle
        self._raw, self._read_to = b"", 0
        self._more, self._over = asyncio.Event(), False
        asyncio.get_running_loop().add_reader(handle, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._handle, 65536)
        except OSError:  # how Linux says that the other end is closed
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._handle)
            self._over = True
        for _ in range(data.count(_WHERE_IS_THE_CURSOR)):
            os.write(self._handle, _AT_THE_TOP)
        self._raw += data
        self._more.set()

    @property
    def shown(self) -> str:
        """Everything so far."""
        return _ESCAPES.sub("", self._raw.decode("utf-8", "replace"))

    def press(self, keys: str) -> None:
        """Press keys, all at once."""
        os.write(self._handle, keys.encode())

    async def sees(self, text: str) -> None:
        """Wait until the text is shown, after what was seen last."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while (found := self.shown.find(text, self._read_to)) < 0 and not self._over:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            pass  # told below, with what is there
        assert found >= 0, f"{text!r} was not shown after:\n{self.shown}"
        self._read_to = found + len(text)

    async def says(self, line: str) -> None:
        """Wait for the prompt, and send a line."""
        await self.sees("you>")
        self.press(line + ENTER)

    async def ended(self) -> int:
        """Wait for the end of the process; its exit code."""
        async with asyncio.timeout(LIMIT_S):
            return await self.process.wait()


@asynccontextmanager
async def at_a_terminal(home: Path, *args: str, **env: str) -> AsyncGenerator[Terminal]:
    """Run a `garra` command as a person at a terminal does."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 120))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _ON_ITS_TERMINAL, *GARRA, *args),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=environment(home, TERM="xterm", **env),
    )
    os.close(theirs)
    terminal = Terminal(process, ours)
    try:
        yield terminal
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)
