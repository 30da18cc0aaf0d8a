"""Parameters are checked when the file is read: by name and type, with file and line, wherever they stand."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from garra.cli.main import run
from garra.config.load import Configuration, load_configuration
from garra.config.paths import resolve_paths
from garra.errors import ConfigError

Load = Callable[[str], Configuration]


@pytest.fixture
def load(home: Path) -> Load:
    def read(text: str) -> Configuration:
        paths = resolve_paths({"HOME": str(home)})
        paths.home.mkdir(parents=True, exist_ok=True)
        paths.config_file.write_text(text)
        return load_configuration(paths, {"HOME": str(home)})

    return read


def test_an_unknown_parameter_is_told_with_its_line_and_the_nearest_name(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load("{\n  agents: {\n    defaults: {\n      params: {\n        temprature: 0.2 } } } }")

    (issue,) = caught.value.issues
    assert issue.startswith("garra.json:5: agents.defaults.params.temprature: no parameter known here")
    assert "did you mean temperature?" in issue


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("{agents: {defaults: {params: BAD}}}", "agents.defaults.params.topq"),
        ('{agents: {defaults: {models: {"vllm/m": {params: BAD}}}}}', 'agents.defaults.models["vllm/m"].params.topq'),
        ("{agents: {entries: {a: {params: BAD}}}}", "agents.entries.a.params.topq"),
        ('{agents: {entries: {a: {models: {"vllm/*": {params: BAD}}}}}}', "agents.entries.a.models"),
        ('{models: {providers: {p: {baseUrl: "http://h/v1", params: BAD}}}}', "models.providers.p.params.topq"),
        (
            '{models: {providers: {p: {baseUrl: "http://h/v1", models: [{id: "m", params: BAD}]}}}}',
            "models.providers.p.models[0].params.topq",
        ),
        (
            '{models: {providers: {p: {baseUrl: "http://h"}}}, agents: {defaults: {models: {"P/m": {params: BAD}}}}}',
            'agents.defaults.models["P/m"].params.topq',
        ),
    ],
)
def test_every_place_where_parameters_stand_is_checked(load: Load, text: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text.replace("BAD", "{topq: 1}"))

    (issue,) = caught.value.issues
    assert key in issue


def test_parameters_of_models_that_are_not_reached_from_here_are_left_alone(load: Load) -> None:
    text = """{
      models: { providers: { anthropic: { baseUrl: "https://h", api: "anthropic-messages", params: { beta: 1 } } } },
      agents: { defaults: { models: { "anthropic/opus": { params: { context1m: true } } } } },
    }"""

    assert load(text).config.agents.defaults.models["anthropic/opus"].params == {"context1m": True}


def test_a_value_that_waits_for_a_variable_is_not_judged(load: Load) -> None:
    configuration = load('{agents: {defaults: {params: {temperature: "${NOT_SET_HERE}"}}}}')

    assert [missing.variable for missing in configuration.missing] == ["NOT_SET_HERE"]


def test_a_bare_schema_is_let_through_where_a_model_takes_schemas(load: Load) -> None:
    schema = '{agents: {defaults: {params: {response_format: {type: "object"}}}}, models: {providers: {p: PROVIDER}}}'
    row = '{baseUrl: "http://h/v1", models: [{id: "m", compat: {supportsJsonSchemaResponseFormat: true}}]}'

    load(schema.replace("PROVIDER", row))

    with pytest.raises(ConfigError, match="a bare schema is written"):
        load(schema.replace("PROVIDER", '{baseUrl: "http://h/v1"}'))


def test_config_validate_reports_them(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / "mine.json"
    file.write_text('{agents: {defaults: {params: {topK: "many", n: 2}}}}')

    code = run(["--config", str(file), "config", "validate", "--json"])

    issues = json.loads(capsys.readouterr().out)["issues"]
    assert code == 1
    assert {issue["path"]: issue["message"] for issue in issues} == {
        "agents.defaults.params.topK": "must be a whole number",
        "agents.defaults.params.n": "there is one reply to a message",
    }
    assert "many" not in json.dumps(issues)


def test_config_set_refuses_them(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / "mine.json"
    file.write_text("{}")

    assert run(["--config", str(file), "config", "set", "agents.defaults.params.topq", "1"]) == 1
    assert "did you mean top" in capsys.readouterr().err
    assert file.read_text() == "{}"
