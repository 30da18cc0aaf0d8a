"""When a conversation is compacted: the shares of the window that decide it.

OpenClaw's numbers (openclaw.md 3.11 and 6.5). A quarter of the window is kept free for the reply and for what it calls,
and no more than 20,000 tokens of it. Pure arithmetic: nothing here knows how full a conversation is.
"""

LARGEST_RESERVE_TOKENS = 20_000
FLUSH_MARGIN_TOKENS = 4_000


def reserve_tokens(window: int) -> int:
    """What stays free of the prompt."""
    return min(LARGEST_RESERVE_TOKENS, window // 4)


def compact_at(window: int) -> int:
    """The prompt from which on older turns are summarised before the next request."""
    return window - reserve_tokens(window)


def flush_at(window: int) -> int:
    """The prompt from which on what is worth keeping is written down, a while before the compaction."""
    return max(0, compact_at(window) - FLUSH_MARGIN_TOKENS)
