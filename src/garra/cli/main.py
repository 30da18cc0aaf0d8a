"""The `garra` command: finds the subcommand's module, runs it, and turns every expected failure into a clear line.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. Errors go to standard error. A subcommand's module is
imported only when it is called, so that `garra --version` costs next to nothing.
"""

import importlib
import os
import sys
from typing import Any, NoReturn

import click

from garra import __version__
from garra.cli.app import App
from garra.errors import GarraError

COMMANDS = {
    "agent": "Run one turn and print the reply.",
    "auth": "Store, list and remove keys of model servers.",
    "chat": "Talk with the assistant in the terminal.",
    "completion": "Print the shell completion script.",
    "config": "Read, change and check the configuration.",
    "doctor": "Check everything, and say what mends it.",
    "import": "Take over the configuration of another assistant.",
    "models": "See which models are served, and choose one.",
    "onboard": "Set Garra up: find a server, pick a model, say hello.",
    "serve": "Serve a model with vLLM's HTTP API.",
    "sessions": "List, show, search, export and delete conversations.",
    "up": "Find or start a model server, say hello, and open the chat.",
}


class LazyGroup(click.Group):
    """A group whose commands live in `garra.cli.<name>_command` modules, each with a `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            if not ctx.resilient_parsing:  # a shell that asks how to complete wants no error
                self._refuse(ctx, cmd_name)
            return None
        module = importlib.import_module(f"garra.cli.{cmd_name}_command")
        command: click.Command = module.command
        return command

    def _refuse(self, ctx: click.Context, name: str) -> NoReturn:
        from difflib import get_close_matches

        close = get_close_matches(name, COMMANDS, 1)
        ctx.fail(f"There is no command '{name}'." + (f" Did you mean '{close[0]}'?" if close else ""))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="garra")
@click.option("--config", "config_file", metavar="FILE", type=click.Path(), help="Use this configuration file.")
@click.option("--profile", metavar="NAME", help="Use the separate home ~/.garra-NAME.")
@click.pass_context
def cli(ctx: click.Context, config_file: str | None, profile: str | None) -> None:
    """An assistant for models you host yourself, and the server to host them with."""
    ctx.obj = App(dict(os.environ), config_file=config_file, profile=profile)


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(run(args))


def run(args: list[str] | None = None) -> int:
    """Run the command line; the exit code."""
    try:
        result: Any = cli.main(args=args, prog_name="garra", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except click.ClickException as wrong:
        wrong.show(sys.stderr)
        return wrong.exit_code
    except BrokenPipeError:
        _close_stdout()
        return 0
    except GarraError as error:
        click.echo(_readable(f"error: {error}"), err=True)
        return error.exit_code
    return result if isinstance(result, int) else 0


def _readable(text: str) -> str:
    from garra.cli.screen import harmless, wrapped

    return wrapped(harmless(text, sys.stderr), sys.stderr)


def _close_stdout() -> None:
    """Point standard output at nothing, so that the interpreter's last flush does not complain about a gone reader."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
