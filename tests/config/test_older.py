"""Older shapes, one by one. Each is read as if it had been written in today's shape."""

from collections.abc import Callable
from typing import Any

import pytest

from garra.config.load import Configuration
from garra.config.schema import Config, SessionReset

Load = Callable[..., Configuration]
Faults = Callable[..., tuple[str, ...]]


def test_a_list_of_agents(load: Load) -> None:
    configuration = load("{agents: {list: [{id: 'a', name: 'A'}, {id: 'b', default: true}]}}")

    assert list(configuration.config.agents.entries) == ["a", "b"]
    assert configuration.config.agents.entries["a"].name == "A"
    assert configuration.default_agent == "b"


def test_a_list_of_agents_with_faults_is_told_where_it_was_written(faults: Faults) -> None:
    text = "{agents: {\n entries: {c: {}},\n list: [\n {id: 'a', wrk: 1},\n {name: 'x'},\n {id: 'c'}]}}"

    assert faults(text) == (
        "garra.json:4: agents.list[0].wrk: unknown key",
        "garra.json:5: agents.list[1]: must be an object with an id",
        "garra.json:6: agents.list[2].id: there is already an agent 'c'",
    )


@pytest.mark.parametrize(
    ("policy", "mode"),
    [
        ("security: 'deny', ask: 'off'", "deny"),
        ("security: 'deny', ask: 'always'", "deny"),
        ("security: 'allowlist', ask: 'off'", "allowlist"),
        ("security: 'allowlist', ask: 'on-miss'", "ask"),
        ("security: 'allowlist', ask: 'always'", "ask"),
        ("security: 'full', ask: 'off'", "full"),
        ("security: 'full', ask: 'on-miss'", "full"),
        ("security: 'full', ask: 'always'", "ask"),
        ("security: 'full'", "full"),
        ("security: 'allowlist'", "ask"),
        ("ask: 'off'", "allowlist"),
        ("ask: 'always'", "ask"),
    ],
)
def test_security_and_ask_of_commands(load: Load, policy: str, mode: str) -> None:
    config = load(
        f"{{tools: {{exec: {{{policy}}}}}, agents: {{entries: {{a: {{tools: {{exec: {{{policy}}}}}}}}}}}}}"
    ).config

    own = config.agents.entries["a"].tools.exec
    assert config.tools.exec.mode == mode
    assert own is not None
    assert own.mode == mode


def test_security_that_is_no_such_word_or_stands_beside_mode(faults: Faults) -> None:
    assert "security must be one of deny, allowlist, full" in faults("{tools: {exec: {security: 'lax'}}}")[0]
    assert "cannot be combined with mode" in faults("{tools: {exec: {security: 'full', mode: 'ask'}}}")[0]


def test_the_timeout_of_commands(load: Load, faults: Faults) -> None:
    assert load("{tools: {exec: {timeoutSec: 7}}}").config.tools.exec.timeout_seconds == 7
    assert faults("{tools: {exec: {timeoutSec: 'x'}}}")[0].startswith("garra.json:1: tools.exec.timeoutSec: ")


def test_the_api_openai(load: Load) -> None:
    configuration = load("{models: {providers: {v: {api: 'openai'}}}}")

    assert configuration.config.models.providers["v"].api == "openai-completions"
    assert configuration.warnings == ()


def test_a_default_model_at_the_root(load: Load) -> None:
    assert load("{defaultModel: 'a/b'}").config.agents.defaults.model == "a/b"
    both = load("{defaultModel: 'a/b', agents: {defaults: {model: 'c/d'}}}")
    assert both.config.agents.defaults.model == "c/d"


def test_settings_that_do_nothing_any_more_are_named_in_the_warning(load: Load) -> None:
    configuration = load("{agents: {defaults: {llm: {idleTimeoutSeconds: 1}, systemPromptOverride: 'x'}}}")

    assert configuration.config == Config()
    assert configuration.warnings == (
        "garra.json has 2 keys that are not used yet: agents.defaults.llm, agents.defaults.systemPromptOverride",
    )


def test_idle_minutes_of_a_session(load: Load) -> None:
    assert load("{session: {idleMinutes: 9}}").config.session.reset == SessionReset(mode="idle", idle_minutes=9)


def test_variables_written_straight_into_env(load: Load) -> None:
    configuration = load(
        "{env: {HOST: 'h', vars: {PORT: '1'}}, agents: {defaults: {params: {user: '${HOST}:${PORT}'}}}}"
    )

    assert configuration.config.agents.defaults.params == {"user": "h:1"}


def test_tools_that_have_another_name_now(load: Load) -> None:
    tools = load("{tools: {allow: ['image', 'read'], deny: ['cron', 'update_plan']}}").config.tools

    assert tools.allow == ("view_image", "read")
    assert tools.deny == ("automations", "progress_card")


@pytest.mark.parametrize("key", ["media", "audit", "heartbeat", "audio"])
def test_sections_that_moved_elsewhere_are_known(load: Load, key: str) -> None:
    assert load(f"{{{key}: {{x: 1}}}}").warnings == (f"garra.json has 1 key that is not used yet: {key}",)


@pytest.mark.parametrize(
    "data", ["{agents: {list: 5}}", "{agents: 5}", "{tools: 5}", "{tools: {exec: 5}}", "{env: 5}", "{session: []}"]
)
def test_an_older_shape_of_the_wrong_type_is_an_ordinary_fault(faults: Faults, data: Any) -> None:
    assert len(faults(data)) == 1
