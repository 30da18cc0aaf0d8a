"""What every test has: a home of its own, no keys from the person's environment, and asyncio for async tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty home folder, and an environment without keys or Garra's own variables; put back afterwards."""
    before = dict(os.environ)
    folder = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("GARRA_", "OPENCLAW_", "VLLM_")) or name.endswith("_API_KEY"):
            del os.environ[name]
    os.environ["HOME"] = str(folder)
    yield folder
    os.environ.clear()
    os.environ.update(before)
