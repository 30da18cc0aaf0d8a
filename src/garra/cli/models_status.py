"""What `garra models status` finds out, and how it shows it."""

from typing import Any

from garra.cli.models_probe import as_data
from garra.config.load import Configuration
from garra.errors import ConfigError, GarraError
from garra.models.catalogue import Chosen
from garra.models.models import Models
from garra.wire.http import Http


async def find_status(configuration: Configuration) -> dict[str, Any]:
    """The model that answers and all about it, as far as it can be found out; `error` says what stopped it."""
    found: dict[str, Any] = {"configured": None, "fallbacks": [], "error": None}
    async with Http() as http:
        models = Models(configuration, http)
        if named := models.configured():
            found |= {"configured": named[0], "fallbacks": list(named[1:])}
        try:
            await _ask(models, found)
        except GarraError as error:
            found["error"] = str(error)
    return found


async def _ask(models: Models, found: dict[str, Any]) -> None:
    """Fill in what is found, step by step, so that an error leaves what came before it."""
    view = await models.view(models.default_provider(), refresh=True)
    found |= {"provider": view.id, "baseUrl": view.base_url, "keySource": view.key_source}
    found |= {"serverVersion": view.server_version, "reachable": view.error is None}
    found["asked"] = not isinstance(view.error, ConfigError)
    chosen = await models.choose(None)
    found |= _about(chosen)
    found["capabilities"] = None
    found["capabilities"] = as_data(await models.probe(chosen))  # anew: the server may run with other flags now


def _about(chosen: Chosen) -> dict[str, Any]:
    return {
        "model": str(chosen.ref),
        "provider": chosen.ref.provider,
        "baseUrl": chosen.endpoint.base_url,
        "replicas": list(chosen.replicas),
        "keySource": chosen.key_source,
        "contextWindow": chosen.window,
        "windowPinned": chosen.pinned,
        "maxTokens": chosen.max_tokens,
        "params": sorted(chosen.params),
        "unusedParams": list(chosen.unused),
    }


def lines(found: dict[str, Any]) -> list[str]:
    """The status as a person reads it."""
    named = found["configured"]
    shown = [f"Model       {found.get('model') or named or 'none'}{'' if named else ' (none is configured)'}"]
    if found["fallbacks"]:
        shown.append(f"Fallbacks   {', '.join(found['fallbacks'])}")
    if "provider" in found:
        shown += _server_lines(found)
    if found.get("replicas"):
        shown.append(f"Replicas    {', '.join(found['replicas'])}")
    if "model" in found:
        pinned = " (pinned by the configuration)" if found["windowPinned"] else ""
        shown.append(f"Window      {_tokens(found['contextWindow'])}{pinned}")
        shown.append(f"Max tokens  {_tokens(found['maxTokens'], 'no limit is configured')}")
    if found.get("params"):
        shown.append(f"Parameters  {', '.join(found['params'])}")
    if found.get("unusedParams"):
        shown.append(f"Not used    {', '.join(found['unusedParams'])}")
    if able := found.get("capabilities"):
        shown += _abilities(able)
    if found["error"]:
        shown += ["", *found["error"].splitlines()]
    return shown


def _server_lines(found: dict[str, Any]) -> list[str]:
    version = found.get("serverVersion")
    answers = "answers" if found.get("reachable") else "does not answer as it should"
    if not found["asked"]:
        answers = "was not asked"
    return [
        f"Provider    {found['provider']}",
        f"Server      {found['baseUrl']} ({answers}{f', version {version}' if version else ''})",
        f"Key         {found['keySource'] or 'none'}",
    ]


def _tokens(number: int | None, unknown: str = "not told by the server") -> str:
    return unknown if number is None else f"{number:,} tokens"


def _abilities(able: dict[str, Any]) -> list[str]:
    """What the model can do, in one line each."""
    words = {"native": "yes: the server takes `tools`", "refused": able["rung"], "unknown": "not known"}
    reason = f" ({able['reason']})" if able["reason"] else ""
    form = f"yes: replies can be held to a schema, with {able['structuredForm']}" if able["structuredForm"] else "no"
    return [
        f"Tools       {words[able['tools']]}{reason}",
        f"Structured  {form}",
        f"Tokens      {'counted by the server' if able['tokenize'] else 'estimated: the server does not count them'}",
    ]
