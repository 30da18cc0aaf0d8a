"""Every flag of a model row does something to the requests of that model."""

from typing import Any, get_args

import pytest

from garra.config.schema_models import Compat, ModelRow
from garra.wire.dialect import PLAIN
from tests.models.conftest import Configure
from tests.models.test_thinking import Choose

pytestmark = pytest.mark.anyio

FLAGS: dict[str, Any] = {
    "supportsDeveloperRole": True,
    "supportsReasoningEffort": True,
    "supportsTemperature": False,
    "supportsUsageInStreaming": False,
    "supportsTools": False,
    "supportsStrictMode": True,
    "supportsJsonSchemaResponseFormat": True,
    "requiresStringContent": True,
    "strictMessageKeys": True,
    "supportedReasoningEfforts": ["low"],
    "reasoningEffortMap": {"high": "max"},
    "maxTokensField": "max_completion_tokens",
    "thinkingFormat": "qwen",
    "requiresToolResultName": True,
    "requiresAssistantAfterToolResult": True,
    "requiresThinkingAsText": True,
    "requiresReasoningContentOnAssistantMessages": True,
    "unsupportedToolSchemaKeywords": ["format"],
}


@pytest.fixture
def choose(configure: Configure) -> Choose:
    return Choose(configure)


def test_these_are_all_flags_and_none_is_only_checked() -> None:
    assert set(FLAGS) == set(Compat.__struct_encode_fields__)
    assert not Compat.later
    assert not ModelRow.later


@pytest.mark.parametrize("flag", FLAGS)
async def test_a_flag_changes_how_the_model_is_asked(choose: Choose, flag: str) -> None:
    params: dict[str, Any] = {"temperature": 0.5}
    if flag == "supportsJsonSchemaResponseFormat":
        params["response_format"] = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}
    compat = {flag: FLAGS[flag]}
    if flag == "reasoningEffortMap":
        compat["supportsReasoningEffort"] = True

    base = {"reasoning": True, "params": params}
    plain = await choose({**base, "compat": {"supportsReasoningEffort": True} if flag == "reasoningEffortMap" else {}})
    chosen = await choose({**base, "compat": compat})

    if flag == "supportsJsonSchemaResponseFormat":  # it decides what is refused
        assert chosen.params["response_format"]["type"] == "json_schema"
    else:
        assert chosen != plain


async def test_without_flags_the_dialect_is_the_plain_one(choose: Choose) -> None:
    assert (await choose()).endpoint.dialect == PLAIN


def test_the_levels_of_the_configuration_are_those_of_the_models() -> None:
    from garra.config.section import Thinking
    from garra.models.thinking_formats import LEVELS

    assert set(get_args(Thinking)) == set(LEVELS)
