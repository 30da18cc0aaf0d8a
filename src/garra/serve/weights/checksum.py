"""SHA-256 of big files, remembered for as long as the file's size and time stay what they were."""

import asyncio
import contextlib
import hashlib
import os
from pathlib import Path


async def sha256_of(path: Path, cache: Path) -> str:
    """The digest of `path`. `cache` remembers it."""
    state = path.stat()
    stamp = f"{state.st_size} {state.st_mtime_ns} {state.st_ino}"
    note = cache / "checksums" / hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]
    with contextlib.suppress(OSError, ValueError):
        remembered, digest = note.read_text().rsplit(" ", 1)
        if remembered == stamp:
            return digest
    digest = await asyncio.to_thread(_digest, path)
    write_whole(note, f"{stamp} {digest}".encode())
    return digest


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, data: bytes) -> None:
    """Write the file so that nobody ever sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(data)
    fresh.replace(path)
