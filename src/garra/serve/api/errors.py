"""Every error body, in vLLM's shape: `{"error": {"message", "type", "param", "code"}}`.

`Refused` is raised anywhere on the way to an answer; errors of the tree are translated at the same border. What a
client sees never holds a path or a traceback of this machine.
"""

from typing import Any

import msgspec
from starlette.responses import Response

from garra.errors import ContextOverflow, GarraError, RequestRefused, ServeError, ServerBusy

_NAMES = {
    400: "BadRequestError",
    404: "NotFoundError",
    408: "RequestTimeoutError",
    413: "RequestEntityTooLargeError",
    429: "RateLimitError",
    500: "InternalServerError",
    503: "ServiceUnavailableError",
}


class Refused(Exception):
    """An answer that is an error."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str | None = None,
        param: str | None = None,
        retry_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind or _NAMES.get(status, "BadRequestError")
        self.param = param
        self.retry_s = retry_s

    def body(self) -> bytes:
        """The error as JSON."""
        error = {"message": str(self), "type": self.kind, "param": self.param, "code": self.status}
        return msgspec.json.encode({"error": error})

    def response(self) -> Response:
        """The error as a whole answer."""
        headers = {"retry-after": str(max(1, round(self.retry_s)))} if self.retry_s is not None else None
        return Response(self.body(), self.status, headers=headers, media_type="application/json")


def invalid(message: str, parameter: str | None = None, value: Any = None) -> Refused:
    """A bad parameter, with vLLM's tail that names it."""
    named = [f"parameter={parameter}"] if parameter else []
    given = [f"value={value}"] if value is not None else []
    tail = f" ({', '.join(named + given)})" if named or given else ""
    return Refused(message + tail, param=parameter)


def not_supported(parameter: str) -> Refused:
    """A field that this engine cannot honour is refused by name, never ignored."""
    return invalid(f"`{parameter}` is not supported by this server's engine.", parameter)


def too_long(limit_tokens: int) -> Refused:
    """The prompt does not fit the window."""
    asked = limit_tokens + 1
    return invalid(
        f"This model's maximum context length is {limit_tokens} tokens. However, your prompt contains at least {asked} "
        "input tokens, which exceeds this limit even without any output tokens. "
        "Please reduce the length of the input prompt.",
        "input_tokens",
        asked,
    )


def refused_of(error: GarraError) -> Refused:
    """An error of the tree, as a client may see it."""
    if isinstance(error, RequestRefused):
        return Refused(str(error), param=error.param)
    if isinstance(error, ContextOverflow):
        return too_long(error.limit) if error.limit else Refused(str(error), param="input_tokens")
    if isinstance(error, ServerBusy):
        return Refused(str(error), status=503, retry_s=error.retry_after_s or 1)
    if isinstance(error, ServeError):
        return Refused("The engine stopped; this request cannot be finished.", status=500)
    return Refused(error.public, status=error.status if error.status in _NAMES else 500)
