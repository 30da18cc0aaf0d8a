"""`garra onboard`: from nothing to a conversation, by questions at a terminal or by OpenClaw's flags in a script."""

from typing import Any

import click

from garra.cli.app import App, pass_app
from garra.errors import UsageFault

CHOICES = ("vllm", "custom-api-key")

# Flags of OpenClaw's `onboard` that a script may carry and that mean nothing here: (name, takes a value).
_IGNORED = (
    *((name, False) for name in ("--install-daemon", "--no-install-daemon", "--skip-daemon", "--skip-bootstrap")),
    *((name, False) for name in ("--skip-channels", "--skip-hooks", "--skip-search", "--skip-skills", "--skip-ui")),
    *((name, False) for name in ("--classic", "--reset", "--custom-image-input", "--custom-text-input")),
    *((name, True) for name in ("--gateway-port", "--gateway-bind", "--gateway-auth", "--gateway-token")),
    *((name, True) for name in ("--gateway-token-ref-env", "--gateway-password", "--tailscale", "--reset-scope")),
    *((name, True) for name in ("--flow", "--node-manager", "--daemon-runtime")),
)


def _hidden(command: click.Command) -> click.Command:
    """The command with the flags that are accepted and not used; --help does not show them."""
    for name, takes_value in _IGNORED:
        command.params.append(click.Option([name], is_flag=not takes_value, hidden=True, default=None))
    return command


@click.command()
@click.option("--non-interactive", is_flag=True, help="Ask nothing; take everything from the options below.")
@click.option("--accept-risk", is_flag=True, help="Accepted, as OpenClaw's scripts give it; not needed.")
@click.option("--mode", type=click.Choice(["local", "remote"]), default="local", help="Only local is possible.")
@click.option("--auth-choice", metavar="|".join(CHOICES), default="vllm", show_default=True, help="Kind of server.")
@click.option("--custom-base-url", metavar="URL", help="The server's address.  [default: http://127.0.0.1:8000/v1]")
@click.option("--custom-model-id", metavar="ID", help="The model; not needed where only one is served.")
@click.option("--custom-api-key", metavar="KEY", help="The key, to be stored. Better: the variable VLLM_API_KEY.")
@click.option("--custom-provider-id", metavar="ID", help="What to call the provider (with custom-api-key).")
@click.option("--custom-compatibility", metavar="openai", default="openai", help="The API that the server speaks.")
@click.option(
    "--secret-input-mode",
    type=click.Choice(["plaintext", "ref"]),
    default="plaintext",
    show_default=True,
    help="Store the key that is given, or refer to the variable that holds it.",
)
@click.option("--workspace", metavar="FOLDER", help="The assistant's working folder.")
@click.option("--skip-health", is_flag=True, help="Write without asking the server.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON (with --non-interactive).")
@pass_app
def command(app: App, /, **given: Any) -> int:
    """Find a model server, choose a model, write the configuration, and say hello.

    What is configured already stays. In a script: garra onboard --non-interactive --custom-base-url URL
    """
    from garra.cli.talk import is_terminal

    if given["non_interactive"]:
        from garra.cli.onboarding.unattended import carry_out

        return carry_out(app, _flags(given))
    if not is_terminal():
        raise UsageFault(
            "garra onboard asks questions, and nobody sits at a terminal. In a script: "
            "garra onboard --non-interactive --custom-base-url URL --custom-model-id ID"
        )
    from garra.cli.onboarding.guided import guide

    return guide(app)


def _flags(given: dict[str, Any]) -> Any:
    """What the options say, those that cannot be done refused."""
    from garra.cli.onboarding.unattended import Flags

    if given["mode"] != "local":
        raise UsageFault("--mode remote: Garra has no remote gateway to be set up with. Leave it out, or say local.")
    if given["auth_choice"] not in CHOICES:
        raise UsageFault(f"--auth-choice {given['auth_choice']}: Garra speaks to {' and '.join(CHOICES)} servers only.")
    if given["custom_compatibility"] != "openai":
        raise UsageFault(f"--custom-compatibility {given['custom_compatibility']}: Garra speaks openai only.")
    return Flags(
        auth_choice=given["auth_choice"],
        base_url=given["custom_base_url"],
        model_id=given["custom_model_id"],
        api_key=given["custom_api_key"],
        provider_id=given["custom_provider_id"],
        workspace=given["workspace"],
        secret_mode=given["secret_input_mode"],
        skip_health=given["skip_health"],
        as_json=given["as_json"],
        ignored=tuple(name for name, _ in _IGNORED if given[_parameter(name)]),
    )


def _parameter(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")


_hidden(command)
