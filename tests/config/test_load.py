import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from garra.config.load import Configuration, load_configuration
from garra.config.paths import Paths, resolve_paths
from garra.config.report import report
from garra.config.schema import Config, ModelChoice
from garra.config.section import SecretRef
from garra.errors import ConfigError, MissingVariable

Load = Callable[..., Configuration]


def test_without_a_file_the_defaults_hold_and_nothing_is_created(home: Path) -> None:
    configuration = load_configuration(resolve_paths({"HOME": str(home)}), {})

    assert configuration.config == Config()
    assert not configuration.exists
    assert list(home.iterdir()) == []


def test_the_defaults_are_the_documented_ones() -> None:
    config = Config()

    assert config.agents.defaults.max_steps == 50
    assert config.agents.defaults.timeout_seconds == 172_800
    assert config.agents.defaults.bootstrap_max_chars == 20_000
    assert config.agents.defaults.bootstrap_total_max_chars == 60_000
    assert config.models.mode == "merge"
    assert config.tools.exec.mode == "ask"
    assert config.tools.exec.timeout_seconds == 1800
    assert config.tools.exec.background_ms == 10_000
    assert config.tools.fs.workspace_only is False


def test_comments_bare_keys_and_trailing_commas_are_read(load: Load) -> None:
    config = load(
        """// hello
        { /* a */ agents: { 'defaults': { model: 'vllm/Qwen/Qwen3-8B', maxSteps: +0x10, timeoutSeconds: 1e3, }, }, }"""
    ).config

    assert config.agents.defaults.model == "vllm/Qwen/Qwen3-8B"
    assert config.agents.defaults.max_steps == 16
    assert config.agents.defaults.timeout_seconds == 1000


def test_an_empty_file_with_a_byte_order_mark_is_read(paths: Paths) -> None:
    paths.config_file.write_bytes(b"\xef\xbb\xbf{}")

    assert load_configuration(paths, {}).config == Config()


def test_a_model_may_be_a_text_or_a_choice(load: Load) -> None:
    config = load("{agents: {defaults: {model: {primary: 'a/b', fallbacks: ['c/d']}}}}").config

    assert config.agents.defaults.model == ModelChoice("a/b", ("c/d",))


def test_parameters_stay_as_they_were_written(load: Load) -> None:
    text = "{agents: {defaults: {params: {max_tokens: 100, maxTokens: 200, extra_body: {top_k: 20, deep: [null]}}}}}"

    assert load(text).config.agents.defaults.params == {
        "max_tokens": 100,
        "maxTokens": 200,
        "extra_body": {"top_k": 20, "deep": [None]},
    }


def test_a_row_without_a_window_has_none_so_that_the_server_is_asked(load: Load) -> None:
    row = load("{models: {providers: {vllm: {models: [{id: 'm'}]}}}}").config.models.providers["vllm"].models[0]

    assert (row.context_window, row.max_tokens, row.reasoning, row.input) == (None, None, None, None)


def test_slashes_at_the_end_of_an_address_are_dropped(load: Load) -> None:
    text = "{models: {providers: {vllm: {baseUrl: 'http://h:1/v1//'}}}}"

    assert load(text).config.models.providers["vllm"].base_url == "http://h:1/v1"


def test_keys_that_openclaw_knows_and_garra_does_not_use_are_one_warning(load: Load) -> None:
    configuration = load("{gateway: {anything: [1]}, tools: {web: {}}, agents: {defaults: {heartbeat: {x: 1}}}}")

    assert configuration.warnings == (
        "garra.json has 3 keys that are not used yet: gateway, tools.web, agents.defaults.heartbeat",
    )


def test_a_provider_or_row_that_speaks_another_api_is_left_out_with_a_warning(load: Load) -> None:
    configuration = load(
        """{models: {providers: {
            newer: {api: "openai-hyper", unheardOf: 1},
            vllm: {models: [{id: "a", api: "ollama"}, {id: "b", api: "openai-completions"}]},
        }}}"""
    )

    providers = configuration.config.models.providers
    assert list(providers) == ["vllm"]
    assert [row.id for row in providers["vllm"].models] == ["b"]
    assert [warning.split(" is left out")[0] for warning in configuration.warnings] == [
        "models.providers.newer",
        "models.providers.vllm.models.a",
    ]


def test_variables_come_from_the_process_then_the_dotenv_file_then_the_configuration(load: Load, paths: Paths) -> None:
    (paths.home / ".env").write_text("A=dotenv\nB=dotenv\n")
    text = "{env: {vars: {A: 'file', B: 'file', C: '${A}!'}}, agents: {defaults: {params: {user: '${A} ${B} ${C}'}}}}"

    configuration = load(text, {"A": "process"})

    assert configuration.config.agents.defaults.params == {"user": "process dotenv process!"}
    assert configuration.env["C"] == "process!"
    assert configuration.missing == ()


def test_a_missing_variable_stops_whoever_uses_its_subtree_and_nobody_else(load: Load) -> None:
    configuration = load("{models: {providers: {vllm: {apiKey: '${NOPE_KEY}'}, other: {}}}}", {"NOPE_KEY": ""})

    configuration.check("models.providers.other")
    configuration.check("models.providers.vl")
    with pytest.raises(MissingVariable, match=r"models\.providers\.vllm\.apiKey .* NOPE_KEY") as caught:
        configuration.check("models.providers.vllm")
    assert (caught.value.variable, caught.value.path) == ("NOPE_KEY", "models.providers.vllm.apiKey")


def test_a_missing_variable_in_a_section_that_is_not_used_is_nobodys_concern(load: Load) -> None:
    assert load("{channels: {telegram: {botToken: '${NOPE}'}}}").missing == ()


