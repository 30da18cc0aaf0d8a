"""How much cache there is, and how long a conversation may be. Arithmetic only."""

from msgspec import Struct

from garra.errors import ServeError
from garra.serve.engines.prefix import BLOCK_TOKENS
from garra.serve.weights.base import Weights

_DEFAULT_BYTES = 1_000_000_000
_DEFAULT_SHARE, _GREATEST_SHARE = 0.10, 0.50
_BYTES_OF_F32_AGAINST_U8 = 4


class Capacity(Struct, frozen=True):
    """What the engine is loaded with."""

    max_model_len: int
    kv_blocks: int

    @property
    def kv_tokens(self) -> int:
        return self.kv_blocks * BLOCK_TOKENS


def plan(
    weights: Weights, *, max_model_len: int | None, kv_cache_gb: float | None, exact: bool, memory: int
) -> Capacity:
    """Fit the window and the cache to each other. What was asked for is kept or refused, never changed."""
    token_bytes = weights.kv_bytes_per_token * (_BYTES_OF_F32_AGAINST_U8 if exact else 1)
    window = _window(weights, max_model_len)
    if kv_cache_gb is not None:
        blocks = int(kv_cache_gb * 1e9) // (token_bytes * BLOCK_TOKENS)
        hint = "Give a larger --kv-cache-memory or a smaller --max-model-len."
    else:
        usual = min(_DEFAULT_BYTES, int(memory * _DEFAULT_SHARE)) // (token_bytes * BLOCK_TOKENS)
        most = int(memory * _GREATEST_SHARE) // (token_bytes * BLOCK_TOKENS)
        blocks = min(max(usual, _blocks(window)), most)
        hint = "Give a smaller --max-model-len."
    if blocks < 1:
        raise ServeError(f"The cache would not hold a single block of {BLOCK_TOKENS} tokens. {hint}")
    if _blocks(window) > blocks:
        if max_model_len is not None:
            raise ServeError(
                f"A window of {window:,} tokens needs {_blocks(window) * BLOCK_TOKENS * token_bytes / 1e9:.2f} GB "
                f"of cache; there are {blocks * BLOCK_TOKENS * token_bytes / 1e9:.2f} GB. {hint}"
            )
        window = (blocks - 1) * BLOCK_TOKENS or BLOCK_TOKENS
    return Capacity(window, blocks)


def _blocks(tokens: int) -> int:
    """One more than the tokens fill: the engine puts out everybody when one request fills it to the brim."""
    return -(-tokens // BLOCK_TOKENS) + 1


def _window(weights: Weights, asked: int | None) -> int:
    if asked is None:
        return weights.context_length
    if asked < 1:
        raise ServeError(f"--max-model-len must be at least 1, got {asked}.")
    if asked > weights.context_length:
        raise ServeError(
            f"--max-model-len {asked} is more than {weights.name} was trained for ({weights.context_length}). "
            f"Give {weights.context_length} or less."
        )
    return asked
