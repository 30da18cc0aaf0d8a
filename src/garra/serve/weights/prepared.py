"""Conversions, made once and kept in the cache.

A conversion's folder is named after the source's SHA-256, the form, and who made it. It is made beside its place and
moved there when it is whole, so that what is found is whole; its list of files and sizes is checked at every start.
"""

import asyncio
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import msgspec
from msgspec import Struct

from garra.errors import ServeError
from garra.serve.weights.base import Progress
from garra.serve.weights.checksum import sha256_of
from garra.serve.weights.gguf_header import Header
from garra.serve.weights.gguf_write import Form
from garra.serve.weights.locks import locked

CONVERTER_VERSION = 1
_MANIFEST = "manifest.json"


class Manifest(Struct, frozen=True):
    """What a whole conversion consists of: file names with their sizes in bytes."""

    source: str
    files: dict[str, int]


async def prepared(header: Header, form: Form | None, cache: Path, progress: Progress) -> Path:
    """The folder with the conversion of this file; `prover` is in it always, the model when there is a `form`."""
    digest = await sha256_of(header.path, cache)
    shape = form or "tokens"
    folder = cache / "converted" / f"{header.path.stem}-{digest[:16]}-{shape}-{_maker()}"
    await _ensure(str(header.path), shape, folder, progress)
    return folder


async def prover_of_size(vocab_size: int, cache: Path, progress: Progress) -> Path:
    """The tiny model for an OpenVINO folder, which brings its own tokenizer: only the count of tokens matters."""
    folder = cache / "converted" / f"tokens-{vocab_size}-{_maker()}"
    await _ensure(str(vocab_size), "size", folder, progress)
    return folder / "prover"


def _maker() -> str:
    return f"v{CONVERTER_VERSION}-{version('openvino-genai')}"


async def _ensure(source: str, shape: str, folder: Path, progress: Progress) -> None:
    if _is_whole(folder):
        return
    async with locked(folder.with_name(f".{folder.name}.lock"), progress, "preparing this model"):
        if not _is_whole(folder):
            await _make(source, shape, folder, progress)


def _is_whole(folder: Path) -> bool:
    try:
        manifest = msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=Manifest)
        return all((folder / name).stat().st_size == size for name, size in manifest.files.items())
    except (OSError, msgspec.MsgspecError):
        return False


async def _make(source: str, shape: str, folder: Path, progress: Progress) -> None:
    what = "what tries grammars" if shape == "size" else Path(source).name
    progress.say(f"Preparing {what} for the engine; this is done once.")
    fresh = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    try:
        await _run(source, fresh, shape)
        files = {str(path.relative_to(fresh)): path.stat().st_size for path in fresh.rglob("*") if path.is_file()}
        (fresh / _MANIFEST).write_bytes(msgspec.json.encode(Manifest(source, files)))
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        fresh.rename(folder)
    except OSError as error:
        raise ServeError(f"{folder.parent} cannot be written: {error.strerror or error}.") from error
    finally:
        await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)


async def _run(source: str, folder: Path, shape: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "garra.serve.weights.convert", source, str(folder), shape),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        lines = said.decode("utf-8", "replace").strip().splitlines()
        reason = lines[-1] if lines else f"it ended with {process.returncode}"
        raise ServeError(f"{source} could not be prepared for the engine: {reason}")
