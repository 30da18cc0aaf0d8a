"""`garra models` and `garra auth` as a person calls them."""

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from garra.cli.main import run
from garra.testing import ScriptedModel


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """A scripted server that runs beside the test, since a command brings its own event loop."""
    server = ScriptedModel(model="Org/Tiny")
    loop = asyncio.new_event_loop()
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield server
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.fixture
def config_file(home: Path) -> Path:
    folder = home / ".garra"
    folder.mkdir()
    return folder / "garra.json"


def configured(file: Path, base_url: str, **agents: object) -> None:
    file.write_text(json.dumps({"models": {"providers": {"vllm": {"baseUrl": base_url}}}, "agents": agents}))


def piped(text: str, *args: str) -> subprocess.CompletedProcess[str]:
    """`garra` with these arguments, in a process of its own, and this text on its standard input."""
    command = [sys.executable, "-m", "garra", *args]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


@pytest.fixture
def nobody_there() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


Capture = pytest.CaptureFixture[str]


def test_list_shows_what_the_server_serves_now(model: ScriptedModel, config_file: Path, capsys: Capture) -> None:
    configured(config_file, model.base_url)
    assert run(["models", "list"]) == 0
    model.model = "Org/Other"
    assert run(["models", "list"]) == 0

    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("vllm/")]
    assert lines == [
        ["vllm/Org/Tiny", "8,192", "not", "told", "text", "server", "default"],
        ["vllm/Org/Other", "8,192", "not", "told", "text", "server", "default"],
    ]


def test_list_says_when_it_could_not_ask_and_shows_what_was_served_before(
    model: ScriptedModel, config_file: Path, capsys: Capture
) -> None:
    configured(config_file, model.base_url)
    run(["models", "list"])
    cache = config_file.parent / "cache" / "catalogue.json"
    kept = cache.read_text().replace(model.base_url, "http://127.0.0.1:9/v1")
    cache.write_text(kept)
    configured(config_file, "http://127.0.0.1:9/v1")
    capsys.readouterr()

    assert run(["models", "list"]) == 0

    shown = capsys.readouterr()
    assert "vllm/Org/Tiny" in shown.out
    assert "cache" in shown.out
    assert "could not be asked. Shown is what it served" in shown.err
    assert "curl http://127.0.0.1:9/v1/models" in shown.err


def test_list_fails_where_there_is_nothing_to_show(nobody_there: str, config_file: Path, capsys: Capture) -> None:
    configured(config_file, nobody_there)

    assert run(["models", "list"]) == 1

    shown = capsys.readouterr()
    assert shown.out == ""
    assert nobody_there in shown.err


def test_list_of_a_provider_that_is_not_there_names_those_that_are(config_file: Path, capsys: Capture) -> None:
    configured(config_file, "http://127.0.0.1:9/v1")

    assert run(["models", "list", "--provider", "nope"]) == 1

    assert "Providers: vllm." in capsys.readouterr().err


