"""`garra up`: find the model server or start one, say what it is, have the assistant say hello, open the chat."""

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from garra.cli.app import App, pass_app
from garra.errors import ModelUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from garra.cli.embedded import Embedded
    from garra.cli.talk import Room
    from garra.models.catalogue import Capabilities, Chosen, ProviderView


@click.command()
@click.option("--no-chat", is_flag=True, help="End after the greeting, also on a terminal.")
@pass_app
def command(app: App, no_chat: bool) -> int:
    """Find or start a model server, say hello, and open the chat.

    Takes the server at the configured base URL (http://127.0.0.1:8000/v1 unless set); where none answers there, starts
    the embedded `garra serve` on it, and stops it again at the end.
    """
    return app.run(_up(app, no_chat))


async def _up(app: App, no_chat: bool) -> int:
    from garra.cli.chat_command import talk
    from garra.cli.talk import is_terminal

    async with _server(app) as embedded:
        await _introduce(app, embedded)
        if is_terminal() and not no_chat:
            click.echo("")
            return await talk(app)
    return 0


@asynccontextmanager
async def _server(app: App) -> "AsyncGenerator[Embedded | None]":
    """A server that answers: the one that is there (None), or one started here and stopped on leaving."""
    from garra.cli.embedded import embedded_for, start_embedded
    from garra.cli.talk import open_room

    async with open_room(app) as room:
        view = await room.models.view(_provider(room), refresh=True)
    if view.error is None:
        yield None
        return
    plan = embedded_for(app, view) if isinstance(view.error, ModelUnreachable) else None
    if plan is None:
        raise view.error
    click.echo(f"No model server answers at {view.base_url}; starting the embedded one there.", err=True)
    async with start_embedded(app, plan) as embedded:
        yield embedded


def _provider(room: "Room") -> str:
    """The provider of the configured model, or the first there is."""
    return room.models.default_provider()


async def _introduce(app: App, embedded: "Embedded | None") -> None:
    """Print what answers and what it can do, then let it say hello."""
    from garra.cli.greeting import bounded, hello, sober
    from garra.cli.screen import wrapped
    from garra.cli.talk import open_room

    async with open_room(app) as room:
        view = await room.models.view(_provider(room), refresh=True)
        chosen = await room.models.choose(None)
        able = await room.models.probe(chosen)
        for line in _report(view, chosen, able, embedded):
            click.echo(wrapped(line, sys.stdout))
        click.echo("")
        await hello(room, sober(chosen) if embedded else bounded(chosen))


def _report(view: "ProviderView", chosen: "Chosen", able: "Capabilities", embedded: "Embedded | None") -> "list[str]":
    from garra.cli.show import tools_in_words

    version = f", version {able.version}" if able.version else ""
    who = f"embedded, started here as process {embedded.pid}" if embedded else "already running"
    window = f"{chosen.window:,} tokens" if chosen.window else "not told by the server"
    return [
        f"Server      {view.base_url} ({who}{version})",
        f"Model       {chosen.ref}",
        f"Window      {window}",
        f"Tools       {tools_in_words(able)}",
        f"Structured  {'yes: replies can be held to a schema' if able.structured else 'no'} (tried)",
    ]
