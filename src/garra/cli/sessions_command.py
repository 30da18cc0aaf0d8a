"""`garra sessions`: the conversations that are kept. Nothing is created to look at them, and nothing but `delete`
changes them."""

import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from garra.cli.app import App, pass_app

if TYPE_CHECKING:
    from garra.agent.context import ContextReport
    from garra.sessions.entries import Entry, SessionInfo
    from garra.sessions.store import Store

T = TypeVar("T")

NAME_HELP = "KEY is a session's key, its short name, or its id."
limit_option = click.option("--limit", type=click.IntRange(min=1), metavar="NUMBER", help="Show at most so many.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("sessions", help="List, show, search, export and delete conversations.")
def command() -> None:
    """The group of the commands below."""


@command.command("list", help="List the conversations, the last one used first.")
@click.option("--all", "past", is_flag=True, help="Those before a reset as well.")
@limit_option
@json_option
@pass_app
def list_(app: App, past: bool, limit: int | None, as_json: bool) -> None:
    """Print a table, or JSON."""
    from garra.cli.sessions_json import as_json_text, info_json

    found = _with_store(app, lambda store: store.sessions(limit=limit, past=past)) or ()
    if as_json:
        click.echo(as_json_text([info_json(info) for info in found]))
    elif found:
        _print_table(found)
    else:
        click.echo("No conversations yet. Begin one with: garra chat", err=True)


def _print_table(found: "Iterable[SessionInfo]") -> None:
    from garra.sessions.readable import counted, local_time, one_line

    rows = [(info.key if info.current else f"  {info.session_id}", info) for info in found]
    width = max(len(name) for name, _ in rows)
    for name, info in rows:
        size = counted(info.messages, "message")
        click.echo(f"{name:<{width}}  {local_time(info.updated_at)}  {size:>12}  {one_line(info.title, 60)}".rstrip())


@command.command("show", help=f"Print a conversation. {NAME_HELP}")
@click.argument("name", metavar="KEY")
@json_option
@pass_app
def show(app: App, name: str, as_json: bool) -> None:
    """Print one transcript; calls and results in a line each."""
    from garra.cli.screen import harmless
    from garra.cli.sessions_json import as_json_text, transcript_json
    from garra.sessions.readable import plain_text

    info, entries = _transcript(app, name)
    if as_json:
        click.echo(as_json_text(transcript_json(info, entries)))
        return
    for line in plain_text(info, entries):
        click.echo(harmless(line, sys.stdout))


@command.command(
    "search",
    short_help="Find what was said.",
    help="Find what was said: the newest messages that hold every word of TEXT.",
)
@click.argument("text", nargs=-1, required=True)
@limit_option
@json_option
@pass_app
def search(app: App, text: tuple[str, ...], limit: int | None, as_json: bool) -> None:
    """Print one line for each message that was found."""
    from garra.cli.sessions_json import as_json_text, hit_json
    from garra.sessions.readable import local_time, one_line

    found = _with_store(app, lambda store: store.search(" ".join(text), limit or 20)) or ()
    if as_json:
        click.echo(as_json_text([hit_json(hit) for hit in found]))
        return
    for hit in found:
        click.echo(f"{hit.key}  {local_time(hit.at)}  {hit.role}: {one_line(hit.snippet, 160)}")
    if not found:
        click.echo("Nothing was found.", err=True)


@command.command(
    "context", short_help="Show where the tokens go.", help=f"Show where the tokens of a conversation go. {NAME_HELP}"
)
@click.argument("name", metavar="KEY")
@json_option
@pass_app
def context(app: App, name: str, as_json: bool) -> None:
    """Print a bar for each part of the next request."""
    import msgspec

    from garra.cli.screen import wrapped
    from garra.cli.show_context import drawn

    info, entries = _transcript(app, name)
    report = app.run(_context(app, info.key, entries))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
        return
    for line in drawn(report):
        click.echo(wrapped(line, sys.stdout))


async def _context(app: App, key: str, entries: "tuple[Entry, ...]") -> "ContextReport":
    from garra.agent.context import context_report
    from garra.cli.talk import open_room

    async with open_room(app) as room:
        toolbox = room.toolbox(key)
        try:
            turn = await room.turn(key, toolbox)
            return await context_report(turn, entries, await room.models.capabilities(turn.chosen))
        finally:
            await toolbox.close()


@command.command("export", help=f"Write a conversation to a file or to standard output. {NAME_HELP}")
@click.argument("name", metavar="KEY")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "markdown"]),
    default="jsonl",
    show_default=True,
    help="jsonl: OpenClaw's transcript events, one a line.",
)
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write to FILE.")
@pass_app
def export(app: App, name: str, form: str, output: Path | None) -> None:
    """Write one transcript, whole."""
    from garra.sessions.readable import markdown

    info, entries = _transcript(app, name)
    if form == "markdown":
        data = "\n".join([*markdown(info, entries), ""]).encode("utf-8", "replace")
    else:
        data = b"".join(_openclaw_lines(app, info, entries))
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    from garra.config.paths import replace_file

    replace_file(output, data)
    click.echo(f"Wrote {info.key} to {output}", err=True)


