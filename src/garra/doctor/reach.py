"""The checks of the way to the model: its key, its server, the model itself and its window.

The server is asked for its list and its version, and for nothing that costs tokens. A key is named by where it came
from, never shown.
"""

import asyncio
from urllib.parse import urlsplit

from garra.config.keypath import format_path
from garra.config.load import Configuration
from garra.doctor.finding import Finding, broken, command, hint, ok, quote
from garra.doctor.parsers import serve_line
from garra.doctor.subject import Subject
from garra.errors import (
    AuthRejected,
    ConfigError,
    GarraError,
    MissingVariable,
    ModelError,
    ModelNotFound,
    ModelUnreachable,
    RequestRefused,
    ServerBusy,
    ServerSilent,
    StreamBroken,
)
from garra.models.auth import key_variable
from garra.models.catalogue import Chosen, ProviderView
from garra.models.models import Models
from garra.models.refs import ModelRef
from garra.wire.body import decode
from garra.wire.http import Http

LISTED = 6
_WEIGHTS_LIMIT_S = 5.0
SOME_MODEL = "Qwen/Qwen3-8B"
"""Stands in a command where no name is known."""


def check_key(models: Models, configuration: Configuration, provider: str, profile: str | None = None) -> Finding:
    """Where the provider's key comes from; `profile` is a stored one that the ref pins."""
    try:
        access = models.access(provider, profile)
    except GarraError as error:
        return no_access(error, configuration, provider, profile)
    if access.key is None:
        return ok("key", f"none is set for {provider}", "That is right for a server that was started without one.")
    if access.key.value is None:
        return ok("key", f"none is wanted, says {access.key.source}")
    return ok("key", f"for {provider}, from {access.key.source}")


def no_access(error: GarraError, configuration: Configuration, provider: str, profile: str | None = None) -> Finding:
    """What keeps a provider from being used at all."""
    paths, text = configuration.paths, str(error)
    store = command(paths, "auth", "set", profile or provider)
    if isinstance(error, MissingVariable):
        return broken(
            "key", text.partition(". ")[0], "No request is sent without it.", f"export {error.variable}=…", store
        )
    if str(paths.auth_file) in text:
        aside = f"mv {quote(paths.auth_file)} {quote(paths.auth_file)}.damaged"
        return broken("key", text, "No stored key can be used.", aside, store)
    if "baseUrl" in text:
        return broken("key", text, "", _set_url(configuration, provider, "http://HOST:PORT/v1"))
    return broken("key", text, "", store)


def _set_url(configuration: Configuration, provider: str, url: str) -> str:
    return command(configuration.paths, "config", "set", f"models.providers.{provider}.baseUrl", url)


def check_server(view: ProviderView, configuration: Configuration) -> Finding:
    """What the server answered when it was asked what it serves."""
    if view.error is not None:
        return _no_answer(view.error, view, configuration)
    version = f", version {view.server_version}" if view.server_version else ""
    served = view.served or ()
    if not served:
        means = "It is up, but has no model loaded."
        return broken("server", f"{view.base_url} answers{version}, and serves nothing", means, _start(view))
    more = f" and {len(served) - LISTED} more" if len(served) > LISTED else ""
    return ok("server", f"{view.base_url} answers{version}, and serves {', '.join(served[:LISTED])}{more}")


def _no_answer(error: GarraError, view: ProviderView, configuration: Configuration) -> Finding:
    seen = str(error).splitlines()[0]
    url = _set_url(configuration, view.id, "http://HOST:PORT/v1")
    curl = f"curl {view.base_url}/models"
    match error:
        case ModelUnreachable():
            means = "Nothing answers there: no server runs, or it runs at another address."
            return broken("server", seen, means, command(configuration.paths, "up"), _start(view), url)
        case AuthRejected():
            came = f"It came from: {view.key_source}." if view.key_source else "None was sent."
            mend = [command(configuration.paths, "auth", "set", view.id)]
            if view.key_source and key_variable(view.id) in view.key_source:
                mend.append(f"export {key_variable(view.id)}=…")
            return broken("server", seen, f"The server wants the key that it was started with. {came}", *mend)
        case ServerBusy():
            return broken("server", seen, "It may still be loading its model; look again in a moment.", curl)
        case ServerSilent():
            return broken("server", seen, "It takes connections but does not answer; its log says why.", curl)
        case StreamBroken() | RequestRefused():
            return _no_list(seen, view, configuration, curl)
        case ConfigError():
            return broken("server", seen, "", url)
    return broken("server", seen, "The server's log says why.", curl)