def test_list_as_json_holds_models_providers_and_errors(
    model: ScriptedModel, nobody_there: str, config_file: Path, capsys: Capture
) -> None:
    providers = {"vllm": {"baseUrl": model.base_url}, "dead": {"baseUrl": nobody_there}}
    config_file.write_text(json.dumps({"models": {"providers": providers}}))

    assert run(["models", "list", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert [(entry["key"], entry["contextWindow"], entry["default"]) for entry in told["models"]] == [
        ("vllm/Org/Tiny", 8192, True)
    ]
    assert [(each["id"], each["error"] is None) for each in told["providers"]] == [("vllm", True), ("dead", False)]


def test_set_keeps_comments_and_fallbacks(model: ScriptedModel, config_file: Path, capsys: Capture) -> None:
    config_file.write_text(f"""{{
  // my own server
  models: {{ providers: {{ vllm: {{ baseUrl: "{model.base_url}" }} }} }},
  agents: {{ defaults: {{ model: {{ primary: "vllm/old", fallbacks: ["vllm/spare"] }} }} }},
}}""")

    assert run(["models", "set", "vllm/org/tiny"]) == 0

    text = config_file.read_text()
    assert "// my own server" in text
    assert 'primary: "vllm/Org/Tiny"' in text
    assert 'fallbacks: ["vllm/spare"]' in text
    assert capsys.readouterr().err == ""


def test_set_replaces_a_model_that_was_a_plain_text(model: ScriptedModel, config_file: Path) -> None:
    configured(config_file, model.base_url, defaults={"model": "vllm/old"})

    assert run(["models", "set", "Org/Tiny"]) == 0

    assert json.loads(config_file.read_text())["agents"]["defaults"]["model"] == "vllm/Org/Tiny"


def test_set_warns_of_a_model_that_is_not_served_and_sets_it_all_the_same(
    model: ScriptedModel, config_file: Path, capsys: Capture
) -> None:
    configured(config_file, model.base_url)

    assert run(["models", "set", "vllm/later"]) == 0

    assert "Served there: Org/Tiny" in capsys.readouterr().err
    assert "vllm/later" in config_file.read_text()


def test_set_refuses_an_id_that_nobody_has(model: ScriptedModel, config_file: Path, capsys: Capture) -> None:
    configured(config_file, model.base_url)
    before = config_file.read_text()

    assert run(["models", "set", "unheard-of"]) == 1

    assert "vllm/Org/Tiny" in capsys.readouterr().err
    assert config_file.read_text() == before


def test_status_tells_everything_about_the_model(model: ScriptedModel, config_file: Path, capsys: Capture) -> None:
    configured(config_file, model.base_url, defaults={"model": {"primary": "vllm/Org/Tiny", "fallbacks": ["vllm/b"]}})
    os.environ["VLLM_API_KEY"] = "sekret"

    assert run(["models", "status"]) == 0

    shown = capsys.readouterr().out
    for told in (
        "vllm/Org/Tiny",
        "Fallbacks   vllm/b",
        model.base_url,
        "version 0.32.0",
        "environment variable VLLM_API_KEY",
        "8,192 tokens",
        "Tools       yes",
        "Structured  yes",
        "counted by the server",
    ):
        assert told in shown
    assert "sekret" not in shown


def test_status_of_a_server_that_is_not_there_says_why_and_fails(
    nobody_there: str, config_file: Path, capsys: Capture
) -> None:
    configured(config_file, nobody_there, defaults={"model": "vllm/m"})

    assert run(["models", "status", "--json"]) == 1

    told = json.loads(capsys.readouterr().out)
    assert told["configured"] == "vllm/m"
    assert told["reachable"] is False
    assert f"curl {nobody_there}/models" in told["error"]


def test_probe_tries_anew(model: ScriptedModel, config_file: Path, capsys: Capture) -> None:
    configured(config_file, model.base_url)
    assert run(["models", "probe", "--json", "vllm/Org/Tiny"]) == 0
    model.takes_tools = False

    assert run(["models", "probe", "--json"]) == 0

    first, second = (json.loads(f"{{{text}") for text in capsys.readouterr().out.split("{")[1:])
    assert [(told["tools"], told["rung"]) for told in (first, second)] == [
        ("native", "native"),
        ("refused", "described, held to schemas"),
    ]
    assert "--enable-auto-tool-choice" in second["reason"]


def shown(text: str) -> dict[str, str]:
    """The lines of a report under their names."""
    return {line[:14].strip(): line[14:].strip() for line in text.splitlines() if line[:14].strip()}


def test_probe_prints_a_line_for_each_thing_that_it_tried(
    model: ScriptedModel, config_file: Path, capsys: Capture
) -> None:
    model.shows_tools = model.sees_images = False
    configured(config_file, model.base_url)

    assert run(["models", "probe"]) == 0

    printed = capsys.readouterr().out
    told = shown(printed)
    for name, word in {
        "model": model.base_url,
        "version": "0.32.0",
        "tools": "accepted",
        "chat template": "the model never sees `tools`",
        "tool calls": "described",
        "structured": "structured_outputs",
        "structural tag": "accepted",
        "images": "not seen",
        "thinking": "none seen",
        "token counts": "/tokenize",
        "stream usage": "told",
        "cached tokens": "--enable-prompt-tokens-details",
        "prefix cache": "not known",
        "parallel": "not known",
    }.items():
        assert word in told[name]
    assert max(map(len, printed.splitlines())) < 100


def test_probe_names_the_flags_that_a_server_without_a_tool_parser_lacks(
    model: ScriptedModel, config_file: Path, capsys: Capture
) -> None:
    model.takes_tools = False
    configured(config_file, model.base_url)

    assert run(["models", "probe"]) == 0

    told = shown(capsys.readouterr().out)
    assert "--enable-auto-tool-choice --tool-call-parser" in told["tools"]
    assert "shows tools" in told["chat template"]


def test_probe_names_no_flags_that_would_not_help(model: ScriptedModel, config_file: Path, capsys: Capture) -> None:
    model.takes_tools = model.shows_tools = False
    configured(config_file, model.base_url)

    assert run(["models", "probe"]) == 0

    assert "would not help" in shown(capsys.readouterr().out)["tools"]


def test_probe_takes_no_step_of_a_script(model: ScriptedModel, config_file: Path) -> None:
    configured(config_file, model.base_url)

    assert run(["models", "probe"]) == 0

    assert all(chat.body.get("max_tokens", 99) <= 16 for chat in model.chats)
    assert model.played == 0


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_probe_of_a_server_that_is_not_there_fails_and_names_it(
    nobody_there: str, config_file: Path, capsys: Capture, flags: list[str]
) -> None:
    configured(config_file, nobody_there)

    assert run(["models", "probe", "vllm/m", *flags]) == 1

    told = capsys.readouterr()
    said = json.loads(told.out)["error"] if flags else told.err
    assert nobody_there in said


def test_list_shows_what_was_found_out_before_and_asks_no_model(
    model: ScriptedModel, config_file: Path, capsys: Capture
) -> None:
    configured(config_file, model.base_url)
    assert run(["models", "list"]) == 0
    assert "TOOLS" not in capsys.readouterr().out
    model.shows_tools = False
    assert run(["models", "probe"]) == 0
    asked = len(model.chats)
    capsys.readouterr()

    assert run(["models", "list"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert run(["models", "list", "--json"]) == 0

    assert head.split()[-3:] == ["TOOLS", "STRUCTURED", "SOURCE"]
    assert row.split()[-4:] == ["described", "structured_outputs", "server", "default"]
    assert json.loads(capsys.readouterr().out)["models"][0]["rung"] == "described, held to schemas"
    assert len(model.chats) == asked


def test_status_says_how_tools_are_called_where_the_template_has_no_place_for_them(
    model: ScriptedModel, config_file: Path, capsys: Capture
) -> None:
    model.shows_tools = False
    configured(config_file, model.base_url)

    assert run(["models", "status"]) == 0
    printed = capsys.readouterr().out
    assert run(["models", "status", "--json"]) == 0

    assert "Tools       described, held to schemas (the model's chat template has no place for tools" in printed
    assert json.loads(capsys.readouterr().out)["capabilities"]["templateHasTools"] is False


def test_a_key_is_stored_from_a_pipe_and_shown_nowhere(home: Path, capsys: Capture) -> None:
    stored = piped("sekret-1234\n", "auth", "set", "vllm")
    assert stored.returncode == 0
    assert run(["auth", "list"]) == 0
    assert run(["auth", "list", "--json"]) == 0

    file = home / ".garra" / "auth.json"
    listed = capsys.readouterr().out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "sekret-1234" in file.read_text()
    assert "vllm: auth profile vllm:default" in listed
    assert "1234" not in stored.stdout + stored.stderr + listed


def test_an_empty_key_is_wrong_usage_and_nothing_is_stored(home: Path) -> None:
    done = piped("\n", "auth", "set", "vllm", "--stdin")

    assert done.returncode == 2
    assert "empty" in done.stderr
    assert not (home / ".garra").exists()


def test_a_removed_key_is_gone_and_removing_it_again_fails(home: Path, capsys: Capture) -> None:
    assert piped("sekret", "auth", "set", "vllm", "--profile", "work").returncode == 0

    assert run(["auth", "remove", "vllm"]) == 1
    assert run(["auth", "remove", "vllm:work"]) == 0
    assert run(["auth", "remove", "vllm:work"]) == 1

    assert "Stored for this provider: vllm:work." in capsys.readouterr().err
    assert "sekret" not in (home / ".garra" / "auth.json").read_text()


def test_a_key_for_a_provider_that_is_not_there_is_stored_with_a_warning(capsys: Capture) -> None:
    stored = piped("sekret", "auth", "set", "box")
    assert stored.returncode == 0
    assert run(["auth", "list"]) == 0

    assert "garra config set models.providers.box.baseUrl" in stored.stderr
    assert "box: not used" in capsys.readouterr().out


def test_importing_the_room_costs_no_terminal_and_no_service(home: Path) -> None:
    heavy = ("click", "httpx2", "pydantic", "starlette", "difflib", "hypothesis")
    code = f"import garra.models.models, sys; print([name for name in {heavy} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
