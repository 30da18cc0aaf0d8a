"""`garra config`: read, change and check the configuration. Secrets are never printed."""

from typing import TYPE_CHECKING, Any, NoReturn

import click

from garra.cli.app import App, pass_app

if TYPE_CHECKING:
    from garra.config.keypath import KeyPath

_KEY_HELP = 'PATH is a key as in agents.defaults.model, a[0], or agents.defaults.models["vllm/*"].'


@click.group("config", help="Read, change and check the configuration.")
def command() -> None:
    """The group of the commands below."""


@command.command("get", help=f"Print the value of a key, secrets left out. {_KEY_HELP}")
@click.argument("path")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; failures too.")
@pass_app
def get(app: App, path: str, as_json: bool) -> None:
    """Print what is set at a key."""
    from garra.config.edit import get_value
    from garra.config.keypath import parse_path
    from garra.config.secrets import shown

    key = parse_path(path)
    value = get_value(app.configuration.data, key, default=...)
    if value is ...:
        _not_set(key, as_json)
    value = shown(value, key)
    click.echo(value if isinstance(value, str) and not as_json else _json(value))


def _not_set(key: "KeyPath", as_json: bool) -> NoReturn:
    from garra.config.keypath import format_path
    from garra.config.known import UnknownKey, known_key

    path = format_path(key)
    try:
        default = known_key(key).default
    except UnknownKey as unknown:
        _fail({"kind": "unknown_key", "path": path, "message": str(unknown)}, as_json)
    tail = "" if default in (None, {}, []) else f" (default: {_json(default, indent=None)})"
    _fail({"kind": "not_set", "path": path, "message": f"{path} is not set{tail}", "default": default}, as_json)


def _fail(error: dict[str, Any], as_json: bool) -> NoReturn:
    if as_json:
        click.echo(_json({"error": error}))
    else:
        click.echo(f"error: {error['message']}", err=True)
    raise click.exceptions.Exit(1)


@command.command(
    "set",
    help=f"Set a key. {_KEY_HELP} VALUE is read as JSON5, else as plain text.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("path")
@click.argument("value")
@click.option("--strict-json", is_flag=True, help="Refuse a VALUE that is not JSON.")
@pass_app
def set_(app: App, path: str, value: str, strict_json: bool) -> None:
    """Set one key and keep the rest of the file as it is."""
    from garra.config.edit import Set, edit
    from garra.config.keypath import format_path, parse_path

    key = parse_path(path)
    done = edit(app.paths, app.env, [Set(key, _value(value, key, strict_json))])
    if not done.changed:
        click.echo("No change")
        return
    click.echo(f"Set {format_path(key)} in {app.paths.config_file}")
    for missing in done.configuration.missing:
        if missing.key[: len(key)] == key:
            click.echo(f"warning: the environment variable {missing.variable} is not set", err=True)


def _value(text: str, key: "KeyPath", strict: bool) -> Any:
    if strict:
        return _strict_value(text)
    import pyjson5

    from garra.config.known import takes_text_only

    try:
        value = pyjson5.decode(text, maxdepth=100)
    except pyjson5.Json5Exception:
        return text
    return text if takes_text_only(key, value) else value


def _strict_value(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"VALUE is not JSON: {error}") from error


@command.command("unset", help=f"Remove a key. {_KEY_HELP}")
@click.argument("path")
@pass_app
def unset(app: App, path: str) -> None:
    """Remove one key and keep the rest of the file as it is."""
    from garra.config.edit import Unset, edit
    from garra.config.keypath import format_path, parse_path

    key = parse_path(path)
    if not edit(app.paths, app.env, [Unset(key)]).changed:
        _not_set(key, as_json=False)
    click.echo(f"Removed {format_path(key)} from {app.paths.config_file}")


@command.command("file", help="Print the path of the configuration file.")
@pass_app
def file(app: App) -> None:
    """Print where the configuration is, or would be."""
    click.echo(str(app.paths.config_file))


@command.command("validate", help="Check the configuration and list every fault.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def validate(app: App, as_json: bool) -> None:
    """List every fault, warning and missing variable; exit code 1 where there is a fault."""
    from garra.config.report import report

    found = report(app.paths, app.env)
    if as_json:
        click.echo(_json(found.as_json()))
    else:
        for line in found.lines():
            click.echo(line, err=not found.valid)
    if not found.valid:
        raise click.exceptions.Exit(1)


@command.command("schema", help="Print the JSON Schema of the configuration.")
def schema() -> None:
    """Print the schema that the types make."""
    from garra.config.json_schema import json_schema

    click.echo(_json(json_schema()))


def _json(value: Any, indent: int | None = 2) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, indent=indent)
