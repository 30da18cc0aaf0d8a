"""Every error that Garra raises on purpose, in one tree.

    GarraError
    ├── ConfigError            what the person wrote cannot be used; names each key, its line and the mend
    │   └── MissingVariable    a `${VAR}` has no value; names the variable and the key that wanted it
    ├── UsageFault             the command was called wrongly (exit code 2)
    ├── ModelError             a model server did not do what it was asked
    │   ├── ModelUnreachable   refused, timed out on connecting, or hung up before answering
    │   ├── ServerSilent       connected, then sent nothing for longer than allowed
    │   ├── StreamBroken       what it sent is no reply: early end, bad JSON, HTML, an endless line
    │   ├── AuthRejected       401 or 403
    │   ├── ModelNotFound      the server is there but does not serve that model
    │   ├── ContextOverflow    the prompt does not fit the model's window
    │   ├── RequestRefused     any other 4xx
    │   ├── ServerBusy         429, 503 or 529; may say when to come back
    │   └── ServerFailed       any other 5xx; 408 and 499, which say that something took too long
    ├── NoModel                no model is configured, or none was found
    ├── StepLimit, TimeLimit   a turn reached a configured limit
    ├── SessionError           a session does not exist, or another process is running a turn in it
    │   └── StoreError         the store itself cannot be read or written: a full disk, a damaged file
    ├── ToolRefused            policy or the person said no to a tool call
    └── ServeError             `garra serve` cannot do what was asked: weights, formats, ports

`str(exc)` is for the person at the terminal and says how to mend it. `public` is all that a remote client may see.
Nothing here ever holds a secret: whoever raises redacts first.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

Unreachable: TypeAlias = Literal["refused", "unknown host", "untrusted", "no answer", "hung up", "unknown"]
"""Why a server was not reached. `untrusted`: TLS did not come about; `no answer`: no connection in time, or no way."""


class GarraError(Exception):
    """Base of everything raised here on purpose."""

    status = 500
    kind = "server_error"
    public = "Something failed on our side."
    exit_code = 1


class ConfigError(GarraError):
    """The configuration cannot be used. `issues` holds one line for each fault, all of them at once."""

    kind = "config_error"
    public = "The assistant's configuration is invalid."

    def __init__(self, message: str, issues: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.issues = tuple(issues)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {issue}" for issue in self.issues)])


class MissingVariable(ConfigError):
    """A `${VAR}` in the configuration has no value in the environment."""

    def __init__(self, variable: str, path: str) -> None:
        super().__init__(
            f"{path} wants the environment variable {variable}, which is not set. "
            f"Set it (export {variable}=…), or change {path} with: garra config set {path} VALUE"
        )
        self.variable = variable
        self.path = path


class UsageFault(GarraError):
    """The command line makes no sense as given."""

    status, kind, exit_code = 400, "invalid_request_error", 2


class ModelError(GarraError):
    """A model server did not do what it was asked. `retryable`: the same request may be sent again."""

    status, kind, public = 502, "model_error", "The model server did not answer as it should."
    retryable = False


class ModelUnreachable(ModelError):
    """The model server refused the connection, timed out on it, or hung up before answering."""

    status, kind, public = 503, "model_unreachable", "The model is not answering right now."
    retryable = True

    def __init__(self, message: str, *, why: Unreachable = "unknown") -> None:
        super().__init__(message)
        self.why: Unreachable = why


class ServerSilent(ModelError):
    """The connection stands but nothing came for longer than the silence that is allowed."""

    status, kind, public = 504, "model_silent", "The model stopped answering."
    retryable = True


class StreamBroken(ModelError):
    """What arrived is not a complete reply. What had arrived before is kept by whoever consumed the stream."""

    kind = "model_stream_broken"
    retryable = True


class AuthRejected(ModelError):
    """The server wants another key."""

    status, kind, public = 502, "model_auth", "The model server rejected our key."


class ModelNotFound(ModelError):
    """The server does not serve that model. `served` lists the ids that it does serve, when known."""

    status, kind = 404, "model_not_found"
    public = "That model does not exist here."

    def __init__(self, message: str, served: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.served = tuple(served)


class ContextOverflow(ModelError):
    """The prompt does not fit. `limit` and `asked` are in tokens, where known."""

    status, kind, public = 400, "context_overflow", "The conversation is too long for the model."

    def __init__(self, message: str, *, limit: int | None = None, asked: int | None = None) -> None:
        super().__init__(message)
        self.limit = limit
        self.asked = asked


class RequestRefused(ModelError):
    """The server understood the request and refuses it. `http_status` is what it answered."""

    status, kind = 400, "model_refused"

    def __init__(self, message: str, *, http_status: int = 400, param: str | None = None) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.param = param


class ServerBusy(ModelError):
    """The server has too much to do, or is `loading`. `retry_after_s` is its own word for when to come back."""

    status, kind, public = 503, "model_busy", "The model is busy; please try again."
    retryable = True

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, http_status: int = 503, loading: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.http_status = http_status
        self.loading = loading


class ServerFailed(ModelError):
    """The server broke while it worked on the request. `http_status` is what it answered."""

    kind = "model_failed"
    retryable = True

    def __init__(self, message: str, *, http_status: int = 500) -> None:
        super().__init__(message)
        self.http_status = http_status


class NoModel(GarraError):
    """Nothing says which model should answer."""

    status, kind, public = 503, "no_model", "No model is configured."


class StepLimit(GarraError):
    """The turn asked the model as often as it may (`agents.defaults.maxSteps`)."""

    kind = "step_limit"


class TimeLimit(GarraError):
    """The turn took as long as it may (`agents.defaults.timeoutSeconds`)."""

    kind = "time_limit"


class SessionError(GarraError):
    """A session cannot be had: it does not exist, or another process is running a turn in it."""

    status, kind = 404, "session_error"


class StoreError(SessionError):
    """The store of sessions cannot be read or written: a full or read-only disk, a damaged or locked file."""

    status, kind, public = 500, "store_error", "The conversation could not be stored."


class ToolRefused(GarraError):
    """Policy, or the person, said no to a tool call. The message is shown to the model."""

    status, kind = 403, "tool_refused"


class ServeError(GarraError):
    """`garra serve` cannot do what was asked."""

    kind = "serve_error"
