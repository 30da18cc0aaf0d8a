"""`garra models`: what the servers serve, which model answers, and what it can do. Asks; never shows a guess."""

import sys
from typing import TYPE_CHECKING, Any

import click

from garra.cli.app import App, pass_app

if TYPE_CHECKING:
    from garra.models.catalogue import Capabilities, Chosen, ProviderView
    from garra.models.refs import ModelRef


@click.group("models", help="See which models are served, and choose one.")
def command() -> None:
    """The group of the commands below."""


@command.command("list")
@click.option("--provider", metavar="PROVIDER", help="Only this provider.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--refresh", is_flag=True, help="Ask the servers, which is what happens anyway.")
@pass_app
def list_(app: App, provider: str | None, as_json: bool, refresh: bool) -> int:
    """Ask every model server what it serves, and list it.

    A server that cannot be asked is named on standard error, and what it served before is listed. Exit code 1 when
    there is nothing to list because no server could be asked.
    """
    from garra.cli.models_table import print_table, views_as_json

    views, default = app.run(_views(app, provider))
    if as_json:
        click.echo(_json(views_as_json(views, default)))
    else:
        print_table(views, default)
    told = [view for view in views if view.error is None or view.entries]
    return 0 if told else 1


async def _views(app: App, provider: str | None) -> "tuple[tuple[ProviderView, ...], ModelRef | None]":
    from garra.models.models import Models
    from garra.wire.http import Http

    async with Http() as http:
        models = Models(app.configuration, http)
        if provider is None:
            views = await models.views(refresh=True)
        else:
            models.check_provider(provider.lower())
            views = (await models.view(provider.lower(), refresh=True),)
        return views, models.default_of(views)


@command.command("status", short_help="Show the model that answers, and whether it can.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def status(app: App, as_json: bool) -> int:
    """Show the model that answers, its server, where the key comes from, and what the model can do.

    Exit code 1 when it could not answer now.
    """
    from garra.cli.models_status import find_status, lines
    from garra.cli.screen import wrapped

    found = app.run(find_status(app.configuration))
    click.echo(_json(found) if as_json else wrapped("\n".join(lines(found)), sys.stdout))
    return 1 if found["error"] else 0


@command.command("set", short_help="Choose the model that answers.")
@click.argument("ref")
@pass_app
def set_(app: App, ref: str) -> None:
    """Make REF (provider/model, an alias, or an id that one provider alone has) the model that answers.

    Written to agents.defaults.model; fallbacks are kept. A model that its server does not list is set all the same,
    with a warning that names what is served.
    """
    from garra.config.edit import Set, edit, get_value

    chosen, warning = app.run(_checked(app, ref))
    key = ("agents", "defaults", "model")
    plain = isinstance(get_value(app.configuration.data, key), str)
    done = edit(app.paths, app.env, [Set(key if plain else (*key, "primary"), chosen)])
    click.echo(f"The model is now {chosen}" if done.changed else f"No change: the model is {chosen}")
    if warning:
        click.echo(f"warning: {warning}", err=True)


async def _checked(app: App, text: str) -> tuple[str, str]:
    """The ref in full as its server spells it, and what speaks against it."""
    from garra.models.models import Models
    from garra.models.refs import ModelRef, match_id, split_profile
    from garra.wire.http import Http

    name, profile = split_profile(text)
    async with Http() as http:
        models = Models(app.configuration, http)
        ref = await models.resolve(name)
        view = await models.view(ref.provider, refresh=True)
    listed = [entry.ref.id for entry in view.entries]
    spelt = str(ModelRef(ref.provider, match_id(ref.id, [*listed, *(view.served or ())]) or ref.id))
    return f"{spelt}@{profile}" if profile else spelt, doubt(spelt, view)


def doubt(ref: str, view: "ProviderView") -> str:
    """Why the model may not answer; empty when nothing speaks against it."""
    if view.error is not None:
        return f"it could not be checked. {view.error}"
    if view.served is None or ref.partition("/")[2] in view.served:
        return ""
    return f"{view.base_url} does not list it. Served there: {', '.join(view.served) or 'nothing'}"


@command.command("probe", short_help="Try out anew what a model can do.")
@click.argument("ref", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def probe(app: App, ref: str | None, as_json: bool) -> int:
    """Try out anew what a model can do: tools, structured output, images, token counts and more.

    Sends about a dozen tiny requests, and prints for each thing what was seen and what it means. Exit code 1 when the
    server cannot be used.
    """
    from garra.cli.models_probe import as_data, probe_lines
    from garra.errors import GarraError

    try:
        chosen, found = app.run(_probe(app, ref))
    except GarraError as error:
        if not as_json:
            raise
        click.echo(_json({"model": ref, "error": str(error)}))
        return 1
    model, base_url = str(chosen.ref), chosen.endpoint.base_url
    if as_json:
        click.echo(_json({"model": model, "baseUrl": base_url, **as_data(found), "error": None}))
    else:
        click.echo("\n".join(probe_lines(model, base_url, found)))
    return 0


async def _probe(app: App, ref: str | None) -> "tuple[Chosen, Capabilities]":
    from garra.models.models import Models
    from garra.wire.http import Http

    async with Http() as http:
        models = Models(app.configuration, http)
        chosen = await models.choose(ref)
        return chosen, await models.probe(chosen, whole=True)


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, indent=2)
