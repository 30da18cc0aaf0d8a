"""What the tests of this room share: a home, its configuration, and the findings about it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from garra.config.paths import Paths, resolve_paths
from garra.doctor.examine import examine
from garra.doctor.finding import Finding
from garra.testing import Received, ScriptedModel
from garra.testing.protocol import ServerConnection

Examine = Callable[..., Awaitable[dict[str, Finding]]]


@pytest.fixture
def env(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "PATH": ""}


@pytest.fixture
def paths(env: dict[str, str]) -> Paths:
    return resolve_paths(env)


@pytest.fixture
def write(paths: Paths) -> Callable[[Mapping[str, Any] | str], None]:
    """Write the configuration file, in a folder that is closed to others as the file is."""

    def make(data: Mapping[str, Any] | str) -> None:
        paths.home.mkdir(mode=0o700, exist_ok=True)
        paths.config_file.write_text(data if isinstance(data, str) else json.dumps(data))
        paths.config_file.chmod(0o600)

    return make


@pytest.fixture
def findings(paths: Paths, env: dict[str, str]) -> Examine:
    """Every finding by the name of its check."""

    async def make(ref: str | None = None, *, asking_limit_s: float = 30, **more: str) -> dict[str, Finding]:
        found = [each async for each in examine(paths, env | more, ref=ref, asking_limit_s=asking_limit_s)]
        assert all(each.mend for each in found if each.state in ("hint", "broken")), found
        return {each.check: each for each in found}

    return make


def at(base_url: str, **settings: Any) -> dict[str, Any]:
    """A configuration with this server as `vllm`."""
    return {"models": {"providers": {"vllm": {"baseUrl": base_url, **settings}}}}


class Page(ScriptedModel):
    """A server with fixed answers: "METHOD /path" to a status and a body, text as an event stream, else JSON."""

    def __init__(self, answers: dict[str, tuple[int, Any]]) -> None:
        super().__init__()
        self.answers = answers

    async def _handle(self, request: Received, out: ServerConnection) -> None:
        status, body = self.answers.get(f"{request.method} {request.path}", (404, {"detail": "Not Found"}))
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        kind = "text/event-stream" if isinstance(body, str) else "application/json"
        out.begin(status, {"content-type": kind}, length=len(data))
        out.send(data)
        out.end()


@pytest.fixture
def serve_page() -> type[Page]:
    """`async with serve_page({"GET /v1/models": (200, {...})}) as server`."""
    return Page
