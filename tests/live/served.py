"""Real `garra serve` and `garra` processes for the live tests."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.serve.model_cache import CACHE, PIP_SETTINGS

GARRA = (sys.executable, "-m", "garra")
USUAL_PORT = 8000
"""Where a vLLM server listens unless told otherwise, and where the implicit provider looks for it."""


class Served(msgspec.Struct, frozen=True):
    """A running model server."""

    port: int
    pid: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether a server could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def environment(home: Path, **more: str) -> dict[str, str]:
    """A person's environment with a home of its own, and the cache of weights that the tests share."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "SSL_CERT_FILE")}
    return {**kept, **PIP_SETTINGS, "HOME": str(home), "GARRA_CACHE": str(CACHE), **more}


@contextmanager
def serve(home: Path, port: int, *flags: str, **env: str) -> Iterator[Served]:
    """`garra serve` on a port, until the block is left."""
    ready, child_end = os.pipe()
    process = subprocess.Popen(
        [*GARRA, "serve", "--port", str(port), "--ready-fd", str(child_end), "--quiet", *flags],
        env=environment(home, **env),
        pass_fds=(child_end,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(child_end)
    try:
        said = os.read(ready, 64)
        assert said == b"ready\n", process.communicate()[1]
        yield Served(port, process.pid)
    finally:
        os.close(ready)
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0


def garra(home: Path, *args: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """One `garra` command of a person with this home; nobody sits at a terminal."""
    return subprocess.run(
        [*GARRA, *args],
        env=environment(home, **env),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def config(home: Path, text: str) -> Path:
    """The person's configuration file."""
    file = home / ".garra" / "garra.json"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_text(text)
    return file


def explicit(base_url: str, *rows: str, key: str = "local", extra: Sequence[str] = ()) -> str:
    """A provider `vllm` as the page configures it, with the given model rows (JSON5)."""
    parts = [f'baseUrl: "{base_url}"', f'apiKey: "{key}"', 'api: "openai-completions"', f"models: [{', '.join(rows)}]"]
    return f"models: {{ providers: {{ vllm: {{ {', '.join([*parts, *extra])} }} }} }}"
