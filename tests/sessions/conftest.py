"""What the tests of the sessions share: a store in an empty folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from garra.sessions.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "sessions.sqlite"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    async with await Store.open(path) as store:
        yield store
