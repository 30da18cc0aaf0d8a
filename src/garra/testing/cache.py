"""A prefix cache as vLLM keeps one: which beginning of a prompt was seen before, in whole blocks of 16 tokens.

Keeps no prompt, only a hash for each of its blocks and all that came before it. Nothing is ever evicted.
"""

from collections.abc import Sequence

BLOCK_TOKENS = 16


class PrefixCache:
    """What was asked so far. `queries` and `hits` are vLLM's counters of the same names, in tokens."""

    def __init__(self) -> None:
        self.queries = self.hits = 0
        self._blocks: set[int] = set()

    def ask(self, tokens: Sequence[str]) -> int:
        """Take a prompt in, and say how many tokens of its beginning were there. The last one is always computed."""
        hashes = _hashes(tokens)
        usable = hashes[: max(0, len(tokens) - 1) // BLOCK_TOKENS]
        known = next((place for place, block in enumerate(usable) if block not in self._blocks), len(usable))
        self._blocks.update(hashes)
        self.queries += len(tokens)
        self.hits += known * BLOCK_TOKENS
        return known * BLOCK_TOKENS

    def metrics(self, model: str, running: int) -> str:
        """The counters, and the gauges of the queue, as vLLM's /metrics shows them."""
        labels = f'{{engine="0",model_name="{model}"}}'
        values = {
            "num_requests_running": running,
            "num_requests_waiting": 0,
            "prefix_cache_queries_total": self.queries,
            "prefix_cache_hits_total": self.hits,
        }
        config = f'vllm:cache_config_info{{block_size="{BLOCK_TOKENS}",enable_prefix_caching="True",engine="0"}} 1.0'
        lines = [config, *(f"vllm:{name}{labels} {float(value)}" for name, value in values.items())]
        return "\n".join([*lines, ""])


def _hashes(tokens: Sequence[str]) -> list[int]:
    hashes: list[int] = []
    for end in range(BLOCK_TOKENS, len(tokens) + 1, BLOCK_TOKENS):
        before = hashes[-1] if hashes else 0
        hashes.append(hash((before, *tokens[end - BLOCK_TOKENS : end])))
    return hashes
