"""When and how conversations are compacted: what may be written, and what one agent has of its own."""

from collections.abc import Callable

import pytest

from garra.config.schema_compaction import AgentCompaction, CompactionSettings, QualityGuard
from tests.config.conftest import Load

SHARED = CompactionSettings(keep_recent_tokens=9_000, model="vllm/small")


def test_what_an_agent_says_of_its_own_goes_before_the_defaults_and_the_rest_stays() -> None:
    own = AgentCompaction(enabled=False, quality_guard=QualityGuard(max_retries=0))

    assert SHARED.over(own) == CompactionSettings(
        enabled=False, keep_recent_tokens=9_000, model="vllm/small", quality_guard=QualityGuard(max_retries=0)
    )
    assert SHARED.over(AgentCompaction()) == SHARED


def test_both_sections_are_read_in_openclaws_spelling(load: Load) -> None:
    config = load(
        '{"agents": {"defaults": {"compaction": {"keepRecentTokens": 500, "identifierPolicy": "off"}},'
        ' "entries": {"main": {"compaction": {"recentTurnsPreserve": 0, "thinkingLevel": "inherit"}}}}}'
    ).config

    settings = config.agents.defaults.compaction.over(config.agents.entries["main"].compaction)
    assert (settings.keep_recent_tokens, settings.identifier_policy) == (500, "off")
    assert (settings.recent_turns_preserve, settings.thinking_level) == (0, "inherit")


def test_what_openclaw_has_and_nothing_here_reads_is_named_and_kept(load: Load) -> None:
    loaded = load('{"agents": {"defaults": {"compaction": {"memoryFlush": {"enabled": true}}}}}')

    assert any("agents.defaults.compaction.memoryFlush" in warning for warning in loaded.warnings)


@pytest.mark.parametrize("wrong", ['{"recentTurnsPreserve": 13}', '{"keepRecent": 3}', '{"timeoutSeconds": 0}'])
def test_a_value_out_of_bounds_or_an_unknown_key_is_a_fault(wrong: str, faults: Callable[..., tuple[str, ...]]) -> None:
    [issue] = faults(f'{{"agents": {{"defaults": {{"compaction": {wrong}}}}}}}')

    assert "agents.defaults.compaction" in issue
