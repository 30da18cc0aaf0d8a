"""`garra chat`: a conversation in the terminal; in a pipe, one turn for each line."""

import sys

import click

from garra.cli.app import App, pass_app


@click.command()
@click.option("--session", metavar="KEY", help="The conversation to go on with: a name, or a full key.")
@click.option("--model", metavar="REF", help="The model to talk to, as provider/id.")
@pass_app
def command(app: App, session: str | None, model: str | None) -> int:
    """Talk with the assistant.

    Enter sends, Alt-Enter starts a new line, Ctrl-C stops a reply, Ctrl-D leaves. /help lists the commands.
    """
    return app.run(talk(app, session, model))


async def talk(app: App, session: str | None = None, model: str | None = None) -> int:
    """The whole conversation; the exit code."""
    from garra.cli.chat import Chat
    from garra.cli.chat_input import PipedLines, TerminalLines
    from garra.cli.talk import is_terminal, open_room
    from garra.sessions.keys import main_key, normalise_key

    key = normalise_key(session) if session else main_key()
    async with open_room(app) as room:
        lines = TerminalLines(app.paths.history_file) if is_terminal() else PipedLines(sys.stdin)
        chat = Chat(room, key, lines, model)
        try:
            return await chat.run()
        finally:
            await chat.close()
