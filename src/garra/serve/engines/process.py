"""The engine's process as the server sees it: started, written to, read from, ended."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator

from garra.serve.engines.messages import Frames, FromWorker, ToWorker, decode_from_worker, frame

_TAIL_BYTES = 4000
_PATIENCE_S = 2.0
_KILLED = -9


class WorkerProcess:
    """One worker and the pipe to it. It is in a session of its own, so that Ctrl-C in a terminal does not reach it."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._tail = bytearray()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls) -> "WorkerProcess":
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "garra.serve.engines.openvino_worker", str(theirs.fileno()), str(os.getpid())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(process, reader, writer)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: ToWorker) -> None:
        """Nobody waits: what is not read yet stands in the buffer."""
        if not self._writer.is_closing():
            self._writer.write(frame(message))

    async def messages(self) -> AsyncIterator[FromWorker]:
        """What the worker says, until it ends."""
        frames = Frames()
        with contextlib.suppress(ConnectionResetError):
            while data := await self._reader.read(1 << 16):
                for body in frames.feed(data):
                    yield decode_from_worker(body)

    async def end(self) -> str:
        """End it, whatever it is doing; how it ended and its last words."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        try:
            await asyncio.wait_for(self._process.wait(), _PATIENCE_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._listening
        return self._last_words()

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(4096):
            self._tail += data
            del self._tail[:-_TAIL_BYTES]

    def _last_words(self) -> str:
        code = self._process.returncode
        how = _how(code)
        lines = bytes(self._tail).decode("utf-8", "replace").strip().splitlines()
        return f"{how}: {lines[-1]}" if lines else how


def _how(code: int | None) -> str:
    """The way a process ended, for a person."""
    if code == _KILLED:
        return "killed by signal 9, as the system does when memory runs out"
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
