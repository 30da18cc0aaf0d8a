"""The embedded model server as a child process: started, waited for, and stopped. Nothing else is ever stopped."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
import msgspec

from garra.cli.app import App
from garra.errors import ServeError

if TYPE_CHECKING:
    from garra.models.catalogue import ProviderView

LOOPBACK = ("127.0.0.1", "localhost", "::1")
READY_LIMIT_S = 1_800
"""Long enough for the first fetch of the model over a slow line; the child itself tells how far it is."""

STOP_LIMIT_S = 10

SAMPLING = '{"repetition_penalty": 1.15}'
"""The default model is so small that it says one sentence again and again without it. `garra serve` by itself leaves
it out, as vLLM does."""


class Plan(msgspec.Struct, frozen=True):
    """Where the embedded server is to listen."""

    host: str
    port: int


class Embedded(msgspec.Struct, frozen=True):
    """The embedded server that runs."""

    pid: int


def embedded_for(app: App, view: "ProviderView") -> Plan | None:
    """How to serve the provider's base URL from here; None where it is another machine's, or TLS."""
    parts = urlsplit(view.base_url)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK or parts.path.rstrip("/") != "/v1":
        return None
    return Plan(parts.hostname, parts.port or 80)


@asynccontextmanager
async def start_embedded(app: App, plan: Plan) -> AsyncGenerator[Embedded]:
    """Run `garra serve` until the block is left. It has a session of its own, so that a Ctrl-C in the terminal stops a
    reply and not the server that gives it."""
    ready, child_end = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "garra", "serve", "--host", plan.host, "--port", str(plan.port)),
        *("--ready-fd", str(child_end), "--stop-with-parent", "--quiet"),
        *("--override-generation-config", SAMPLING),
        *("--shutdown-timeout", str(STOP_LIMIT_S / 2)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        pass_fds=(child_end,),
        start_new_session=True,
        env=dict(app.env),
    )
    os.close(child_end)
    try:
        await _wait_ready(process, ready)
        yield Embedded(process.pid)
    finally:
        os.close(ready)
        await _stop(process)


async def _wait_ready(process: asyncio.subprocess.Process, ready: int) -> None:
    """Until the child says so on its pipe. A pipe that closes without a word is a child that failed; it said why."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[bytes] = loop.create_future()

    def hear() -> None:
        if not told.done():
            told.set_result(os.read(ready, 64))

    loop.add_reader(ready, hear)
    try:
        word = await asyncio.wait_for(told, READY_LIMIT_S)
    except TimeoutError:
        raise ServeError(f"The embedded model server was not ready after {READY_LIMIT_S} s.") from None
    finally:
        loop.remove_reader(ready)
    if not word:
        code = await process.wait()
        raise ServeError(f"The embedded model server ended with exit code {code}; what it said stands above.")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        click.echo(f"The embedded model server had ended by itself (exit code {process.returncode}).", err=True)
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(asyncio.shield(process.wait()), STOP_LIMIT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
