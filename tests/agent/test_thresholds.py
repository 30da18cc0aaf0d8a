"""The shares of the window, with OpenClaw's numbers."""

import pytest

from garra.agent.thresholds import compact_at, flush_at, reserve_tokens


@pytest.mark.parametrize(
    ("window", "reserve"), [(4_096, 1_024), (8_192, 2_048), (32_768, 8_192), (40_960, 10_240), (131_072, 20_000)]
)
def test_a_quarter_of_the_window_stays_free_and_never_more_than_20000_tokens(window: int, reserve: int) -> None:
    assert reserve_tokens(window) == reserve


@pytest.mark.parametrize(("window", "compact"), [(4_096, 3_072), (32_768, 24_576), (40_960, 30_720)])
def test_what_is_not_reserved_is_the_prompts(window: int, compact: int) -> None:
    assert compact_at(window) == compact


@pytest.mark.parametrize(("window", "flush"), [(32_768, 20_576), (4_096, 0)])
def test_the_flush_comes_a_while_before_the_compaction(window: int, flush: int) -> None:
    assert flush_at(window) == flush