def test_a_secret_may_be_a_text_a_variable_or_a_reference(load: Load) -> None:
    configuration = load("{}", {"KEY": "k"})

    assert configuration.secret("literal", "p") == "literal"
    assert configuration.secret("$KEY", "p") == "k"
    assert configuration.secret("$not-a-name", "p") == "$not-a-name"
    assert configuration.secret(SecretRef("KEY"), "p") == "k"
    assert configuration.secret(None, "p") is None
    assert configuration.secret("", "p") is None
    with pytest.raises(MissingVariable, match="OTHER"):
        configuration.secret("$OTHER", "p")
    with pytest.raises(MissingVariable, match="OTHER"):
        configuration.secret(SecretRef("OTHER"), "p")
    with pytest.raises(ConfigError, match="'exec'"):
        configuration.secret(SecretRef("x", source="exec"), "p")


def test_a_secret_behind_a_missing_variable_is_not_handed_out(load: Load) -> None:
    configuration = load("{models: {providers: {v: {apiKey: '${NOPE}'}}}}")

    with pytest.raises(MissingVariable):
        configuration.secret(configuration.config.models.providers["v"].api_key, "models.providers.v.apiKey")


def test_showing_a_configuration_shows_no_secret(load: Load) -> None:
    assert "sk-secret" not in repr(load("{models: {providers: {v: {apiKey: 'sk-secret'}}}}"))


@pytest.mark.parametrize(
    ("text", "agent", "folder"),
    [
        ("{}", "main", "{home}/.garra/workspace"),
        ("{agents: {defaults: {workspace: '~/w'}}}", "main", "{home}/w"),
        ("{agents: {defaults: {workspace: '/w'}, entries: {a: {default: true}, b: {}}}}", "main", "/w"),
        ("{agents: {defaults: {workspace: '/w'}, entries: {a: {default: true}, b: {}}}}", "b", "/w/b"),
        ("{agents: {entries: {a: {}, b: {}}}}", "b", "{home}/.garra/workspace-b"),
        ("{agents: {defaults: {workspace: '/w'}, entries: {main: {workspace: '/own'}}}}", "main", "/own"),
    ],
)
def test_each_agent_has_its_workspace(load: Load, home: Path, text: str, agent: str, folder: str) -> None:
    configuration = load(text, {"HOME": str(home)})

    assert str(configuration.workspace(agent)) == folder.format(home=home)


def test_a_workspace_behind_a_missing_variable_is_not_used(load: Load) -> None:
    with pytest.raises(MissingVariable, match="WHERE"):
        load("{agents: {defaults: {workspace: '${WHERE}/x'}}}").workspace()


def test_an_openclaw_file_used_directly_has_the_workspace_and_the_dotenv_beside_it(home: Path) -> None:
    state = home / ".openclaw"
    (state / "workspace").mkdir(parents=True)
    (state / ".env").write_text("VLLM_API_KEY=from-there\n")
    (state / "openclaw.json").write_text("{models: {providers: {vllm: {apiKey: '${VLLM_API_KEY}'}}}}")
    paths = resolve_paths({"HOME": str(home)}, config_file=str(state / "openclaw.json"))

    configuration = load_configuration(paths, {"HOME": str(home)})

    assert configuration.workspace() == state / "workspace"
    assert configuration.config.models.providers["vllm"].api_key == "from-there"


def test_main_is_the_agent_that_is_marked_as_default(load: Load) -> None:
    configuration = load("{agents: {entries: {a: {}, b: {default: true, maxSteps: 3}}}}")

    assert configuration.default_agent == "b"
    assert configuration.agent("main").max_steps == 3
    assert configuration.agent("a").max_steps is None
    assert configuration.agent("unheard of").max_steps is None


def test_reading_a_configuration_imports_nothing_that_only_errors_and_edits_need(paths: Paths) -> None:
    paths.config_file.write_text("{models: {providers: {vllm: {models: [{id: 'm', name: 'm'}]}}}}")
    program = (
        "import sys\n"
        "from garra.config.load import load_configuration\n"
        "from garra.config.paths import resolve_paths\n"
        f"load_configuration(resolve_paths({{'GARRA_HOME': {str(paths.home)!r}}}), {{}})\n"
        "print(*{'difflib', 'click', 'tempfile', 'json5', 'garra.config.text', 'garra.config.edit'} & set(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "\n"


def test_a_name_that_the_system_refuses_is_told_and_no_crash(home: Path) -> None:
    paths = resolve_paths({"HOME": str(home), "GARRA_CONFIG": "/" + "x" * 5000})

    with pytest.raises(ConfigError, match="name too long"):
        load_configuration(paths, {})
    assert report(paths, {}).issues[0].message.endswith("File name too long")


def test_no_part_of_a_configuration_is_written_out_with_its_secrets(load: Load) -> None:
    """A value ends up in a log or in a test's report sooner or later."""
    configuration = load("""{
      env: { vars: { ANY: "hidden" } },
      models: { providers: { vllm: {
        baseUrl: "http://user:hidden@127.0.0.1:8000/v1", apiKey: "hidden", headers: { "X-Any": "hidden" },
        request: {
          headers: { any: "hidden" },
          auth: { mode: "header", headerName: "x", value: "hidden", token: "hidden" },
        },
        models: [
          { id: "seen", name: "seen", headers: { any: "hidden" }, params: { extra_body: { api_key: "hidden" } } },
        ],
      } } },
    }""")

    provider = configuration.config.models.providers["vllm"]
    for part in (configuration, configuration.config, provider, provider.models[0], provider.request.auth):
        assert "hidden" not in f"{part!r} {part.__rich_repr__()}"
    assert "id='seen'" in repr(configuration.config)
