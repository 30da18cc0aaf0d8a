"""Where the installer would get a wheel from. pip resolves it, so that its configuration is honoured as it is: index,
extra indexes, find-links, certificates, proxies, trusted hosts. Nothing is installed."""

import ast
import asyncio
import os
import sys
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import Struct

from garra.errors import ServeError


class Link(Struct, frozen=True):
    """Where a wheel is, and how to reach it. `login` is never shown."""

    url: str
    sha256: str | None
    cert: str | None = None
    proxy: str | None = None
    trusted: bool = False
    login: tuple[str, str] | None = None


async def find_wheel(requirement: str) -> Link:
    """Ask pip for the wheel of `requirement`. Raises `ServeError` with pip's own reason."""
    report = await _pip(
        *("install", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary=:all:", "--quiet", "--retries=2"),
        *("--report", "-", requirement),
    )
    try:
        download = msgspec.json.decode(report)["install"][0]["download_info"]
    except (msgspec.DecodeError, KeyError, IndexError, TypeError) as error:
        raise ServeError(f"pip did not say where {requirement} is. Is it older than 22.2?") from error
    return _link(download, await _settings())


async def _pip(*arguments: str) -> bytes:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pip", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    out, said = await process.communicate()
    if process.returncode == 0:
        return out
    lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.startswith("ERROR")]
    reason = _without_login(lines[-1].removeprefix("ERROR: ")) if lines else "pip is not installed or did not work"
    raise ServeError(f"The package index gave nothing: {reason}")


def _without_login(text: str) -> str:
    """Words of pip's that are URLs lose their user and password."""
    words = (word.rpartition("@")[2] if "://" in word and "@" in word else word for word in text.split())
    return " ".join(words)


async def _settings() -> dict[str, str]:
    """pip's configuration as it stands, the environment before the files, `install` before `global`."""
    found: dict[tuple[int, str], str] = {}
    for line in (await _pip("config", "list")).decode("utf-8", "replace").splitlines():
        key, _, raw = line.partition("=")
        section, _, name = key.rpartition(".")
        rank = {":env:": 0, "install": 1, "global": 2}.get(section)
        if rank is not None:
            found[rank, name] = _literal(raw)
    return {name: value for (_, name), value in sorted(found.items(), reverse=True)}


def _literal(raw: str) -> str:
    try:
        return str(ast.literal_eval(raw))
    except (ValueError, SyntaxError):
        return raw


def _link(download: dict[str, Any], settings: dict[str, str]) -> Link:
    url = str(download["url"])
    archive = download.get("archive_info") or {}
    digest = (archive.get("hashes") or {}).get("sha256")
    host = urlsplit(url).hostname or ""
    return Link(
        url=url,
        sha256=digest,
        cert=settings.get("cert"),
        proxy=settings.get("proxy"),
        trusted=host in settings.get("trusted-host", "").split(),
        login=_login(host, settings),
    )


def _login(host: str, settings: dict[str, str]) -> tuple[str, str] | None:
    """pip hides the login of an index in its report; the same host takes the same login."""
    for url in f"{settings.get('index-url', '')} {settings.get('extra-index-url', '')}".split():
        parts = urlsplit(url)
        if parts.hostname == host and parts.username:
            return parts.username, parts.password or ""
    return None


def shown(url: str) -> str:
    """The URL as a person may see it: without login and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
