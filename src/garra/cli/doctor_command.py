"""`garra doctor`: look at everything that a conversation needs, and say what mends what is broken."""

import shlex
import sys
import textwrap
from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from garra.cli.app import App, pass_app

if TYPE_CHECKING:
    from garra.doctor.finding import Finding

WIDTH, INDENT = 98, 26
_COLOURS = {"ok": "green", "hint": "yellow", "broken": "red", "skipped": "bright_black"}


@click.command()
@click.argument("ref", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of {check, state, seen, means, mend}.")
@pass_app
def command(app: App, ref: str | None, as_json: bool) -> int:
    """Check the configuration, the store, the key, the server and the model (REF, else the one that answers).

    Each line says what was seen; where something can be better, what it means and the command that mends it. Sends the
    model a few small requests. Exit code 1 when something is broken; hints do not count.
    """
    findings = app.run(_findings(app, ref, show=not as_json))
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(findings), indent=2).decode())
    else:
        click.echo(f"\n{verdict(findings)}")
    return 1 if any(finding.state == "broken" for finding in findings) else 0


async def _findings(app: App, ref: str | None, *, show: bool) -> "list[Finding]":
    """All findings; each is shown as soon as it is there, those that were skipped in a row together."""
    from garra.doctor.examine import examine

    found: list[Finding] = []
    waiting: list[Finding] = []
    async with aclosing(examine(app.paths, app.env, ref=ref)) as findings:
        async for finding in findings:
            found.append(finding)
            if waiting and (finding.state != "skipped" or finding.seen != waiting[0].seen):
                _show(together(waiting), show)
                waiting = []
            if finding.state == "skipped":
                waiting.append(finding)
            else:
                _show(finding, show)
    return found


def _show(finding: "Finding", show: bool) -> None:
    if show:
        from garra.cli.show import takes_colours

        click.echo("\n".join(lines(finding, colours=takes_colours(sys.stdout))))
        sys.stdout.flush()


def together(skipped: "list[Finding]") -> "Finding":
    """Checks that were skipped for one reason, as one finding for people."""
    from garra.doctor.finding import Finding

    first, *others = skipped
    also = f"\nnor were: {', '.join(finding.check for finding in others)}" if others else ""
    return Finding(first.check, "skipped", f"{first.seen}{also}")


def lines(finding: "Finding", *, colours: bool = False) -> list[str]:
    """A finding as a person reads it: a mark, the check, what was seen; below it, what that means and the commands."""
    mark = f"{finding.state:<8}"
    head = f"{finding.check:<18}"
    seen = _wrapped(finding.seen) or [""]
    shown = [f"{click.style(mark, fg=_COLOURS[finding.state]) if colours else mark}{head}{seen[0]}".rstrip()]
    shown += [" " * INDENT + line for line in [*seen[1:], *_wrapped(finding.means)]]
    for mend in finding.mend:
        shown += [" " * INDENT + line for line in command_lines(mend)]
    return shown


def _wrapped(text: str) -> list[str]:
    return [line for part in text.splitlines() for line in textwrap.wrap(part, WIDTH - INDENT) or [""]]


def command_lines(command: str) -> list[str]:
    """A command, over several lines where it is long, so that it can be copied as it stands."""
    room, shown = WIDTH - INDENT - 4, [""]
    for word in _words(command):
        if shown[-1] and len(shown[-1]) + 1 + len(word) > room:
            shown.append("")
        shown[-1] += f" {word}" if shown[-1] else word
    return [f"  {line}" for line in " \\\n  ".join(shown).split("\n")]


def _words(command: str) -> list[str]:
    """The command in pieces that may stand on lines of their own, a flag with its value; whole where it is no words."""
    lexer = shlex.shlex(command, posix=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    pieces: list[str] = []
    try:
        for word in lexer:
            is_value = pieces and pieces[-1].startswith("--") and " " not in pieces[-1] and not word.startswith("--")
            pieces[-1:] = [f"{pieces[-1]} {word}"] if is_value else [*pieces[-1:], word]
    except ValueError:
        return [command]
    return pieces


def verdict(findings: "list[Finding]") -> str:
    """The last line."""
    broken = sum(finding.state == "broken" for finding in findings)
    hints = sum(finding.state == "hint" for finding in findings)
    more = f", and {'1 hint' if hints == 1 else f'{hints} hints'}" if hints else ""
    if broken:
        return f"{'1 thing' if broken == 1 else f'{broken} things'} to mend{more}."
    return f"All is well{more}."
