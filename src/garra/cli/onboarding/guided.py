"""Onboarding with a person at the terminal: which server, which key, which model; then it is written, and says hello.

The questions stand outside of the event loop, so that Ctrl-C ends them at once. Nothing is written before the last.
"""

import sys
from collections.abc import Sequence
from typing import Any, TypeVar

import click

from garra.cli.app import App
from garra.cli.greeting import greet
from garra.cli.onboarding.finding import USUAL, Server, completed, find_servers, key_at_hand, look_for, provider_of
from garra.cli.onboarding.writing import Setup, changes, shown, write
from garra.cli.screen import wrapped
from garra.config.edit import refuse_read_only
from garra.config.load import Configuration
from garra.errors import GarraError, NoModel, UsageFault
from garra.models.profiles import clean_key
from garra.wire.http import Http

T = TypeVar("T")
KEY_TRIES = 3

NOTHING_FOUND = """\
No model server was found. Any one of these starts one, or gives the address of yours:
  garra up            the embedded server with a small model, fetched once: 98 MB
  garra serve MODEL   the embedded server with a model of yours
  vllm serve MODEL    vLLM; for tools: --enable-auto-tool-choice --tool-call-parser hermes
Then again: garra onboard"""


def guide(app: App) -> int:
    """Ask, write, greet."""
    refuse_read_only(app.env)
    configuration = app.configuration
    click.echo(wrapped(f"Looking for model servers: what is configured, and {_usual_ports()} …", sys.stdout))
    servers = app.run(_with_http(find_servers, configuration))
    server = _pick(app, configuration, servers)
    if server is None:
        return 1
    server, key = _unlocked(app, configuration, server)
    setup = Setup(server.provider, server.base_url, _pick_model(configuration, server), key)
    wanted = changes(configuration, setup)
    click.echo("This is written, and nothing else is changed:")
    for line in shown(app, setup, wanted):
        click.echo(f"  {line}")
    click.confirm("Write it?", default=True, abort=True)
    write(app, setup, wanted)
    click.echo("")
    fresh = App(app.env, config_file=app.config_file, profile=app.profile)
    app.run(greet(fresh))
    click.echo("\nWhat next:\n  garra chat          talk\n  garra doctor        see what could be better")
    click.echo("  garra models list   see what else is served")
    return 0


def _usual_ports() -> str:
    return ", ".join(f"{program} at {url.split(':')[2].partition('/')[0]}" for program, _, url in USUAL)


def _pick(app: App, configuration: Configuration, servers: Sequence[Server]) -> Server | None:
    """The server that the person means; None where they name none."""
    if not servers:
        click.echo(NOTHING_FOUND)
    for number, server in enumerate(servers, 1):
        click.echo(f"  {number}. {server.line}")
    question = "Which one? A number, or the URL of another" if servers else "The URL of yours (Enter to stop)"
    while True:
        answer: str = click.prompt(question, default="1" if servers else "", show_default=bool(servers)).strip()
        if not answer:
            return None
        if answer.isdigit() and 1 <= int(answer) <= len(servers):
            return servers[int(answer) - 1]
        answer = completed(answer)
        if "://" not in answer:
            click.echo(f"{answer} is neither a number of the list nor a URL like http://127.0.0.1:8000/v1")
            continue
        try:
            return _at(app, configuration, answer)
        except GarraError as error:
            click.echo(wrapped(f"{error}", sys.stdout))


def _at(app: App, configuration: Configuration, url: str, key: str | None = None) -> Server:
    provider = provider_of(configuration, url)
    key = key or key_at_hand(configuration, provider)
    found: Server = app.run(_with_http(look_for, configuration, provider, url, key))
    return found


def _unlocked(app: App, configuration: Configuration, server: Server) -> tuple[Server, str | None]:
    """The server with what it serves, and the key to store, where one had to be asked for."""
    if not server.wants_key:
        return server, None
    opened = _at(app, configuration, server.base_url)
    if not opened.wants_key:
        return opened, None
    for _ in range(KEY_TRIES):
        text: str = click.prompt(f"The key of {server.base_url} (it is not shown)", hide_input=True)
        try:
            key = clean_key(text)
        except UsageFault as wrong:
            click.echo(f"{wrong}")
            continue
        opened = app.run(_with_http(look_for, configuration, server.provider, server.base_url, key))
        if not opened.wants_key:
            return opened, key
        click.echo("The server does not take this key.")
    raise UsageFault(f"{server.base_url} took none of these keys. Nothing was written. Again: garra onboard")


def _pick_model(configuration: Configuration, server: Server) -> str:
    """The model that the person chooses; the configured one, else the first, where they only press Enter."""
    served = server.served
    if not served:
        raise NoModel(f"{server.base_url} serves no model. Nothing was written. Start it with one: vllm serve MODEL")
    if len(served) == 1:
        click.echo(f"It serves one model: {served[0]}")
        return served[0]
    for number, model_id in enumerate(served, 1):
        click.echo(f"  {number}. {model_id}")
    usual = next((at for at, model_id in enumerate(served, 1) if _is_configured(configuration, server, model_id)), 1)
    chosen: int = click.prompt("Which model?", default=usual, type=click.IntRange(1, len(served)))
    return served[chosen - 1]


def _is_configured(configuration: Configuration, server: Server, model_id: str) -> bool:
    from garra.models.choice import configured_ref

    return configured_ref(configuration, "main") == f"{server.provider}/{model_id}"


async def _with_http(work: Any, configuration: Configuration, *arguments: Any) -> Any:
    """One piece of asking, with connections of its own."""
    async with Http(configuration.env) as http:
        return await work(http, configuration, *arguments)
