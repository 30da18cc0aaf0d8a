"""Sampling parameters: spellings, layers, and what is refused."""

from typing import Any

import pytest

from garra.errors import ConfigError
from garra.models.params import Layer, Params, merge_params


def merged(*layers: dict[str, Any]) -> Params:
    return merge_params([Layer(f"layer{number}", params) for number, params in enumerate(layers)])


def issues(**params: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        merge_params([Layer("agents.defaults.params", params)])
    return caught.value.issues


def test_in_later_layers_a_key_wins() -> None:
    assert merged({"temperature": 0.1, "seed": 7}, {"temperature": 0.5}, {"temperature": 0.9}).body == {
        "temperature": 0.9,
        "seed": 7,
    }


def test_two_spellings_are_one_parameter_over_layers() -> None:
    assert merged({"topP": 0.5}, {"top_p": 0.9}).body == {"top_p": 0.9}


@pytest.mark.parametrize(
    ("camel", "snake", "value"),
    [
        ("topP", "top_p", 0.9),
        ("topK", "top_k", 20),
        ("minP", "min_p", 0.05),
        ("repetitionPenalty", "repetition_penalty", 1.1),
        ("frequencyPenalty", "frequency_penalty", 0.5),
        ("presencePenalty", "presence_penalty", 0.5),
        ("parallelToolCalls", "parallel_tool_calls", False),
        ("chatTemplateKwargs", "chat_template_kwargs", {"enable_thinking": False}),
        ("responseFormat", "response_format", {"type": "json_object"}),
        ("minTokens", "min_tokens", 1),
        ("lengthPenalty", "length_penalty", 1.5),
        ("logitBias", "logit_bias", {"42": -100}),
        ("badWords", "bad_words", ["no"]),
        ("allowedTokenIds", "allowed_token_ids", [1, 2]),
        ("stopTokenIds", "stop_token_ids", [2]),
        ("ignoreEos", "ignore_eos", True),
        ("includeStopStrInOutput", "include_stop_str_in_output", True),
        ("skipSpecialTokens", "skip_special_tokens", False),
        ("spacesBetweenSpecialTokens", "spaces_between_special_tokens", False),
        ("truncatePromptTokens", "truncate_prompt_tokens", 100),
        ("truncationSide", "truncation_side", "left"),
        ("thinkingTokenBudget", "thinking_token_budget", 500),
        ("reasoningEffort", "reasoning_effort", "low"),
        ("includeReasoning", "include_reasoning", False),
        ("repetitionDetection", "repetition_detection", {"max_pattern_size": 3}),
        ("cacheSalt", "cache_salt", "mine"),
        ("vllmXargs", "vllm_xargs", {"a": 1}),
        ("priority", "priority", 1),
        ("user", "user", "anna"),
        ("seed", "seed", 7),
    ],
)
def test_both_spellings_reach_the_wire_under_its_own_name(camel: str, snake: str, value: Any) -> None:
    assert merged({camel: value}).body == {snake: value}
    assert merged({snake: value}).body == {snake: value}


def test_of_the_names_of_the_output_cap_the_first_one_found_counts() -> None:
    assert merged({"max_tokens": 100, "maxTokens": 200}).max_tokens == 200
    assert merged({"max_tokens": 100, "max_completion_tokens": 150}).max_tokens == 150
    assert "max_tokens" not in merged({"max_tokens": 100}).body


def test_what_stands_in_extra_body_wins_whole() -> None:
    layer = {
        "chat_template_kwargs": {"enable_thinking": True, "kept": 1},
        "extra_body": {"chat_template_kwargs": {"enable_thinking": False}, "guided_thing": [1]},
    }

    assert merged(layer).body == {"chat_template_kwargs": {"enable_thinking": False}, "guided_thing": [1]}


def test_a_null_takes_a_parameter_of_an_earlier_layer_away() -> None:
    assert merged({"parallel_tool_calls": True, "seed": 1}, {"parallelToolCalls": None}).body == {"seed": 1}


def test_a_parameter_that_nobody_knows_is_refused_with_its_key_the_nearest_name_and_the_way_out() -> None:
    (issue,) = issues(temprature=0.2)

    assert issue.startswith("agents.defaults.params.temprature:")
    assert "did you mean temperature?" in issue
    assert "agents.defaults.params.extra_body.temprature" in issue


def test_every_fault_is_told_at_once_and_no_value_is_repeated() -> None:
    found = issues(temperature="s3cret", topK=0.5, stop=[1], wibble=1)

    assert len(found) == 4
    assert not any("s3cret" in issue for issue in found)


@pytest.mark.parametrize("key", ["messages", "model", "stream"])
def test_extra_body_cannot_replace_what_the_request_is_made_of(key: str) -> None:
    (issue,) = issues(extra_body={key: "x"})

    assert issue.startswith(f"agents.defaults.params.extra_body.{key}:")


def test_a_bare_schema_as_response_format_is_refused_with_the_wrapped_form() -> None:
    (issue,) = issues(response_format={"type": "object", "properties": {}})

    assert "json_schema" in issue


def test_a_bare_schema_is_wrapped_where_the_row_says_that_the_server_takes_schemas() -> None:
    schema = {"type": "object", "properties": {}}

    found = merge_params([Layer("p", {"responseFormat": schema})], bare_schema=True)

    assert found.body == {
        "response_format": {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}
    }


def test_a_schema_is_refused_where_the_row_says_that_the_server_takes_none() -> None:
    wrapped = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}

    with pytest.raises(ConfigError, match="supportsJsonSchemaResponseFormat"):
        merge_params([Layer("p", {"response_format": wrapped})], bare_schema=False)


def test_a_temperature_that_the_model_does_not_take_is_left_out_and_named() -> None:
    found = merge_params([Layer("p", {"temperature": 0.5, "seed": 1})], temperature=False)

    assert (found.body, found.unused) == ({"seed": 1}, ("p.temperature",))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("n", "one reply"),
        ("logprobs", "does not read"),
        ("use_beam_search", "beam search"),
        ("tools", "set by Garra itself"),
        ("stream", "set by Garra itself"),
        ("continue_final_message", "always a new message"),
    ],
)
def test_what_makes_no_sense_for_an_assistant_is_refused_with_the_reason(name: str, why: str) -> None:
    (issue,) = issues(**{name: True})

    assert issue.startswith(f"agents.defaults.params.{name}:")
    assert why in issue


@pytest.mark.parametrize("level", ["loud", True, 3, {"type": "enabled"}])
def test_a_level_of_thinking_is_one_that_is_known(level: Any) -> None:
    (issue,) = issues(thinking=level)

    assert "must be one of off, minimal, low" in issue


def test_a_level_of_thinking_is_no_field_of_the_request() -> None:
    assert merged({"thinking": "high"}) == Params({})


def test_an_output_cap_below_one_is_refused() -> None:
    assert issues(maxTokens=0)


def test_parameters_that_concern_other_programs_are_named_and_not_sent() -> None:
    found = merged({"cacheRetention": "long", "temperature": 0})

    assert found.body == {"temperature": 0}
    assert found.unused == ("layer0.cacheRetention",)
