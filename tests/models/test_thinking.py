"""How much a model thinks: where the level comes from, which are offered, and what each puts into the request."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from garra.errors import UsageFault
from garra.models.catalogue import Chosen
from garra.models.models import Models
from garra.models.thinking import (
    kept_by_params,
    level_named,
    levels_of,
    make_thinking,
    nothing_known,
    sends_nothing,
    with_thinking,
)
from garra.models.thinking_formats import LEVELS
from garra.wire.http import Http
from tests.models.conftest import Configure

pytestmark = pytest.mark.anyio

QWEN = {"thinkingFormat": "qwen-chat-template"}


class Choose:
    """The model that a configuration of these parts gives, without a server."""

    def __init__(self, configure: Configure) -> None:
        self._configure = configure

    async def __call__(
        self,
        row: Mapping[str, Any] = {},
        *,
        model: str = "m",
        defaults: Mapping[str, Any] = {},
        entry: Mapping[str, Any] = {},
        provider: Mapping[str, Any] = {},
    ) -> Chosen:
        rows = [{"id": model, "contextWindow": 4096, **row}]
        configuration = self._configure(
            {
                "models": {"providers": {"vllm": {"baseUrl": "http://127.0.0.1:1/v1", "models": rows, **provider}}},
                "agents": {"defaults": {"model": f"vllm/{model}", **defaults}, "entries": {"main": dict(entry)}},
            }
        )
        async with Http() as http:
            return await Models(configuration, http).choose(None)


@pytest.fixture
def choose(configure: Configure) -> Choose:
    return Choose(configure)


async def test_a_model_of_which_nothing_is_known_gets_no_field_whatever_is_wished(choose: Choose) -> None:
    chosen = await choose({"reasoning": True}, defaults={"thinkingDefault": "high"})

    assert chosen.params == {}
    assert all(with_thinking(chosen, level).params == {} for level in LEVELS)
    assert levels_of(chosen) == ()
    with pytest.raises(UsageFault, match=r"Nothing is known.*thinkingFormat"):
        level_named(chosen, "high")


async def test_the_template_switch_of_a_row_is_off_unless_somebody_asks(choose: Choose) -> None:
    off = {"chat_template_kwargs": {"enable_thinking": False, "preserve_thinking": True}}
    on = {"chat_template_kwargs": {"enable_thinking": True, "preserve_thinking": True}}

    chosen = await choose({"compat": QWEN})

    assert chosen.params == off
    assert with_thinking(chosen, "off").params == off
    assert with_thinking(chosen, "low").params == on
    assert with_thinking(with_thinking(chosen, "high"), None).params == off
    assert levels_of(chosen) == ("off", "low")


@pytest.mark.parametrize(
    ("compat", "off", "high"),
    [
        ({"thinkingFormat": "openai"}, {}, {}),
        ({"thinkingFormat": "openai", "supportsReasoningEffort": True}, {}, {"reasoning_effort": "high"}),
        ({"supportsReasoningEffort": True}, {}, {"reasoning_effort": "high"}),
        ({"thinkingFormat": "openrouter"}, {"reasoning": {"effort": "none"}}, {"reasoning": {"effort": "high"}}),
        (
            {"thinkingFormat": "deepseek"},
            {"thinking": {"type": "disabled"}},
            {"thinking": {"type": "enabled"}, "reasoning_effort": "high"},
        ),
        ({"thinkingFormat": "together"}, {"reasoning": {"enabled": False}}, {"reasoning": {"enabled": True}}),
        (
            {"thinkingFormat": "together", "supportsReasoningEffort": True},
            {"reasoning": {"enabled": False}},
            {"reasoning": {"enabled": True}, "reasoning_effort": "high"},
        ),
        ({"thinkingFormat": "qwen"}, {"enable_thinking": False}, {"enable_thinking": True}),
        ({"thinkingFormat": "zai"}, {"thinking": {"type": "disabled"}}, {"thinking": {"type": "enabled"}}),
    ],
)
async def test_each_format_has_its_own_field(
    choose: Choose, compat: dict[str, Any], off: dict[str, Any], high: dict[str, Any]
) -> None:
    chosen = await choose({"compat": compat})

    assert with_thinking(chosen, "off").params == off
    assert with_thinking(chosen, "high").params == high


@pytest.mark.parametrize(
    ("model", "level", "params"),
    [
        ("Qwen/Qwen3-8B", "off", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("zai-org/GLM-4.5-Air", "high", {"chat_template_kwargs": {"enable_thinking": True}}),
        ("google/gemma-4-31b", "low", {"chat_template_kwargs": {"enable_thinking": True}}),
        ("deepseek-ai/DeepSeek-V3.1", "low", {"chat_template_kwargs": {"thinking": True}}),
        ("ibm-granite/granite-3.2-2b-instruct", "low", {"chat_template_kwargs": {"thinking": True}}),
        ("openai/gpt-oss-20b", "high", {"reasoning_effort": "high"}),
        ("openai/gpt-oss-20b", "off", {"reasoning_effort": "low"}),
        (
            "nvidia/Nemotron-3-Nano",
            "off",
            {"chat_template_kwargs": {"enable_thinking": False, "force_nonempty_content": True}},
        ),
    ],
)
async def test_a_known_id_gets_its_field_when_somebody_asks_and_not_before(
    choose: Choose, model: str, level: str, params: dict[str, Any]
) -> None:
    unasked = await choose(model=model)
    configured = await choose(model=model, defaults={"thinkingDefault": level})

    assert unasked.params == {}
    assert with_thinking(unasked, level).params == params
    assert configured.params == params


@pytest.mark.parametrize("model", ["Qwen/Qwen3-4B-Instruct-2507", "Qwen3-Coder-30B-A3B", "SmolLM2-135M-Instruct"])
async def test_an_id_without_a_switch_is_not_taken_for_one_with_it(choose: Choose, model: str) -> None:
    assert levels_of(await choose(model=model)) == ()


async def test_nemotron_3_that_reasons_is_off_by_default_with_content_forced(choose: Choose) -> None:
    chosen = await choose({"reasoning": True}, model="nvidia/nemotron-3-super")

    assert chosen.params == {"chat_template_kwargs": {"enable_thinking": False, "force_nonempty_content": True}}
    assert levels_of(chosen) == ("off", "low")
    assert with_thinking(chosen, "low").params == {"chat_template_kwargs": {"enable_thinking": True}}


async def test_a_row_that_says_the_model_does_not_think_is_believed(choose: Choose) -> None:
    chosen = await choose({"reasoning": False, "compat": QWEN})

    assert (chosen.params, levels_of(chosen)) == ({}, ())
    assert "reasoning: false" in nothing_known(chosen)


async def test_the_persons_own_template_keys_win_one_by_one(choose: Choose) -> None:
    params = {"chatTemplateKwargs": {"enable_thinking": True, "mine": 1}}

    chosen = await choose({"compat": QWEN, "params": params})

    assert chosen.params["chat_template_kwargs"] == {"enable_thinking": True, "preserve_thinking": True, "mine": 1}
    assert kept_by_params(chosen) == ("chat_template_kwargs.enable_thinking",)


async def test_the_template_keys_of_extra_body_replace_all_others(choose: Choose) -> None:
    params = {"chat_template_kwargs": {"a": 1}, "extra_body": {"chat_template_kwargs": {"b": 2}}}

    chosen = await choose({"compat": QWEN, "params": params})

    assert with_thinking(chosen, "low").params["chat_template_kwargs"] == {"b": 2}


async def test_an_effort_of_the_persons_own_is_kept_and_said_to_be(choose: Choose) -> None:
    chosen = await choose({"compat": {"supportsReasoningEffort": True}, "params": {"reasoning_effort": "low"}})

    high = with_thinking(chosen, "high")

    assert high.params == {"reasoning_effort": "low"}
    assert kept_by_params(high) == ("reasoning_effort",)


WORDS = ("minimal", "low", "medium", "high", "xhigh")


@pytest.mark.parametrize(
    ("said", "effort"),
    [
        (("entry", "agent model", "model", "defaults"), "minimal"),
        (("agent model", "model", "defaults"), "low"),
        (("model", "defaults"), "medium"),
        (("defaults", "provider"), "high"),
        (("provider",), "xhigh"),
        ((), "medium"),
    ],
)
async def test_the_strongest_word_for_a_level_is_the_one_nearest_to_the_agent_and_the_model(
    choose: Choose, said: tuple[str, ...], effort: str
) -> None:
    """The order of openclaw.md 3.5; each place says another level."""
    entry: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    provider: dict[str, Any] = {}
    if "entry" in said:
        entry["thinkingDefault"] = "minimal"
    if "agent model" in said:
        entry["models"] = {"vllm/m": {"params": {"thinking": "low"}}}
    if "model" in said:
        defaults["models"] = {"vllm/m": {"params": {"thinking": "medium"}}}
    if "defaults" in said:
        defaults["thinkingDefault"] = "high"
    if "provider" in said:
        provider["params"] = {"thinking": "xhigh"}
    compat = {"supportedReasoningEfforts": list(WORDS)}

    chosen = await choose({"reasoning": True, "compat": compat}, defaults=defaults, entry=entry, provider=provider)

    assert chosen.params == {"reasoning_effort": effort}
    assert with_thinking(chosen, "xhigh").params == {"reasoning_effort": "xhigh"}


async def test_efforts_are_renamed_and_levels_added_and_taken_away_by_the_row(choose: Choose) -> None:
    compat = {"supportsReasoningEffort": True, "reasoningEffortMap": {"minimal": "low", "max": "extreme"}}

    chosen = await choose({"compat": compat, "thinkingLevelMap": {"off": "none", "medium": None}})

    assert levels_of(chosen) == ("off", "minimal", "low", "high", "max")
    assert with_thinking(chosen, "minimal").params == {"reasoning_effort": "low"}
    assert with_thinking(chosen, "max").params == {"reasoning_effort": "extreme"}
    assert with_thinking(chosen, "off").params == {"reasoning_effort": "none"}


async def test_off_that_the_server_has_no_word_for_is_said_to_send_nothing(choose: Choose) -> None:
    plain = await choose({"compat": {"supportsReasoningEffort": True}})
    worded = await choose({"compat": {"supportedReasoningEfforts": ["none", "low", "high"]}})

    assert sends_nothing(with_thinking(plain, "off"))
    assert not sends_nothing(with_thinking(worded, "off"))


async def test_a_level_is_named_as_it_is_shown(choose: Choose) -> None:
    binary = await choose({"compat": QWEN})
    graded = await choose({"compat": {"supportsReasoningEffort": True}})

    assert (level_named(binary, "on"), level_named(binary, "High"), level_named(binary, "off")) == ("low", "low", "off")
    assert (level_named(graded, "on"), level_named(graded, "minimal")) == ("medium", "minimal")
    with pytest.raises(UsageFault, match=r"offers: off, minimal, low, medium, high"):
        level_named(graded, "ultra")
    with pytest.raises(UsageFault, match=r"offers: off, on"):
        level_named(binary, "wibble")


@pytest.mark.parametrize(
    ("model", "level", "opens"),
    [
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", None, True),
        ("Qwen/QwQ-32B", None, True),
        ("Qwen/Qwen3-30B-A3B-Thinking-2507", None, True),
        ("deepseek-ai/DeepSeek-V3.1", None, False),
        ("deepseek-ai/DeepSeek-V3.1", "low", True),
        ("deepseek-ai/DeepSeek-V3.1", "off", False),
        ("Qwen/Qwen3-8B", "low", False),
        ("m", None, False),
    ],
)
async def test_it_is_known_of_some_models_that_their_template_opens_the_tag(
    choose: Choose, model: str, level: str | None, opens: bool
) -> None:
    assert with_thinking(await choose(model=model), level).thinking.opens is opens


async def test_a_model_that_always_thinks_says_so(choose: Choose) -> None:
    assert "always thinks" in nothing_known(await choose(model="deepseek-ai/DeepSeek-R1-0528-Qwen3-8B"))


@given(
    model=st.sampled_from(["m", "Qwen3-8B", "gpt-oss-20b", "nemotron-3-nano", "DeepSeek-V3.1", "QwQ-32B"]),
    asked=st.sampled_from([None, *LEVELS]),
    own=st.dictionaries(
        st.sampled_from(["temperature", "reasoning_effort", "chat_template_kwargs"]), st.just({"k": 1}), max_size=3
    ),
    level=st.sampled_from([None, *LEVELS]),
)
def test_what_the_person_wrote_is_never_changed_and_the_level_is_one_that_is_offered(
    model: str, asked: str | None, own: dict[str, Any], level: str | None
) -> None:
    from garra.models.refs import ModelRef
    from garra.wire.request import Endpoint

    thinking = make_thinking(model, None, asked, own, frozenset())
    base = Chosen(ModelRef("vllm", model), Endpoint("http://h/v1"), None, None, {}, False, False, thinking=thinking)

    chosen = with_thinking(base, level)

    assert {name: chosen.params[name] for name in own if name != "chat_template_kwargs"} == {
        name: value for name, value in own.items() if name != "chat_template_kwargs"
    }
    assert own.get("chat_template_kwargs", {}).items() <= chosen.params.get("chat_template_kwargs", {}).items()
    assert chosen.thinking.level in ("", *levels_of(chosen))
    assert with_thinking(chosen, level) == chosen
