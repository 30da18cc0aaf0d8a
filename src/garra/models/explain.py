"""What a person needs beside a model server's error: the model, what is served, where the key came from, the mend.

Turns one error into another of the same kind with more lines. One that names the model that was asked for was explained
before and stays as it is. Asks nobody.
"""

import time

from garra.errors import AuthRejected, GarraError, ModelNotFound, ModelUnreachable, ServerSilent
from garra.models.auth import key_variable
from garra.models.catalogue import Listing
from garra.models.refs import ModelRef
from garra.wire.request import Endpoint


def explain_error(
    error: GarraError, endpoint: Endpoint, *, ref: ModelRef | None, listing: Listing | None, key_source: str | None
) -> GarraError:
    """The error with what mends it. `listing` is what the server last said, `ref` the model that was wanted."""
    if ref is not None and _wanted(ref) in str(error):
        return error
    match error:
        case ModelUnreachable() | ServerSilent():
            lines = [_wanted(ref), _last_seen(listing), _start(endpoint)]
        case AuthRejected():
            lines = [_wanted(ref), _last_seen(listing), _key(endpoint, key_source)]
        case ModelNotFound() if ref is not None:
            return not_served(ref, endpoint, error.served or (listing.ids if listing else ()), said=str(error))
        case _:
            return error
    return type(error)(_joined(str(error), lines))


def not_served(ref: ModelRef, endpoint: Endpoint, served: tuple[str, ...], *, said: str = "") -> ModelNotFound:
    """The error for a model that its server does not list."""
    head = said or f"{endpoint.url('models')} does not list {ref.id}."
    if not served:
        return ModelNotFound(_joined(head, [f"Check what is served there: curl {endpoint.url('models')}"]))
    names = f"Served there: {', '.join(served)}."
    choose = f"Choose one: garra models set {ModelRef(ref.provider, _nearest(ref.id, served))}"
    return ModelNotFound(_joined(head, [_wanted(ref), names, choose]), served)


def age(seconds: float) -> str:
    """A span of time, roughly."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _joined(said: str, lines: list[str]) -> str:
    return "\n".join([said, *(line for line in lines if line and line not in said)])


def _wanted(ref: ModelRef | None) -> str:
    return f"The model asked for was {ref}." if ref else ""


def _last_seen(listing: Listing | None) -> str:
    if listing is None or not listing.models:
        return ""
    return f"When it last answered, {age(time.time() - listing.asked_at)} ago, it served: {', '.join(listing.ids)}."


def _start(endpoint: Endpoint) -> str:
    key = f"models.providers.{endpoint.provider}.baseUrl"
    return (
        f"Start a server there (garra up, or: vllm serve MODEL), or name another address: "
        f"garra config set {key} http://HOST:PORT/v1"
    )


def _key(endpoint: Endpoint, source: str | None) -> str:
    came = f"The key came from: {source}." if source else "No key is set for this provider."
    return (
        f"{came} Set the one that the server was started with: garra auth set {endpoint.provider} "
        f"(or: export {key_variable(endpoint.provider)}=…)"
    )


def _nearest(wanted: str, served: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(wanted, served, n=1)
    return near[0] if near else served[0]
