"""`garra onboard --non-interactive`: what is checked, what is written where, what is refused with nothing written."""

import asyncio
import json
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pyjson5
import pytest
from click.testing import CliRunner

from garra.cli.app import App
from garra.cli.main import run
from garra.cli.onboarding import guided
from garra.cli.onboarding.finding import Server, completed, find_servers, provider_of
from garra.config.load import load_configuration
from garra.config.paths import resolve_paths
from garra.testing import Failure, ScriptedModel
from garra.wire.http import Http
from tests.live.served import free_port

Capture = pytest.CaptureFixture[str]
KEY = "sekret-of-the-server"


@contextmanager
def beside(server: ScriptedModel) -> Iterator[ScriptedModel]:
    """Run the server beside the test, since a command brings its own event loop."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@pytest.fixture
def server() -> Iterator[ScriptedModel]:
    with beside(ScriptedModel(["Good day."], model="Org/Tiny")) as running:
        yield running


@pytest.fixture
def locked() -> Iterator[ScriptedModel]:
    with beside(ScriptedModel(["Good day."], model="Org/Tiny", api_key=KEY)) as running:
        yield running


@pytest.fixture
def file(home: Path) -> Path:
    return home / ".garra" / "garra.json"


def onboard(*flags: str) -> int:
    return run(["onboard", "--non-interactive", "--accept-risk", "--mode", "local", *flags])


def written(file: Path) -> Any:
    return pyjson5.loads(file.read_text())


def test_the_only_served_model_is_taken_written_and_greeted(server: ScriptedModel, file: Path, capsys: Capture) -> None:
    assert onboard("--auth-choice", "vllm", "--custom-base-url", server.base_url) == 0

    assert "Good day." in capsys.readouterr().out
    assert written(file) == {
        "models": {"providers": {"vllm": {"baseUrl": server.base_url}}},
        "agents": {"defaults": {"model": {"primary": "vllm/Org/Tiny"}}},
    }
    assert not (file.parent / "auth.json").exists()
    assert 0 < server.chats[-1].body["max_tokens"] <= 600  # a model that cannot stop must not talk for ever


def test_a_model_that_refuses_its_first_words_is_an_error_that_leads_to_the_doctor(file: Path, capsys: Capture) -> None:
    refusal = Failure(400, {"error": {"message": "no", "type": "BadRequestError", "code": 400}})
    with beside(ScriptedModel([refusal] * 9)) as server:
        assert onboard("--custom-base-url", server.base_url) == 1

    shown = capsys.readouterr().err
    assert "garra doctor" in shown
    assert "Traceback" not in shown
    assert file.exists()


def test_an_address_without_its_last_part_is_completed(server: ScriptedModel, file: Path) -> None:
    assert onboard("--custom-base-url", server.root_url) == 0

    assert written(file)["models"]["providers"]["vllm"]["baseUrl"] == server.base_url


def test_a_given_key_goes_into_the_key_store_and_nowhere_else(
    locked: ScriptedModel, file: Path, capsys: Capture
) -> None:
    assert onboard("--custom-base-url", locked.base_url, "--custom-api-key", KEY) == 0

    auth = file.parent / "auth.json"
    assert json.loads(auth.read_text())["profiles"]["vllm:default"]["key"] == KEY
    assert stat.S_IMODE(auth.stat().st_mode) == 0o600
    assert KEY not in file.read_text()
    shown = capsys.readouterr()
    assert KEY not in shown.out + shown.err


def test_a_key_from_the_environment_is_referred_to_by_its_name(
    locked: ScriptedModel, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_API_KEY", KEY)

    assert onboard("--custom-base-url", locked.base_url) == 0

    assert written(file)["models"]["providers"]["vllm"]["apiKey"] == "${VLLM_API_KEY}"
    assert not (file.parent / "auth.json").exists()


def test_in_ref_mode_a_key_that_no_variable_holds_is_refused(
    locked: ScriptedModel, file: Path, capsys: Capture
) -> None:
    assert onboard("--custom-base-url", locked.base_url, "--custom-api-key", KEY, "--secret-input-mode", "ref") == 2

    shown = capsys.readouterr()
    assert "export VLLM_API_KEY=" in shown.err
    assert KEY not in shown.err
    assert not file.exists()


def test_a_server_that_wants_a_key_is_named_and_nothing_is_written(
    locked: ScriptedModel, file: Path, capsys: Capture
) -> None:
    assert onboard("--custom-base-url", locked.base_url) == 1
    assert onboard("--custom-base-url", locked.base_url, "--custom-api-key", "another") == 1

    assert capsys.readouterr().err.count("VLLM_API_KEY") == 2
    assert not file.parent.exists()


def test_a_model_that_is_not_served_is_refused_with_those_that_are(
    server: ScriptedModel, file: Path, capsys: Capture
) -> None:
    assert onboard("--custom-base-url", server.base_url, "--custom-model-id", "Org/Huge") == 1

    assert "Org/Tiny" in capsys.readouterr().err
    assert not file.exists()


def test_a_server_that_is_down_is_an_error_and_nothing_is_written(file: Path, capsys: Capture) -> None:
    assert onboard("--custom-base-url", f"http://127.0.0.1:{free_port()}/v1") == 1

    assert "refused" in capsys.readouterr().err
    assert not file.exists()


def test_with_skip_health_no_server_is_asked_and_the_model_must_be_named(file: Path, capsys: Capture) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"

    assert onboard("--custom-base-url", url, "--skip-health") == 2
    assert "--custom-model-id" in capsys.readouterr().err
    assert onboard("--custom-base-url", url, "--skip-health", "--custom-model-id", "Org/Later") == 0

    assert written(file)["agents"]["defaults"]["model"]["primary"] == "vllm/Org/Later"


def test_what_is_configured_stays_with_its_comments(server: ScriptedModel, file: Path) -> None:
    file.parent.mkdir(mode=0o700)
    file.write_text('{\n  // mine\n  agents: { defaults: { model: "vllm/old", maxSteps: 7 } },\n}\n')

    assert onboard("--custom-base-url", server.base_url, "--workspace", "~/desk") == 0

    after = written(file)
    assert "// mine" in file.read_text()
    assert after["agents"]["defaults"] == {"model": "vllm/Org/Tiny", "maxSteps": 7, "workspace": "~/desk"}


def test_done_again_nothing_changes(server: ScriptedModel, file: Path, capsys: Capture) -> None:
    assert onboard("--custom-base-url", server.base_url) == 0
    before = file.read_bytes()

    assert onboard("--custom-base-url", server.base_url) == 0

    assert file.read_bytes() == before
    assert "stands there already" in capsys.readouterr().out


def test_a_custom_server_becomes_a_provider_of_its_own(server: ScriptedModel, file: Path) -> None:
    flags = (
        "--auth-choice",
        "custom-api-key",
        "--custom-compatibility",
        "openai",
        "--custom-base-url",
        server.base_url,
    )

    assert onboard(*flags, "--custom-provider-id", "My-Box") == 0

    assert written(file)["models"]["providers"] == {"my-box": {"baseUrl": server.base_url}}
    assert written(file)["agents"]["defaults"]["model"]["primary"] == "my-box/Org/Tiny"


def test_openclaws_other_flags_are_passed_over_in_one_line(server: ScriptedModel, file: Path, capsys: Capture) -> None:
    flags = ("--install-daemon", "--gateway-port", "18789", "--tailscale", "off", "--skip-ui", "--skip-channels")

    assert onboard("--custom-base-url", server.base_url, *flags) == 0

    err = capsys.readouterr().err
    assert len([line for line in err.splitlines() if "passed over" in line]) == 1
    assert "--gateway-port" in err
    assert run(["onboard", "--help"]) == 0
    assert "--gateway-port" not in capsys.readouterr().out


def test_the_json_says_what_was_done_and_holds_no_key(locked: ScriptedModel, file: Path, capsys: Capture) -> None:
    assert onboard("--custom-base-url", locked.base_url, "--custom-api-key", KEY, "--json") == 0

    shown = capsys.readouterr().out
    done = json.loads(shown)
    assert (done["ok"], done["model"], done["hello"]) == (True, "vllm/Org/Tiny", "Good day.")
    assert done["configFile"] == str(file)
    assert KEY not in shown


@pytest.mark.parametrize(
    "flags", [("--mode", "remote"), ("--auth-choice", "anthropic"), ("--custom-compatibility", "anthropic")]
)
def test_what_garra_does_not_do_is_refused(flags: tuple[str, str], file: Path) -> None:
    assert run(["onboard", "--non-interactive", *flags]) == 2
    assert not file.exists()


def test_in_a_pipe_without_the_flag_it_says_which_flag_to_give(file: Path, capsys: Capture) -> None:
    assert run(["onboard"]) == 2

    assert "--non-interactive" in capsys.readouterr().err


def test_a_read_only_configuration_is_refused_and_no_key_is_left_behind(
    locked: ScriptedModel, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GARRA_CONFIG_READONLY", "1")

    assert onboard("--custom-base-url", locked.base_url, "--custom-api-key", KEY) == 1

    assert not (file.parent / "auth.json").exists()


def test_an_edit_that_is_refused_takes_the_stored_key_back(locked: ScriptedModel, file: Path) -> None:
    file.parent.mkdir(mode=0o700)
    (file.parent / "more.json").write_text('{ "defaults": { "model": "vllm/old" } }')
    file.write_text('{ agents: { $include: "./more.json" } }')

    assert onboard("--custom-base-url", locked.base_url, "--custom-api-key", KEY) == 1

    assert KEY not in (file.parent / "auth.json").read_text()


def test_where_no_server_is_found_the_commands_that_start_one_are_shown(home: Path) -> None:
    app = App({"HOME": str(home)})

    @click.command()
    def ask() -> None:
        assert guided._pick(app, app.configuration, ()) is None

    done = CliRunner().invoke(ask, input="\n", catch_exceptions=False)

    for wanted in ("garra up", "garra serve MODEL", "vllm serve MODEL"):
        assert wanted in done.output


def test_of_several_models_the_configured_one_is_offered_and_any_can_be_chosen(home: Path) -> None:
    (home / ".garra").mkdir(mode=0o700)
    (home / ".garra" / "garra.json").write_text('{ agents: { defaults: { model: "vllm/two" } } }')
    env = {"HOME": str(home)}
    configuration = load_configuration(resolve_paths(env), env)
    server = Server("vllm", "http://127.0.0.1:8000/v1", ("one", "two", "three"))

    @click.command()
    def ask() -> None:
        click.echo(f"-> {guided._pick_model(configuration, server)}")

    assert "-> two" in CliRunner().invoke(ask, input="\n", catch_exceptions=False).output
    assert "-> three" in CliRunner().invoke(ask, input="9\n3\n", catch_exceptions=False).output


@pytest.mark.anyio
async def test_a_configured_server_is_found_with_its_key_and_one_that_is_down_is_not(home: Path) -> None:
    async with ScriptedModel(model="Org/Tiny", api_key=KEY) as server:
        providers = {
            "box": {"baseUrl": server.base_url, "apiKey": KEY},
            "gone": {"baseUrl": f"http://127.0.0.1:{free_port()}/v1"},
        }
        (home / ".garra").mkdir(mode=0o700)
        (home / ".garra" / "garra.json").write_text(json.dumps({"models": {"providers": providers}}))
        env = {"HOME": str(home)}
        configuration = load_configuration(resolve_paths(env), env)
        async with Http(env) as http:
            found = await find_servers(http, configuration)

    assert found[0] == Server("box", server.base_url, ("Org/Tiny",))
    assert "gone" not in [each.provider for each in found]


def test_a_second_address_does_not_take_the_name_of_a_configured_provider(home: Path) -> None:
    (home / ".garra").mkdir(mode=0o700)
    data = {"models": {"providers": {"vllm": {"baseUrl": "http://10.0.0.7:8000/v1"}}}}
    (home / ".garra" / "garra.json").write_text(json.dumps(data))
    env = {"HOME": str(home)}
    configuration = load_configuration(resolve_paths(env), env)

    assert provider_of(configuration, "http://10.0.0.7:8000/v1/") == "vllm"
    assert provider_of(configuration, "http://10.0.0.8:8000/v1") == "vllm-10-0-0-8-8000"
    assert provider_of(configuration, "http://localhost:11434/v1") == "ollama"


@pytest.mark.parametrize("written_as", ["127.0.0.1:{port}", "127.0.0.1:{port}/v1", "localhost:{port}"])
def test_an_address_without_a_scheme_is_taken_as_http(server: ScriptedModel, file: Path, written_as: str) -> None:
    address = written_as.format(port=server.port)

    assert onboard("--custom-base-url", address) == 0

    url = written(file)["models"]["providers"]["vllm"]["baseUrl"]
    assert url == f"http://{address.removesuffix('/v1')}/v1"


@pytest.mark.parametrize("text", ["somewhere", "http://127.0.0.1:8000", "ftp://box:1/v1", "box:port", "a b:80", ""])
def test_what_is_no_host_with_a_port_stays_as_it_is(text: str) -> None:
    assert completed(text) == text