def _no_list(seen: str, view: ProviderView, configuration: Configuration, curl: str) -> Finding:
    means = "Something else than a model server answers there, or the address lacks its last part."
    base_url = view.base_url.rstrip("/")
    right = "http://HOST:PORT/v1" if base_url.endswith("/v1") else f"{base_url}/v1"
    url = _set_url(configuration, view.id, right)
    if view.entries:
        return hint("server", seen, "It does not list its models; those of the configuration are taken.", curl, url)
    return broken("server", seen, means, url, curl)


def _start(view: ProviderView) -> str:
    host = urlsplit(view.base_url).hostname or ""
    wanted = view.entries[0].ref.id if view.entries else SOME_MODEL
    on = "" if host in ("127.0.0.1", "localhost", "::1") else f"   # on {host}"
    return serve_line(wanted, view.base_url) + on


async def check_model(
    models: Models, view: ProviderView, configuration: Configuration, ref: str | None
) -> tuple[Finding, Chosen | None]:
    """Which model answers, and whether its server has it."""
    named = ref or next(iter(models.configured()), None)
    try:
        chosen = await models.choose(ref)
    except GarraError as error:
        return _no_model(error, view, configuration), None
    if view.error is None and view.served is not None and chosen.ref.id not in view.served:
        missing = ModelNotFound(f"{view.base_url} does not list {chosen.ref.id}", view.served)
        return _no_model(missing, view, configuration), None
    if named is None:
        means = "None is configured, so the first that is served answers. Another start of the server may change it."
        return hint("model", str(chosen.ref), means, _choose(configuration, chosen.ref)), chosen
    return ok("model", f"{chosen.ref}{'' if named == str(chosen.ref) else f' ({named})'}"), chosen


def _no_model(error: GarraError, view: ProviderView, configuration: Configuration) -> Finding:
    head, *rest = str(error).splitlines()
    served = view.served or (error.served if isinstance(error, ModelNotFound) else ())
    if not served:
        return broken("model", head, "\n".join(rest), command(configuration.paths, "models", "list"))
    means = f"Served there: {', '.join(served)}."
    return broken(
        "model", head, means, *(_choose(configuration, ModelRef(view.id, model_id)) for model_id in served[:3])
    )


def _choose(configuration: Configuration, ref: ModelRef) -> str:
    return command(configuration.paths, "models", "set", str(ref))


def check_window(subject: Subject) -> Finding:
    """Whether the configured window is one that the server has."""
    chosen, row = subject.chosen, _row_path(subject)
    listed = next((entry for entry in subject.view.entries if entry.ref == chosen.ref), None)
    served = listed.served_window if listed else None
    if chosen.window is None:
        means = "Without it, nothing can be cut to fit, and the server refuses what is too long."
        value = "NUMBER_OF_TOKENS"
        rows = f'[{{"id": "{chosen.ref.id}", "contextWindow": {value}}}]'
        mend = (f"{row}.contextWindow", value) if row else (f"models.providers.{chosen.ref.provider}.models", rows)
        return hint(
            "window", "neither the server nor the configuration tells it", means, subject.garra("config", "set", *mend)
        )
    if chosen.pinned and served is not None and served < chosen.window:
        seen = f"the configuration says {chosen.window:,} tokens, the server has {served:,}"
        means = "Longer conversations are refused by the server instead of being made to fit."
        return broken("window", seen, means, subject.garra("config", "unset", f"{row}.contextWindow"))
    whose = " (pinned by the configuration" + (f"; the server has {served:,})" if served else ")")
    return ok("window", f"{chosen.window:,} tokens{whose if chosen.pinned else ''}")


def _row_path(subject: Subject) -> str:
    """Where the configuration describes the model; empty where it does not."""
    providers = subject.configuration.config.models.providers
    for name, settings in providers.items():
        if name.lower() == subject.chosen.ref.provider:
            for at, row in enumerate(settings.models):
                if row.id == subject.chosen.ref.id:
                    return format_path(("models", "providers", name, "models", at))
    return ""


async def find_weights(http: Http, chosen: Chosen) -> str:
    """What the server says that the model was loaded from (`root`); empty where it does not say."""
    try:
        async with asyncio.timeout(_WEIGHTS_LIMIT_S):
            headers = chosen.endpoint.request_headers()
            answer = await http.request("GET", chosen.endpoint.url("models"), headers=headers)
        rows = decode(answer.body)["data"]
        found = next((row["root"] for row in rows if row["id"] == chosen.ref.id), "")
    except (ModelError, TimeoutError, ValueError, LookupError, TypeError):
        return ""
    return found if isinstance(found, str) else ""
