"""What the tests of this room share: configurations from data, and a small server that answers as it is told."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from garra.config.load import Configuration, load_configuration
from garra.config.paths import resolve_paths
from garra.models.models import Models
from garra.testing.protocol import Received, ServerConnection
from garra.wire.http import Http

Configure = Callable[..., Configuration]
RECORDINGS = Path(__file__).parent.parent / "recordings"


@pytest.fixture
def configure(home: Path) -> Configure:
    """Make a configuration of this data and this environment, written to and read from a file."""

    def make(data: Mapping[str, Any] | None = None, **env: str) -> Configuration:
        variables = {"HOME": str(home), **env}
        paths = resolve_paths(variables)
        if data is not None:
            paths.home.mkdir(parents=True, exist_ok=True)
            paths.config_file.write_text(json.dumps(data))
        return load_configuration(paths, variables)

    return make


class Served:
    """A server on the loopback address. `answers` maps "METHOD /path" to a status and a body, and may be changed.

    A body that can be called is given the request, and answers with a status and a body.
    """

    def __init__(self, answers: dict[str, tuple[int, Any]]) -> None:
        self.answers = answers
        self.requests: list[Received] = []
        self.port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(request.path == path for request in self.requests)

    async def handle(self, request: Received, out: ServerConnection) -> None:
        self.requests.append(request)
        status, body = self.answers.get(f"{request.method} {request.path}", (404, {"detail": "Not Found"}))
        if callable(body):
            status, body = body(request)
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        out.begin(status, {"content-type": "application/json"}, length=len(data))
        out.send(data)
        out.end()


Serve = Callable[..., Any]


@asynccontextmanager
async def _serve(answers: dict[str, tuple[int, Any]], port: int = 0) -> AsyncIterator[Served]:
    import asyncio

    served = Served(answers)
    connections: list[ServerConnection] = []

    def connect() -> ServerConnection:
        connections.append(ServerConnection(served.handle))
        return connections[-1]

    server = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", port)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        for connection in connections:
            connection.drop()
        await server.wait_closed()
        await asyncio.sleep(0)


@pytest.fixture
def serve() -> Serve:
    """Start a server with these answers: `async with serve({"GET /v1/models": (200, {...})}) as server`."""
    return _serve


@pytest.fixture
async def open_models() -> AsyncIterator[Callable[[Configuration], Any]]:
    """Models of a configuration, with a client of their own that is closed at the end."""
    async with AsyncExitStack() as stack:

        async def make(configuration: Configuration) -> Models:
            return Models(configuration, await stack.enter_async_context(Http(configuration.env)))

        yield make


@pytest.fixture
def recording() -> Callable[[str], Any]:
    """The answer that vLLM gave in a recording: its status and its body."""

    def read(name: str) -> tuple[int, Any]:
        response = json.loads((RECORDINGS / name).read_text())["response"]
        return response["status"], response["body"]

    return read
