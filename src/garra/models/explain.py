"""What a person needs beside a model server's error: the model, what is served, where the key came from, the mend.

Turns one error into another of the same kind with more lines. One that names the model that was asked for was explained
before and stays as it is. Asks nobody.
"""

import time

from garra.errors import AuthRejected, ContextOverflow, GarraError, ModelNotFound, ModelUnreachable, ServerSilent
from garra.models.auth import PROFILE, VARIABLE, key_variable
from garra.models.catalogue import Chosen, Listing
from garra.models.refs import ModelRef
from garra.wire.request import Endpoint


def explain_error(
    error: GarraError,
    endpoint: Endpoint,
    *,
    ref: ModelRef | None,
    listing: Listing | None,
    key_source: str | None,
    replicas: tuple[str, ...] = (),
) -> GarraError:
    """The error with what mends it. `listing` is what the server last said, `ref` the model that was wanted."""
    if ref is not None and _wanted(ref) in str(error):
        return error
    match error:
        case ServerSilent():
            lines = [_wanted(ref), _last_seen(listing), _patience(endpoint)]
        case ModelUnreachable():
            lines = [_wanted(ref), _last_seen(listing), _start(endpoint, replicas)]
        case AuthRejected():
            lines = [_wanted(ref), _last_seen(listing), _key(endpoint, key_source, str(error))]
        case ModelNotFound() if ref is not None:
            served = error.served or (listing.ids if listing else ())
            return not_served(ref, endpoint, served, said=str(error), named=bool(error.served))
        case _:
            return error
    text = _joined(str(error), lines)
    return ModelUnreachable(text, why=error.why) if isinstance(error, ModelUnreachable) else type(error)(text)


def explain_overflow(error: ContextOverflow, chosen: Chosen, listing: Listing | None) -> ContextOverflow:
    """The error with what is wrong about the window that was reckoned with, where something is."""
    now = listing.window(chosen.ref.id) if listing else None
    if now is None or chosen.window is None or now == chosen.window:
        return error
    if chosen.capped and now > chosen.window:
        line = f"contextTokens in the configuration allows {chosen.window:,} tokens; the server has {now:,}."
    elif not chosen.pinned:
        line = f"The server's window is {now:,} tokens now; it was {chosen.window:,}. Send the message again."
    elif now < chosen.window:
        line = f"The configuration says contextWindow {chosen.window:,}, the server {now:,}: leave it out, or say that."
    else:
        return error
    return ContextOverflow(_joined(str(error), [line]), limit=error.limit, asked=error.asked)


def not_served(
    ref: ModelRef, endpoint: Endpoint, served: tuple[str, ...], *, said: str = "", named: bool = False
) -> ModelNotFound:
    """The error for a model that its server does not list. `named`: what was `said` names the served ids already."""
    head = said or f"{endpoint.url('models')} does not list {ref.id}."
    lines = [_wanted(ref)]
    if not served:
        lines.append(f"See what is served there: curl {endpoint.url('models')}")
    elif not named:
        lines.append(f"Served there: {', '.join(served)}.")
        nearest = ModelRef(ref.provider, _nearest(ref.id, served))
        lines.append(f"Choose one: garra models set {nearest} (in a chat: /model {nearest})")
    return ModelNotFound(_joined(head, lines), served)


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


def _start(endpoint: Endpoint, replicas: tuple[str, ...]) -> str:
    provider, url = f"models.providers.{endpoint.provider}", "http://HOST:PORT/v1"
    where = f"{provider}.baseUrls '[\"{url}\"]'" if replicas else f"{provider}.baseUrl {url}"
    return f"Start a server there (garra up, or: vllm serve MODEL), or name another address: garra config set {where}"


def _patience(endpoint: Endpoint) -> str:
    return f"Wait longer for it: garra config set models.providers.{endpoint.provider}.timeoutSeconds SECONDS"


def _key(endpoint: Endpoint, source: str | None, said: str) -> str:
    """Where the key came from and what goes before what, so that the mend is made where it counts."""
    provider, variable = endpoint.provider, key_variable(endpoint.provider)
    if source is None:
        return "" if f"garra auth set {provider}" in said else f"Set one: garra auth set {provider}"
    if source.startswith(PROFILE):
        return f"The key came from the {source}, which goes before all others: garra auth set {source.split()[-1]}"
    if source.startswith(VARIABLE):
        return f"The key came from the {source}, which goes before the configuration: export {variable}=…"
    return f"The key came from {source}. One that is stored goes before it: garra auth set {provider}"


def _nearest(wanted: str, served: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(wanted, served, n=1)
    return near[0] if near else served[0]
