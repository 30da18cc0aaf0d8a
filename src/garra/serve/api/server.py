"""The HTTP server around the app: starts, says that it is ready, and stops the way a service should.

The first SIGTERM or SIGINT stops accepting and lets running replies end for a while; the second stops at once. An
engine that dies ends the server.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Generator
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from garra.serve.api.protocol import BoundedHeaders

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Who asked to stop, and how urgently. Lives from before the model is loaded until the end."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()
        self.exit_code = 0

    def signalled(self, number: int) -> None:
        """A signal came."""
        if self.asked.is_set():
            self.at_once.set()
            return
        self.exit_code = 130 if number == signal.SIGINT else 0
        self.asked.set()

    def listen(self) -> None:
        """Take the signals of this process over."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.signalled, number)

    def deaf(self) -> None:
        """Give the signals back."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    async def follow_parent(self) -> None:
        """Stop when the process that started this one is gone."""
        parent = os.getppid()
        while os.getppid() == parent:  # noqa: ASYNC110 - the kernel offers nothing portable to wait on
            await asyncio.sleep(0.5)
        self.asked.set()


class Server(uvicorn.Server):
    """uvicorn, with our own signals and a word when it is ready."""

    def __init__(
        self,
        app: ASGIApp,
        stopping: Stopping,
        *,
        grace_s: float,
        on_ready: Callable[[], None],
        protocol: type[BoundedHeaders] = BoundedHeaders,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                loop="none",
                http=protocol,
                ws="none",
                timeout_keep_alive=75,
                timeout_graceful_shutdown=max(1, round(grace_s)),
            )
        )
        self._stopping = stopping
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals are not uvicorn's here: `Stopping` has them."""
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Never called, since no signal is captured; kept true to its name all the same."""
        self._stopping.signalled(sig)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self._on_ready()

    async def run_until_stopped(self, sock: socket.socket, dead: asyncio.Event) -> None:
        """Serve until somebody asks to stop, or the engine is dead."""
        watching = [asyncio.create_task(self._watch(dead)), asyncio.create_task(self._hurry())]
        try:
            await self.serve([sock])
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    async def _watch(self, dead: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(self._stopping.asked.wait()), asyncio.ensure_future(dead.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self.should_exit = True

    async def _hurry(self) -> None:
        await self._stopping.at_once.wait()
        self.should_exit = self.force_exit = True
        for task in list(self.server_state.tasks):
            task.cancel()
        for connection in list(self.server_state.connections):
            if (transport := getattr(connection, "transport", None)) is not None:
                transport.abort()
