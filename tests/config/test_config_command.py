"""`garra config`, as a person calls it."""

import json
from pathlib import Path
from typing import Any

import pytest

from garra.cli.main import run
from garra.config.paths import Paths

CONFIG = """{
  // the server
  models: {
    providers: {
      vllm: { baseUrl: "http://me:pw@h:1/v1", apiKey: "sk-secret", headers: { "X-Team": "t-secret" } },
      other: { apiKey: "${OTHER_KEY}" },
    },
  },
  agents: { defaults: { model: "vllm/a", heartbeat: { every: "1m" } } },
}
"""


@pytest.fixture
def file(paths: Paths) -> Path:
    paths.config_file.write_text(CONFIG)
    return paths.config_file


class Ran:
    """Runs `garra config …` and holds what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *args: str) -> tuple[int, str, str]:
        code = run(["config", *args])
        printed = self.capsys.readouterr()
        return code, printed.out, printed.err


@pytest.fixture
def config(capsys: pytest.CaptureFixture[str]) -> Ran:
    return Ran(capsys)


def test_file_prints_where_the_configuration_is_though_it_is_not_there(config: Ran, home: Path) -> None:
    assert config("file") == (0, f"{home}/.garra/garra.json\n", "")
    assert list(home.iterdir()) == []


@pytest.mark.usefixtures("file")
def test_get_prints_a_value_plainly_or_as_json(config: Ran) -> None:
    assert config("get", "agents.defaults.model")[:2] == (0, "vllm/a\n")
    assert config("get", "agents.defaults.model", "--json")[:2] == (0, '"vllm/a"\n')
    assert json.loads(config("get", "agents.defaults.heartbeat")[1]) == {"every": "1m"}


@pytest.mark.usefixtures("file")
def test_get_never_prints_a_secret(config: Ran) -> None:
    code, out, _ = config("get", "models")

    assert code == 0
    assert "secret" not in out
    assert "pw" not in out
    assert json.loads(out)["providers"]["other"]["apiKey"] == "${OTHER_KEY}"
    assert config("get", "models.providers.vllm.apiKey")[1] == "[redacted]\n"
    assert config("get", "models.providers.vllm.headers")[1] == '{\n  "X-Team": "[redacted]"\n}\n'


@pytest.mark.usefixtures("file")
def test_get_tells_a_key_that_is_not_set_from_one_that_does_not_exist(config: Ran) -> None:
    code, out, err = config("get", "agents.defaults.maxSteps")
    assert (code, out) == (1, "")
    assert err.endswith("error: agents.defaults.maxSteps is not set (default: 50)\n")

    code, out, err = config("get", "agents.defaults.maxStep")
    assert (code, out) == (1, "")
    assert err.endswith("error: agents.defaults.maxStep is not a key. Did you mean maxSteps?\n")

    code, out, _ = config("get", "agents.default.maxSteps", "--json")
    assert code == 1
    assert json.loads(out)["error"]["kind"] == "unknown_key"
    assert json.loads(config("get", "tools", "--json")[1])["error"]["kind"] == "not_set"


@pytest.mark.parametrize("path", ["a..b", "", "agents["])
def test_a_path_that_is_none_is_wrong_usage(config: Ran, path: str) -> None:
    assert config("get", path)[0] == 2


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("agents.defaults.model", "vllm/Qwen/Qwen3-8B", "vllm/Qwen/Qwen3-8B"),
        ("agents.defaults.model", "{primary: 'a/b', fallbacks: []}", {"primary": "a/b", "fallbacks": []}),
        ("agents.defaults.maxSteps", "7", 7),
        ("agents.defaults.skipBootstrap", "true", True),
        ("tools.exec.safeBins", "['ls', 'cat']", ["ls", "cat"]),
        ("tools.exec.safeBins[0]", "ls", "ls"),
        ('agents.defaults.models["vllm/*"]', "{}", {}),
        ("models.providers.vllm.apiKey", "12345", "12345"),
        ("agents.defaults.params.temperature", "-0.5", -0.5),
    ],
)
def test_set_reads_the_value_as_json5_or_as_text_and_keeps_comments(
    config: Ran, file: Path, path: str, text: str, value: Any
) -> None:
    code, out, _ = config("set", path, text)

    assert (code, out) == (0, f"Set {path} in {file}\n")
    assert "// the server" in file.read_text()
    if "apiKey" not in path:
        assert json.loads(config("get", path, "--json")[1]) == value
    assert config("set", path, text)[:2] == (0, "No change\n")


def test_set_with_strict_json_refuses_other_text(config: Ran, file: Path) -> None:
    assert config("set", "agents.defaults.model", "vllm/b", "--strict-json")[0] == 2
    assert config("set", "agents.defaults.model", '"vllm/b"', "--strict-json")[0] == 0
    assert 'model: "vllm/b"' in file.read_text()


def test_set_refuses_what_would_not_be_valid(config: Ran, file: Path) -> None:
    code, out, err = config("set", "tools.exec.mode", "aks")

    assert (code, out) == (1, "")
    assert "nothing was written" in err
    assert "Did you mean ask?" in err
    assert file.read_text() == CONFIG


def test_set_says_which_variable_is_not_there_yet(config: Ran) -> None:
    code, _, err = config("set", "models.providers.vllm.apiKey", "${NEW_KEY}")

    assert code == 0
    assert "NEW_KEY is not set" in err


def test_unset_removes_a_key_and_only_that(config: Ran, file: Path) -> None:
    assert config("unset", "models.providers.vllm.apiKey")[0] == 0
    assert file.read_text() == CONFIG.replace(' apiKey: "sk-secret",', "")

    code, _, err = config("unset", "models.providers.vllm.apiKey")
    assert code == 1
    assert "is not set" in err
    assert config("unset", "models.providers.vllm.apiKye")[0] == 1


def test_validate_lists_every_fault(config: Ran, file: Path) -> None:
    file.write_text("{\n  wibble: 1,\n  tools: { exec: { mode: 'aks' } },\n}")

    code, out, err = config("validate")
    assert (code, out) == (1, "")
    assert err.splitlines()[1:] == [
        "  garra.json:2: wibble: unknown key",
        "  garra.json:3: tools.exec.mode: must be one of deny, allowlist, ask, auto, full, not 'aks'. "
        "Did you mean ask?",
    ]

    code, out, _ = config("validate", "--json")
    assert code == 1
    assert [issue["path"] for issue in json.loads(out)["issues"]] == ["wibble", "tools.exec.mode"]
    assert json.loads(out)["valid"] is False


def test_validate_tells_of_a_broken_file_where_it_breaks(config: Ran, file: Path) -> None:
    file.write_text("{\n  a: 1\n  b: 2\n}")

    assert config("validate")[2].splitlines()[1] == "  garra.json:3:3: expected ',' or '}', found 'b'"
    assert json.loads(config("validate", "--json")[1])["issues"][0]["place"] == "garra.json:3:3"


def test_validate_of_a_good_file_names_what_is_not_used_and_what_is_missing(config: Ran, file: Path) -> None:
    code, out, _ = config("validate")

    assert code == 0
    assert out.splitlines() == [
        f"{file} is valid",
        "warning: garra.json has 1 key that is not used yet: agents.defaults.heartbeat",
        "warning: models.providers.other.apiKey wants the environment variable OTHER_KEY, which is not set",
    ]
    assert json.loads(config("validate", "--json")[1])["missing"] == [
        {"path": "models.providers.other.apiKey", "variable": "OTHER_KEY"}
    ]


def test_validate_without_a_file_says_that_the_defaults_are_used(config: Ran) -> None:
    code, out, _ = config("validate")

    assert code == 0
    assert "the defaults are used" in out


def test_the_printed_schema_takes_what_is_valid_and_refuses_what_is_not(config: Ran) -> None:
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    schema = json.loads(config("schema")[1])
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)

    good = {
        "gateway": {"x": 1},
        "agents": {"defaults": {"model": {"primary": "a/b"}, "heartbeat": {}}},
        "models": {"providers": {"vllm": {"apiKey": {"source": "env", "id": "K"}, "models": [{"id": "m"}]}}},
    }
    assert validator.is_valid(good)
    for bad in ({"wibble": 1}, {"agents": {"defaults": {"maxSteps": 0}}}, {"tools": {"exec": {"mode": "x"}}}):
        assert not validator.is_valid(bad)
