"""How tests ask an engine: one call for a whole reply."""

from msgspec import Struct

from garra.serve.engines import Engine, Sampling, TokenRequest


class Whole(Struct, frozen=True):
    """A reply put together."""

    ids: list[int]
    logprobs: list[float]
    finish: str | None
    cached_tokens: int | None


async def whole(engine: Engine, prompt: list[int], sampling: Sampling) -> Whole:
    """The reply from its first chunk to its last."""
    ids: list[int] = []
    logprobs: list[float] = []
    finish, cached = None, None
    async for chunk in engine.generate(TokenRequest(prompt, sampling)):
        ids += chunk.ids
        logprobs += chunk.logprobs or []
        finish = chunk.finish
        cached = chunk.cached_tokens if cached is None else cached
    return Whole(ids, logprobs, finish, cached)


def greedy(max_tokens: int, *, ignore_eos: bool = True, logprobs: bool = False) -> Sampling:
    """The likeliest tokens, so many of them."""
    return Sampling(max_tokens=max_tokens, temperature=0.0, ignore_eos=ignore_eos, logprobs=logprobs)
