"""One file from one URL, taken up again where it was broken off. What arrived is kept beside the target as `.part`."""

import asyncio
import shutil
import ssl
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx2

from garra.errors import ServeError
from garra.serve.weights.base import Progress
from garra.serve.weights.pip_index import Link, shown

_ATTEMPTS = 5
_PAUSE_S = 1.0
_TIMEOUT_S = 30.0
_CHUNK_BYTES = 1 << 18


async def download(link: Link, part: Path, progress: Progress, label: str) -> None:
    """Fill `part`. What it holds already is not fetched again, when the server can continue."""
    part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if urlsplit(link.url).scheme == "file":
        await asyncio.to_thread(shutil.copyfile, unquote(urlsplit(link.url).path), part)
        return
    async with _client(link) as client:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await _fetch(client, link.url, part, progress, label)
                break
            except httpx2.TransportError as error:
                if attempt == _ATTEMPTS or not part.exists():
                    raise _unreachable(link.url, error) from error
                progress.say(f"The connection broke ({type(error).__name__}); going on where it stopped.")
                await asyncio.sleep(_PAUSE_S * attempt)


def _client(link: Link) -> httpx2.AsyncClient:
    verify: ssl.SSLContext | bool = not link.trusted
    if link.cert and not link.trusted:
        verify = ssl.create_default_context(cafile=link.cert)
    return httpx2.AsyncClient(
        verify=verify, proxy=link.proxy, auth=link.login, timeout=_TIMEOUT_S, follow_redirects=True
    )


async def _fetch(client: httpx2.AsyncClient, url: str, part: Path, progress: Progress, label: str) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {"Accept-Encoding": "identity"}
    async with client.stream("GET", url, headers=headers) as response:
        if response.status_code == 416:
            part.unlink()
            progress.say("What was kept does not fit the file any more; starting again.")
        elif response.status_code == 206:
            await _write(response, part, have, progress, label)
        elif response.status_code == 200:
            if have:
                progress.say("The server cannot continue a broken download; starting again.")
            await _write(response, part, 0, progress, label)
        else:
            raise ServeError(f"{shown(url)} answered {response.status_code}. Check the package index's settings.")
    if not part.exists():
        await _fetch(client, url, part, progress, label)


async def _write(response: httpx2.Response, part: Path, have: int, progress: Progress, label: str) -> None:
    total = have + int(response.headers.get("content-length", 0))
    with part.open("r+b" if have else "wb") as out:
        out.seek(have)
        out.truncate()
        async for chunk in response.aiter_bytes(_CHUNK_BYTES):
            out.write(chunk)
            have += len(chunk)
            progress.advance(label, have, total)
    if have < total:
        raise httpx2.ReadError(f"{total - have} bytes are missing")


def _unreachable(url: str, error: Exception) -> ServeError:
    return ServeError(
        f"{shown(url)} cannot be fetched ({type(error).__name__}: {error}). Nothing is lost: the same command goes on "
        "where it stopped. Without a network, give the path of a GGUF file instead."
    )
