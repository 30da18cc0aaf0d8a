"""`garra import`: take over the configuration of another assistant."""

import click

from garra.cli.app import App, pass_app


@click.group("import", help="Take over the configuration of another assistant.")
def command() -> None:
    """The group of the commands below."""


@command.command("openclaw", help="Take over an openclaw.json (default: ~/.openclaw/openclaw.json).")
@click.argument("path", required=False)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--force", is_flag=True, help="Replace a configuration that is already there; it is kept as .bak.")
@pass_app
def openclaw(app: App, path: str | None, dry_run: bool, force: bool) -> None:
    """Show what is taken over, then write it."""
    from garra.config.takeover import carry_out, plan, source_file

    takeover = plan(app.paths, app.env, source_file(app.env, path))
    click.echo(f"From {takeover.source} to {takeover.target}:")
    for line in takeover.lines:
        click.echo(f"  {line}")
    if dry_run:
        click.echo("Nothing was written (--dry-run).")
        return
    for line in carry_out(takeover, app.paths, app.env, force=force):
        click.echo(line)
