"""What is wrong is told all at once, with file, line and key, and never with a secret."""

from collections.abc import Callable
from pathlib import Path

import pytest

from garra.config.load import load_configuration
from garra.config.paths import Paths, resolve_paths
from garra.errors import ConfigError

Faults = Callable[..., tuple[str, ...]]

BROKEN = """{
  agents: {
    defaults: {
      wibble: 1,
      maxStep: 3,
      timeoutSeconds: "soon",
      heartbeat: { every: "1m" },
    },
  },
  models: {
    mode: "marge",
    providers: {
      vllm: {
        baseUrl: "127.0.0.1:8000",
        apiKey: 5,
        models: [
          { id: "", contextWindow: -3 },
          { name: "no id" },
        ],
      },
    },
  },
  tools: { allow: ["read"], alsoAllow: ["exec"] },
  gatway: {},
}
"""


def test_every_fault_is_told_at_once_with_its_line_and_the_nearest_key(faults: Faults) -> None:
    assert faults(BROKEN) == (
        "garra.json:4: agents.defaults.wibble: unknown key",
        "garra.json:5: agents.defaults.maxStep: unknown key. Did you mean maxSteps?",
        "garra.json:6: agents.defaults.timeoutSeconds: must be a whole number, not a text",
        "garra.json:11: models.mode: must be one of merge, replace, not 'marge'. Did you mean merge?",
        "garra.json:14: models.providers.vllm.baseUrl: must start with http:// or https://, "
        "as in http://127.0.0.1:8000/v1",
        "garra.json:15: models.providers.vllm.apiKey: must be a text or an object, not a whole number",
        "garra.json:17: models.providers.vllm.models[0].id: must not be empty",
        "garra.json:17: models.providers.vllm.models[0].contextWindow: must be more than 0, not -3",
        "garra.json:18: models.providers.vllm.models[1]: id is missing",
        "garra.json:23: tools.alsoAllow: cannot be combined with allow; put its tools into allow, or leave one out",
        "garra.json:24: gatway: unknown key. Did you mean gateway?",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{agents: []}", "agents: must be an object, not a list"),
        ("{agents: {defaults: {maxSteps: 1.5}}}", "must be a whole number, not a fraction"),
        ("{agents: {defaults: {maxSteps: true}}}", "must be a whole number, not true or false"),
        ("{agents: {defaults: {maxSteps: 0}}}", "must be more than 0, not 0"),
        ("{agents: {defaults: {maxSteps: NaN}}}", "must be a whole number, not an endless one"),
        ("{agents: {defaults: {timeoutSeconds: -1}}}", "must be 0 or more, not -1"),
        ("{agents: {defaults: {skipBootstrap: 'yes'}}}", "must be true or false, not a text"),
        ("{agents: {defaults: {model: 5}}}", "must be a text or an object, not a whole number"),
        (
            "{agents: {defaults: {model: {primary: ['x']}}}}",
            "agents.defaults.model.primary: must be a text, not a list",
        ),
        ("{agents: {defaults: {params: 'x'}}}", "must be an object, not a text"),
        ("{tools: {exec: {mode: 'aks'}}}", "Did you mean ask?"),
        ("{tools: {exec: {mode: true}}}", "must be one of deny, allowlist, ask, auto, full, not true"),
        ("{tools: {deny: 'exec'}}", "tools.deny: must be a list, not a text"),
        ("{tools: {deny: ['a', 5]}}", "tools.deny[1]: must be a text, not a whole number"),
        ("{models: {providers: {v: {timeoutSeconds: Infinity}}}}", "must be a number, not an endless one"),
        ("{models: {providers: {v: null}}}", "models.providers.v: must be an object, not null"),
        (
            "{models: {providers: {v: {models: [{id: 'a', input: ['smell']}]}}}}",
            "text, image, video, audio, not 'smell'",
        ),
        ("{env: {vars: {A: 1}}}", "env.vars.A: must be a text, not a whole number"),
        (
            "{agents: {entries: {main: {tools: {allow: ['a'], alsoAllow: ['b']}}}}}",
            "agents.entries.main.tools.alsoAllow",
        ),
    ],
)
def test_a_wrong_type_or_value_is_told_in_words(faults: Faults, text: str, said: str) -> None:
    (issue,) = faults(text)

    assert said in issue


SECRET = "sk-Very-Secret-4711"


@pytest.mark.parametrize(
    "text",
    [
        "{models: {providers: {v: {apiKey: ['SECRET']}}}}",
        "{models: {providers: {v: {apiKey: {source: 'SECRET', id: 'X'}}}}}",
        "{models: {providers: {v: {headers: {Authorization: ['SECRET']}}}}}",
        "{models: {providers: {v: {headers: 'SECRET'}}}}",
        "{models: {providers: {v: 'SECRET'}}}",
        "{models: {providers: {v: {baseUrl: 'SECRET'}}}}",
        "{models: {providers: {v: {request: {auth: {mode: 'header', value: ['SECRET']}}}}}}",
        "{models: {providers: {v: {auth: 'api-key', request: {auth: {token: {source: 'SECRET', id: 'x'}}}}}}}",
        "{env: {vars: {A: ['SECRET']}}}",
        "{env: {vars: 'SECRET'}}",
        "{auth: {profiles: {p: {provider: 'v', mode: 'token', key: 'SECRET'}}}}",
        "{agents: {defaults: {maxSteps: 'SECRET'}}}",
        "{models: {providers: {v: {apiKey: 'SECRET' broken}}}}",
    ],
)
def test_a_secret_is_never_repeated(load: Callable[..., object], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text.replace("SECRET", SECRET))

    assert SECRET not in str(caught.value)


def test_a_fault_in_an_included_file_names_that_file(paths: Paths, faults: Faults) -> None:
    (paths.home / "models.json5").write_text("{\n  // ours\n  providers: { vllm: { baseURL: 'http://h' } },\n}")

    assert faults("{\n  models: { $include: './models.json5', mode: 'x' },\n}") == (
        "garra.json:2: models.mode: must be one of merge, replace, not 'x'",
        "models.json5:3: models.providers.vllm.baseURL: unknown key. Did you mean baseUrl?",
    )


def test_a_missing_variable_where_a_word_was_wanted_is_told_as_such(faults: Faults) -> None:
    assert faults("{tools: {exec: {mode: '${MODE}'}}}") == (
        "garra.json:1: tools.exec.mode: the environment variable MODE is not set",
    )


def test_a_file_that_was_named_but_is_not_there_is_an_error(home: Path) -> None:
    paths = resolve_paths({"HOME": str(home)}, config_file=str(home / "typo.json"))

    with pytest.raises(ConfigError, match=r"typo\.json does not exist"):
        load_configuration(paths, {})
