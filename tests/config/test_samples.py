"""Two `openclaw.json` files, of an older and a newer release, read as they are and taken over."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pyjson5
import pytest

from garra.cli.main import run
from garra.config.load import Configuration, load_configuration
from garra.config.paths import resolve_paths
from garra.config.schema import ModelChoice
from garra.config.section import SecretRef

SAMPLES = Path(__file__).parent / "samples"
KEYS = {"VLLM_API_KEY": "k", "TELEGRAM_BOT_TOKEN": "t"}


def read(home: Path, file: Path, env: Mapping[str, str] = KEYS) -> Configuration:
    env = {"HOME": str(home), **env}
    return load_configuration(resolve_paths(env, config_file=str(file)), env)


def test_the_older_file_is_read_as_it_is(home: Path) -> None:
    configuration = read(home, SAMPLES / "older" / "openclaw.json")
    config = configuration.config

    assert config.agents.defaults.model == "vllm/Qwen/Qwen3-8B"
    assert config.agents.defaults.timeout_seconds == 1800
    assert config.agents.defaults.models["vllm/Qwen/Qwen3-8B"].alias == "qwen"
    assert configuration.default_agent == "main"
    work = config.agents.entries["work"]
    assert work.model == ModelChoice("vllm/Qwen/Qwen3-8B", ("vllm/small",))
    assert work.tools.exec is not None
    assert (work.tools.exec.mode, work.tools.exec.timeout_seconds) == ("allowlist", 60)
    assert work.tools.deny == ("automations",)
    provider = config.models.providers["vllm"]
    assert (provider.base_url, provider.api_key) == ("http://gpu.lan:8000/v1", "k")
    assert provider.api == "openai-completions"
    assert [row.context_window for row in provider.models] == [128_000, None]
    assert list(config.models.providers) == ["vllm"]
    assert (config.tools.exec.mode, config.tools.exec.timeout_seconds) == ("full", 900)
    assert config.session.reset.idle_minutes == 240
    assert str(configuration.workspace()) == f"{home}/claw"
    assert str(configuration.workspace("work")) == f"{home}/work"
    assert configuration.missing == ()
    assert len(configuration.warnings) == 3


def test_the_newer_file_is_read_as_it_is_with_what_it_includes(home: Path) -> None:
    configuration = read(home, SAMPLES / "newer" / "openclaw.json")
    config = configuration.config

    assert config.agents.defaults.model == ModelChoice("vllm/Qwen/Qwen3-8B", ("lab/llama",))
    assert config.agents.defaults.params == {"temperature": 0.1, "maxTokens": 200, "max_tokens": 100}
    assert config.agents.entries["main"].params == {"temperature": 0.9}
    assert "vllm/*" in config.agents.defaults.models
    vllm = config.models.providers["vllm"]
    assert vllm.base_url == "http://127.0.0.1:8000/v1"
    assert vllm.api_key == SecretRef("VLLM_API_KEY")
    assert configuration.secret(vllm.api_key, "models.providers.vllm.apiKey") == "k"
    assert vllm.timeout_seconds == 600
    assert vllm.request.headers == {"X-Team": "home"}
    assert vllm.models[0].compat.thinking_format == "qwen-chat-template"
    assert config.models.providers["lab"].headers == {"X-Key": "not-a-real-key"}
    assert config.auth.order == {"vllm": ("vllm:default",)}
    assert config.auth.profiles["vllm:default"].provider == "vllm"
    assert (config.tools.profile, config.tools.also_allow) == ("coding", ("web_search",))
    assert (config.tools.exec.mode, config.tools.exec.safe_bins) == ("allowlist", ("ls", "cat"))
    assert config.agents.defaults.compaction.mode == "safeguard"
    assert (config.session.dm_scope, config.session.reset.at_hour) == ("per-peer", 5)
    assert configuration.warnings == (
        "openclaw.json has 6 keys that are not used yet: env.shellEnv, agents.ownership, agents.defaults.modelPolicy, "
        "models.providers.vllm.models[0].compat.supportsStore, session, plugins",
    )


@pytest.fixture
def openclaw(home: Path) -> Path:
    """An OpenClaw home with the older file."""
    shutil.copytree(SAMPLES / "older", home / ".openclaw")
    return home / ".openclaw"


def test_what_is_taken_over_means_the_same(home: Path, openclaw: Path) -> None:
    assert run(["import", "openclaw"]) == 0

    before = read(home, openclaw / "openclaw.json")
    after = read(home, home / ".garra" / "garra.json")
    assert after.config == before.config
    assert after.workspace() == before.workspace()


def test_the_text_is_taken_over_with_its_comments_for_its_owner_only(home: Path, openclaw: Path) -> None:
    run(["import", "openclaw"])

    taken = home / ".garra" / "garra.json"
    assert taken.read_text() == (openclaw / "openclaw.json").read_text()
    assert taken.stat().st_mode & 0o777 == 0o600


def test_what_a_newer_file_includes_becomes_part_of_the_one_file(home: Path) -> None:
    shutil.copytree(SAMPLES / "newer", home / "claw")

    assert run(["import", "openclaw", str(home / "claw")]) == 0

    taken = read(home, home / ".garra" / "garra.json")
    before = read(home, home / "claw" / "openclaw.json")
    assert taken.config.models == before.config.models
    assert taken.workspace() == home / "claw" / "workspace"
    assert taken.workspace("coder") == home / "claw" / "workspace-coder"
    assert "$include" not in (home / ".garra" / "garra.json").read_text()


def test_an_import_tells_what_it_does_and_no_secret(openclaw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["import", "openclaw"])

    printed = capsys.readouterr()
    out = printed.out + printed.err
    assert "taken over: models.providers.vllm\n" in out
    assert "9 keys that are not used yet: agents.defaults.memorySearch" in out
    assert "not-a-real" not in out


def test_a_dry_run_writes_nothing(home: Path, openclaw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", "openclaw", "--dry-run"]) == 0

    assert "Nothing was written" in capsys.readouterr().out
    assert not (home / ".garra").exists()


def test_a_configuration_that_is_there_is_only_replaced_by_force_and_kept(home: Path, openclaw: Path) -> None:
    garra = home / ".garra"
    garra.mkdir()
    (garra / "garra.json").write_text("{ /* mine */ }")

    assert run(["import", "openclaw"]) == 1
    assert (garra / "garra.json").read_text() == "{ /* mine */ }"

    assert run(["import", "openclaw", "--force"]) == 0
    assert (garra / "garra.json.bak").read_text() == "{ /* mine */ }"
    assert "defaultModel" in (garra / "garra.json").read_text()


def test_without_a_workspace_the_usual_one_of_openclaw_is_used_where_it_is(home: Path, openclaw: Path) -> None:
    (openclaw / "openclaw.json").write_text("// short\n{}\n")

    run(["import", "openclaw"])

    assert read(home, home / ".garra" / "garra.json").workspace() == openclaw / "workspace"
    assert (home / ".garra" / "garra.json").read_text().startswith("// short\n{")


def test_the_variables_beside_it_come_along_where_there_are_none_yet(home: Path, openclaw: Path) -> None:
    (openclaw / ".env").write_text("VLLM_API_KEY=sk-there\n")

    run(["import", "openclaw"])

    taken = home / ".garra" / ".env"
    assert taken.read_text() == "VLLM_API_KEY=sk-there\n"
    assert taken.stat().st_mode & 0o777 == 0o600
    assert read(home, home / ".garra" / "garra.json", {}).config.models.providers["vllm"].api_key == "sk-there"


def test_a_file_that_is_not_valid_is_not_taken_over(home: Path, openclaw: Path) -> None:
    (openclaw / "openclaw.json").write_text("{wibble: 1}")

    assert run(["import", "openclaw"]) == 1
    assert not (home / ".garra").exists()


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", "openclaw"]) == 1
    assert ".openclaw/openclaw.json does not exist" in capsys.readouterr().err


def test_the_samples_are_what_the_reader_says_they_are() -> None:
    assert pyjson5.decode((SAMPLES / "older" / "openclaw.json").read_text())["agents"]["list"][0]["id"] == "main"
    assert "entries" in pyjson5.decode((SAMPLES / "newer" / "openclaw.json").read_text())["agents"]
