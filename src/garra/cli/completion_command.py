"""`garra completion`: the script that lets a shell complete the command line."""

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for a shell.

    \b
    bash: garra completion bash >> ~/.bashrc
    zsh:  garra completion zsh >> ~/.zshrc
    fish: garra completion fish > ~/.config/fish/completions/garra.fish
    """
    from click.shell_completion import get_completion_class

    from garra.cli.main import cli

    made = get_completion_class(shell)
    assert made is not None  # the choices above are click's own
    click.echo(made(cli, {}, "garra", "_GARRA_COMPLETE").source())