def _openclaw_lines(app: App, info: "SessionInfo", entries: "tuple[Entry, ...]") -> Iterable[bytes]:
    from garra.errors import ConfigError
    from garra.sessions.export import openclaw_lines
    from garra.sessions.keys import agent_of

    try:
        folder = app.configuration.workspace(agent_of(info.key))
    except ConfigError:  # a transcript can be had with a configuration that is broken
        folder = app.paths.default_workspace
    return openclaw_lines(info, entries, folder=str(folder))


@command.command(
    "delete",
    short_help="Delete a conversation for good.",
    help=f"Delete a conversation for good, what came before its resets included. {NAME_HELP}",
)
@click.argument("name", metavar="KEY")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_app
def delete(app: App, name: str, yes: bool) -> None:
    """Ask, then delete."""
    from garra.errors import UsageFault
    from garra.sessions.readable import counted

    info, count = _required(app, name, _count_sessions)
    if not yes:
        what = f"{info.key} with {counted(count, 'session')}"
        if not _somebody_can_answer():
            raise UsageFault(f"Nobody can be asked here whether to delete {what}. To delete it: add --yes")
        click.confirm(f"Delete {what} for good?", abort=True, err=True)
    _with_store(app, lambda store: _delete(app, store, info.key))
    click.echo(f"Deleted {info.key}")


async def _delete(app: App, store: "Store", key: str) -> int:
    from garra.sessions.lease import turn_lease

    async with turn_lease(app.paths.state, key, wait=False):
        return await store.delete(key)


async def _count_sessions(store: "Store", info: "SessionInfo") -> int:
    return sum(other.key == info.key for other in await store.sessions(past=True))


def _somebody_can_answer() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _transcript(app: App, name: str) -> "tuple[SessionInfo, tuple[Entry, ...]]":
    return _required(app, name, lambda store, info: store.entries(info.key, session_id=info.session_id))


def _required(app: App, name: str, read: "Callable[[Store, SessionInfo], Awaitable[T]]") -> "tuple[SessionInfo, T]":
    """The session of that name, which must be there, and what is read of it."""
    from garra.sessions.lookup import find_session, no_session

    async def find(store: "Store") -> "tuple[SessionInfo, T]":
        info = find_session(await store.sessions(past=True), name)
        return info, await read(store, info)

    found = _with_store(app, find)
    if found is None:
        raise no_session(name)
    return found


def _with_store(app: App, work: "Callable[[Store], Awaitable[T]]") -> T | None:
    """What is made of the store; None where there is no store yet, since looking at one must not make it."""
    from garra.sessions.store import Store

    async def opened() -> T:
        async with await Store.open(app.paths.sessions_db) as store:
            return await work(store)

    return app.run(opened()) if app.paths.sessions_db.exists() else None
