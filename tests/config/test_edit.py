from pathlib import Path

import pytest

from garra.config.edit import Set, Unset, edit
from garra.config.keypath import KeyPath, parse_path
from garra.config.paths import Paths, resolve_paths
from garra.errors import ConfigError

MODEL: KeyPath = ("agents", "defaults", "model")


def set_key(paths: Paths, path: str, value: object, env: dict[str, str] | None = None) -> bool:
    return edit(paths, env or {}, [Set(parse_path(path), value)]).changed


def test_the_file_is_created_when_something_is_set_for_its_owner_only(home: Path) -> None:
    paths = resolve_paths({"HOME": str(home)})

    done = edit(paths, {}, [Set(MODEL, "vllm/a"), Set(("tools", "exec", "mode"), "full")])

    assert done.configuration.config.agents.defaults.model == "vllm/a"
    assert done.configuration.config.tools.exec.mode == "full"
    assert paths.config_file.stat().st_mode & 0o777 == 0o600
    assert paths.home.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in paths.home.iterdir()] == ["garra.json"]


def test_a_refused_or_empty_edit_creates_nothing(home: Path) -> None:
    paths = resolve_paths({"HOME": str(home)})

    with pytest.raises(ConfigError, match="nothing was written"):
        set_key(paths, "agents.wibble", 1)
    assert not edit(paths, {}, [Unset(MODEL)]).changed

    assert list(home.iterdir()) == []


def test_what_would_not_be_valid_is_not_written_and_every_fault_is_told(paths: Paths) -> None:
    paths.config_file.write_text("{ /* mine */ }")

    with pytest.raises(ConfigError, match="nothing was written") as caught:
        edit(paths, {}, [Set(("tools", "exec", "mode"), "aks"), Set(("agents", "x"), 1)])

    assert len(caught.value.issues) == 2
    assert paths.config_file.read_text() == "{ /* mine */ }"
    assert [path.name for path in paths.home.iterdir()] == ["garra.json"]


def test_an_edit_may_mend_a_file_that_is_not_valid(paths: Paths) -> None:
    paths.config_file.write_text("{tools: {exec: {mode: 'aks'}}}")

    assert set_key(paths, "tools.exec.mode", "ask")

    assert paths.config_file.read_text() == '{tools: {exec: {mode: "ask"}}}'


def test_setting_what_is_set_changes_no_byte_and_makes_no_backup(paths: Paths) -> None:
    text = "{ agents: { defaults: { maxSteps: 0x09, params: {extra_body: {a: [1, 'b']}} } } } // odd but mine"
    paths.config_file.write_text(text)
    paths.config_file.chmod(0o640)

    assert not set_key(paths, "agents.defaults.maxSteps", 9)
    assert not set_key(paths, "agents.defaults.params", {"extra_body": {"a": [1, "b"]}})

    assert paths.config_file.read_text() == text
    assert not paths.config_file.with_name("garra.json.bak").exists()


def test_the_five_states_before_are_kept(paths: Paths) -> None:
    for steps in range(1, 9):
        set_key(paths, "agents.defaults.maxSteps", steps)

    names = ["garra.json", "garra.json.bak", *(f"garra.json.bak.{number}" for number in range(1, 5))]
    assert sorted(path.name for path in paths.home.iterdir()) == names
    for name, steps in zip(names, (8, 7, 6, 5, 4, 3), strict=True):
        assert f"maxSteps: {steps}" in (paths.home / name).read_text()
        assert (paths.home / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("variable", ["GARRA_CONFIG_READONLY", "OPENCLAW_CONFIG_READONLY"])
def test_a_read_only_configuration_is_not_changed(paths: Paths, variable: str) -> None:
    with pytest.raises(ConfigError, match=variable):
        set_key(paths, "agents.defaults.maxSteps", 3, {variable: "1"})

    assert not paths.config_file.exists()
    assert set_key(paths, "agents.defaults.maxSteps", 3, {variable: "0"})


def test_a_key_of_an_included_file_is_not_changed_and_the_file_is_named(paths: Paths) -> None:
    (paths.home / "models.json5").write_text("{providers: {vllm: {baseUrl: 'http://a'}}}")
    paths.config_file.write_text("{\n  models: { $include: './models.json5' },\n}\n")

    for path in ("models.providers.vllm.baseUrl", "models.providers.other.baseUrl"):
        with pytest.raises(ConfigError, match=r"models\.json5, which is included"):
            set_key(paths, path, "http://b")

    assert set_key(paths, "models.mode", "replace")
    assert set_key(paths, "agents.defaults.maxSteps", 3)
    assert "$include: './models.json5', mode: \"replace\"" in paths.config_file.read_text()


def test_an_older_file_is_changed_where_it_holds_the_key(paths: Paths) -> None:
    paths.config_file.write_text(
        "{defaultModel: 'a/b', agents: {list: [{id: 'x'}]}, tools: {exec: {timeoutSec: 3, security: 'full'}}}"
    )

    config = edit(
        paths,
        {},
        [
            Set(MODEL, "c/d"),
            Set(("agents", "entries", "x", "maxSteps"), 7),
            Set(("tools", "exec", "timeoutSeconds"), 8),
            Set(("tools", "exec", "mode"), "ask"),
        ],
    ).configuration.config

    assert (config.agents.defaults.model, config.agents.entries["x"].max_steps) == ("c/d", 7)
    assert (config.tools.exec.timeout_seconds, config.tools.exec.mode) == (8, "ask")
    assert paths.config_file.read_text() == (
        '{defaultModel: "c/d", agents: {list: [{id: \'x\', maxSteps: 7}]}, tools: {exec: {timeoutSec: 8, mode: "ask"}}}'
    )


def test_variables_stay_variables_when_something_else_is_set(paths: Paths) -> None:
    paths.config_file.write_text("{models: {providers: {vllm: {apiKey: '${KEY}'}}}}")

    set_key(paths, "models.mode", "replace", {"KEY": "sk-secret"})

    assert "'${KEY}'" in paths.config_file.read_text()
    assert "sk-secret" not in paths.config_file.read_text()


def test_the_folder_of_a_file_elsewhere_is_left_as_it_is(home: Path) -> None:
    folder = home / "project"
    folder.mkdir(mode=0o755)
    paths = resolve_paths({"HOME": str(home)}, config_file=str(folder / "mine.json"))

    set_key(paths, "agents.defaults.maxSteps", 3)

    assert folder.stat().st_mode & 0o777 == 0o755
    assert (folder / "mine.json").stat().st_mode & 0o777 == 0o600
