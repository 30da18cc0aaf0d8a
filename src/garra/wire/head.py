"""A request as bytes: the request line, the headers and the JSON body.

Refuses header names and values that could not be sent as one line each, naming the header and never its value.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from garra import __version__
from garra.errors import ConfigError
from garra.wire.address import Target, basic

_OURS = {"host", "content-length", "transfer-encoding", "connection"}
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


def request_bytes(
    method: str, target: Target, headers: Mapping[str, str], json: Any, *, proxy: Target | None = None
) -> bytes:
    """The whole request. `proxy` is given when it is sent to a proxy without a tunnel."""
    body = b"" if json is None else json if isinstance(json, bytes) else msgspec.json.encode(json)
    place = f"http://{target.authority}{target.path}" if proxy else target.path
    fields = {"host": target.authority, "user-agent": f"garra/{__version__}", "accept-encoding": "identity"}
    if target.credentials:
        fields["authorization"] = basic(target.credentials)
    if proxy and proxy.credentials:
        fields["proxy-authorization"] = basic(proxy.credentials)
    if json is not None:
        fields |= {"content-type": "application/json", "content-length": str(len(body))}
    elif method not in ("GET", "DELETE"):
        fields["content-length"] = "0"
    for name, value in headers.items():
        key = name.lower()
        if key not in _OURS:
            fields[key] = _safe(key, value)
    lines = [f"{method} {place} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def _safe(name: str, value: str) -> str:
    text = value.strip()
    printable = all(char == "\t" or 32 <= ord(char) < 127 or 160 <= ord(char) < 256 for char in text)
    if not name or not _TOKEN.issuperset(name) or not printable:
        raise ConfigError(
            f"The HTTP header {name!r} cannot be sent: its name or value holds a line break or another character "
            "that headers cannot carry. Look for a stray character in the key or in the configured headers."
        )
    return text
