"""Keys: `/v1/*` wants one of them when there are any; health, version and tokenize do not, as in vLLM."""

import hashlib
import hmac
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

GUARDED = "/v1"


class Keys:
    """Plain ASGI middleware. Only digests of the keys are kept."""

    def __init__(self, app: ASGIApp, keys: Sequence[str]) -> None:
        self._app = app
        self._digests = [_digest(key) for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._guards(scope) and not self._knows(Headers(scope=scope)):
            await Response(b'{"error":"Unauthorized"}', 401, media_type="application/json")(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _guards(self, scope: Scope) -> bool:
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        return bool(self._digests) and scope["method"] != "OPTIONS" and path.startswith(GUARDED)

    def _knows(self, headers: Headers) -> bool:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return False
        given = _digest(key)
        return any([hmac.compare_digest(given, known) for known in self._digests])


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
