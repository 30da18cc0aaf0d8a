"""`garra auth`: store, list and remove the keys of model servers. A key is never an argument and never printed."""

import sys
from typing import TYPE_CHECKING, Any

import click

from garra.cli.app import App, pass_app

if TYPE_CHECKING:
    from garra.models.profiles import Profiles


@click.group("auth", help="Store, list and remove keys of model servers.")
def command() -> None:
    """The group of the commands below."""


@command.command("set")
@click.argument("provider")
@click.option("--profile", metavar="NAME", help="Keep several keys for one provider apart by name.")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the key from standard input; a pipe is read anyway.")
@pass_app
def set_(app: App, provider: str, profile: str | None, from_stdin: bool) -> None:
    """Store a key for PROVIDER (as in: vllm, or vllm:work).

    The key is asked for without being shown, or read from standard input. A stored key goes before one from the
    environment or the configuration.
    """
    from garra.models.profiles import change_profiles, clean_key, load_profiles, profile_id

    name = profile_id(provider, profile)
    load_profiles(app.paths.auth_file)  # one that cannot be read is told before anything is typed
    key = clean_key(_read_key(name, from_stdin))
    change_profiles(app.paths.auth_file, lambda profiles: profiles.with_key(name, key))
    click.echo(f"Stored the key {name} in {app.paths.auth_file}")
    _warn_of_no_use(app, name)


def _read_key(name: str, from_stdin: bool) -> str:
    if from_stdin or not sys.stdin.isatty():
        return sys.stdin.read()
    key: str = click.prompt(f"Key for {name}", hide_input=True, err=True)
    return key


def _warn_of_no_use(app: App, name: str) -> None:
    """Say so when the key just stored is not one that would be used."""
    from garra.models.auth import profile_order
    from garra.models.profiles import load_profiles
    from garra.models.providers import provider_ids

    provider, profiles = name.partition(":")[0], load_profiles(app.paths.auth_file)
    if provider not in provider_ids(app.configuration, profiles):
        key = f"models.providers.{provider}.baseUrl"
        click.echo(
            f"warning: no provider {provider} is configured: garra config set {key} http://HOST:PORT/v1", err=True
        )
    elif (order := profile_order(provider, app.configuration, profiles)) and order[0] != name:
        click.echo(f"warning: {order[0]} goes before it; to pin it, choose the model as {provider}/ID@{name}", err=True)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def list_(app: App, as_json: bool) -> None:
    """Show where each provider's key comes from. The keys themselves are never shown."""
    from garra.models.profiles import load_profiles

    found = _origins(app, load_profiles(app.paths.auth_file))
    if as_json:
        import json

        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for row in found:
        stored = f"  (stored: {', '.join(row['profiles'])})" if row["profiles"] else ""
        click.echo(f"{row['provider']}: {row['error'] or row['key'] or 'no key'}{stored}")
    if not found:
        click.echo("No provider and no key. Store one: garra auth set vllm", err=True)


def _origins(app: App, profiles: "Profiles") -> list[dict[str, Any]]:
    """Each provider and where its key comes from, stored keys of unknown providers too."""
    from garra.models.providers import provider_ids

    known = provider_ids(app.configuration, profiles)
    return [
        _origin(app, profiles, provider, configured=provider in known)
        for provider in dict.fromkeys((*known, *profiles.providers()))
    ]


def _origin(app: App, profiles: "Profiles", provider: str, *, configured: bool) -> dict[str, Any]:
    from garra.errors import ConfigError
    from garra.models.providers import find_access

    row: dict[str, Any] = {"provider": provider, "key": None, "profiles": list(profiles.of(provider)), "error": None}
    if not configured:
        return row | {"error": "not used, since no such provider is configured"}
    try:
        key = find_access(provider, app.configuration, profiles).key
    except ConfigError as error:
        return row | {"error": str(error)}
    return row | {"key": key.source if key else None}


@command.command("remove")
@click.argument("profile", metavar="PROVIDER[:NAME]")
@pass_app
def remove(app: App, profile: str) -> None:
    """Remove a stored key: of PROVIDER its default one, or the one of that NAME."""
    from garra.errors import ConfigError
    from garra.models.profiles import change_profiles, load_profiles, profile_id

    name = profile_id(profile)
    profiles = load_profiles(app.paths.auth_file)
    if name not in profiles:
        stored = ", ".join(profiles.of(name.partition(":")[0])) or "none"
        raise ConfigError(f"There is no stored key {name}. Stored for this provider: {stored}.")
    change_profiles(app.paths.auth_file, lambda stored: stored.without(name))
    click.echo(f"Removed the key {name} from {app.paths.auth_file}")
