"""What went wrong at a server, in a few words for a line that passes by. Never the server's own words, nor a secret."""

from garra.errors import (
    AuthRejected,
    ModelError,
    ModelNotFound,
    ModelUnreachable,
    RequestRefused,
    ServerBusy,
    ServerFailed,
    ServerSilent,
    StreamBroken,
    Unreachable,
)

_NOT_REACHED: dict[Unreachable, str] = {
    "refused": "the server refused the connection",
    "unknown host": "its host name is not known",
    "untrusted": "TLS with the server failed",
    "hung up": "the server hung up",
}


def trouble(error: ModelError) -> str:
    """The trouble as the beginning or the middle of a sentence."""
    match error:
        case ServerBusy():
            return f"the server is {'not ready yet' if error.loading else 'busy'} (HTTP {error.http_status})"
        case ServerFailed():
            return f"the server failed (HTTP {error.http_status})"
        case ServerSilent():
            return "the server fell silent"
        case StreamBroken():
            return "the reply broke off"
        case ModelUnreachable():
            return _NOT_REACHED.get(error.why, "the server cannot be reached")
        case AuthRejected():
            return "the server rejected the key"
        case ModelNotFound():
            return "the server does not serve this model"
        case RequestRefused():
            return f"the server refused the request (HTTP {error.http_status})"
        case _:
            return "the server did not answer as it should"
