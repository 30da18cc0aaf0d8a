"""Onboarding without questions, told by OpenClaw's flags: everything is checked first, then written, then greeted.

A key never goes into the configuration: it is stored by itself, or named as the variable that holds it.
"""

import json
import sys
from typing import Any

import click
import msgspec

from garra.cli.app import App
from garra.cli.greeting import greet
from garra.cli.onboarding.finding import Server, completed, free_id, look_for, provider_of
from garra.cli.onboarding.writing import Setup, changes, shown, write
from garra.config.load import Configuration
from garra.errors import AuthRejected, ModelNotFound, UsageFault
from garra.models.auth import key_variable
from garra.models.profiles import clean_key
from garra.models.providers import DEFAULT_BASE_URL, IMPLICIT, clean_url
from garra.wire.http import Http

GENERIC_VARIABLE = "CUSTOM_API_KEY"


class Flags(msgspec.Struct, frozen=True):
    """What was asked for. `ignored` are the flags that mean nothing here."""

    auth_choice: str = IMPLICIT
    base_url: str | None = None
    model_id: str | None = None
    api_key: str | None = None
    provider_id: str | None = None
    workspace: str | None = None
    secret_mode: str = "plaintext"
    skip_health: bool = False
    as_json: bool = False
    ignored: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Flags({self.auth_choice} at {self.base_url})"  # without the key


def carry_out(app: App, flags: Flags) -> int:
    """Do what the flags say."""
    if flags.ignored:
        click.echo(f"Not used by Garra, and passed over: {', '.join(flags.ignored)}", err=True)
    configuration = app.configuration
    base_url = clean_url(completed(flags.base_url or DEFAULT_BASE_URL), "--custom-base-url")[0]
    provider = _provider(flags, configuration, base_url)
    key, reference = _key(flags, configuration, provider)
    known = key or (configuration.env.get(reference) if reference else None)
    server = _unchecked(flags, provider, base_url)
    if not flags.skip_health:
        server = app.run(_check(configuration, provider, base_url, known))
    setup = Setup(provider, server.base_url, _model(flags, server), key, reference, flags.workspace)
    wanted = changes(configuration, setup)
    lines = shown(app, setup, wanted)
    write(app, setup, wanted)
    for line in [] if flags.as_json else lines:
        click.echo(line)
    said = "" if flags.skip_health else _greet(app, flags)
    if flags.as_json:
        click.echo(json.dumps(_summary(app, setup, server, lines, said), ensure_ascii=False, indent=2))
    return 0


def _provider(flags: Flags, configuration: Configuration, base_url: str) -> str:
    """OpenClaw's vLLM choice is always the provider `vllm`, even where that was another address so far."""
    if flags.auth_choice == IMPLICIT:
        return IMPLICIT
    if flags.provider_id:
        return flags.provider_id.strip().lower()
    known = provider_of(configuration, base_url)
    listed = {name.lower() for name in configuration.config.models.providers}
    return known if known in listed else free_id("custom", ["custom"], base_url)


def _key(flags: Flags, configuration: Configuration, provider: str) -> tuple[str | None, str | None]:
    """The key to store, or the variable to refer to; neither where the server wants none."""
    names = (key_variable(provider), *((GENERIC_VARIABLE,) if flags.auth_choice != IMPLICIT else ()))
    variable = next((name for name in names if configuration.env.get(name, "").strip()), None)
    if flags.secret_mode == "ref":
        if variable is None:
            given = "the key is named and not given, so --custom-api-key is not stored" if flags.api_key else "it names"
            raise UsageFault(f"--secret-input-mode ref: {given} a variable. Set it first: export {names[0]}=…")
        return None, variable
    if flags.api_key:
        return clean_key(flags.api_key), None
    return None, variable


def _unchecked(flags: Flags, provider: str, base_url: str) -> Server:
    if flags.skip_health and not flags.model_id:
        raise UsageFault("--skip-health asks no server, so the model must be named: --custom-model-id ID")
    return Server(provider, base_url)


async def _check(configuration: Configuration, provider: str, base_url: str, key: str | None) -> Server:
    async with Http(configuration.env) as http:
        server = await look_for(http, configuration, provider, base_url, key)
    if server.wants_key:
        sent = "the key that was sent does not fit" if key else "no key was given"
        variable = key_variable(provider)
        raise AuthRejected(
            f"{server.base_url} wants a key, and {sent}. Nothing was written. "
            f"Give it: export {variable}=… (or --custom-api-key KEY), and call this again"
        )
    return server


def _model(flags: Flags, server: Server) -> str:
    """The model that was named, or the only one that is served."""
    served = ", ".join(server.served) or "nothing"
    if flags.model_id is None:
        if len(server.served) == 1:
            return server.served[0]
        raise ModelNotFound(
            f"{server.base_url} serves {served}, so the model must be named. Nothing was written. "
            f"Name one: --custom-model-id {server.served[0] if server.served else 'ID'}",
            server.served,
        )
    if not flags.skip_health and flags.model_id not in server.served:
        raise ModelNotFound(
            f"{server.base_url} does not list {flags.model_id}. Nothing was written. Served there: {served}. "
            "Name one of these, or add --skip-health",
            server.served,
        )
    return flags.model_id


def _greet(app: App, flags: Flags) -> str:
    fresh = App(app.env, config_file=app.config_file, profile=app.profile)
    return fresh.run(greet(fresh, sys.stderr if flags.as_json else sys.stdout))


def _summary(app: App, setup: Setup, server: Server, lines: list[str], said: str) -> dict[str, Any]:
    return {
        "ok": True,
        "provider": setup.provider,
        "baseUrl": setup.base_url,
        "model": setup.ref,
        "served": list(server.served),
        "key": f"auth profile {setup.profile}" if setup.key else setup.reference,
        "configFile": str(app.paths.config_file),
        "written": lines,
        "hello": said or None,
    }
