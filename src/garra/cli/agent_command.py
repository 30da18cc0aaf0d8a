"""`garra agent`: one turn, its reply on standard output."""

import sys
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import click

from garra.cli.app import App, pass_app
from garra.errors import GarraError, UsageFault


@click.command()
@click.option("-m", "--message", help="What to say.")
@click.option(
    "--message-file", metavar="FILE", type=click.Path(), help="Read the message from a file; - reads standard input."
)
@click.option("--session", metavar="KEY", help="The conversation to go on with: a name, or a full key.")
@click.option("--model", metavar="REF", help="The model for this turn, as provider/id.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the reply as it streams.")
@pass_app
def command(
    app: App, message: str | None, message_file: str | None, session: str | None, model: str | None, as_json: bool
) -> int:
    """Run one turn and print the reply.

    The reply goes to standard output; tool calls and notices go to standard error.
    """
    text = _message(message, message_file)
    return app.run(_turn(app, text, session, model, as_json))


def _message(message: str | None, message_file: str | None) -> str:
    if (message is None) == (message_file is None):
        raise UsageFault("Give the message with -m TEXT, or with --message-file FILE (- for standard input).")
    text = message if message is not None else _read(message_file or "-")
    if not text.strip():
        raise UsageFault("The message is empty.")
    return text


def _read(name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).expanduser().read_bytes()
        return data.decode("utf-8").rstrip("\n")
    except OSError as error:
        raise UsageFault(f"--message-file {name}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageFault(f"--message-file {name}: this is not UTF-8 text.") from None


async def _turn(app: App, text: str, session: str | None, model: str | None, as_json: bool) -> int:
    from garra.cli.approve import asker
    from garra.cli.talk import open_room
    from garra.sessions.keys import main_key, normalise_key

    key = normalise_key(session) if session else main_key()
    async with open_room(app) as room, AsyncExitStack() as stack:
        toolbox, report = room.toolbox(key, asker()), _Report(key, as_json)
        stack.push_async_callback(toolbox.close)
        try:
            await report.play(room, toolbox, text, model)
        except GarraError as error:
            if not as_json:
                raise
            report.print_json(error)
            return error.exit_code
        if as_json:
            report.print_json()
        return 0


class _Report:
    """What the turn came to, shown as it happens or as one JSON object at its end."""

    def __init__(self, key: str, as_json: bool) -> None:
        from garra.agent.events import TurnFinished
        from garra.cli.show import Printer

        self.key = key
        self.printer = None if as_json else Printer()
        self.calls: list[dict[str, Any]] = []
        self.notices: list[str] = []
        self.finished: TurnFinished | None = None

    async def play(self, room: Any, toolbox: Any, text: str, model: str | None) -> None:
        from garra.agent.loop import run_turn
        from garra.cli.show_reasoning import shown_reasoning
        from garra.sessions.keys import agent_of

        if self.printer:
            settings = await room.store.settings(self.key)
            self.printer.show_reasoning(shown_reasoning(room.app.configuration, agent_of(self.key), settings))
        try:
            async with aclosing(run_turn(await room.turn(self.key, toolbox, model), text)) as events:
                async for event in events:
                    self.take(event)
        finally:
            if self.printer:
                self.printer.end()

    def take(self, event: Any) -> None:
        from garra.agent.events import Notice, Retrying, ToolFinished, TurnFinished

        if self.printer:
            self.printer.event(event)
        match event:
            case ToolFinished(result):
                self.calls.append({"name": result.name, "id": result.call_id, "failed": result.failed})
            case Notice(text) | Retrying(text):
                self.notices.append(text)
            case TurnFinished():
                self.finished = event

    def print_json(self, error: GarraError | None = None) -> None:
        import msgspec

        end = self.finished
        report: dict[str, Any] = {
            "session": self.key,
            "reply": end.text if end else None,
            "model": end.model if end else None,
            "steps": end.steps if end else None,
            "finish_reason": end.finish_reason if end else None,
            "usage": msgspec.to_builtins(end.usage) if end and end.usage else None,
            "tool_calls": self.calls,
            "notices": self.notices,
        }
        if error:
            report["error"] = {"kind": error.kind, "message": str(error)}
        if isinstance(report["usage"], dict):
            report["usage"].pop("type", None)
        click.echo(msgspec.json.encode(report).decode())
