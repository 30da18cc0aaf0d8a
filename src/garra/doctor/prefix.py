"""The check of the prefix cache: the same prompt twice, and how much of it the server had kept.

Read from the reply's `cached_tokens`, else from vLLM's counters at /metrics, which count all of the server's clients.
"""

import asyncio
import re

import msgspec

from garra.doctor.asking import Question, ask
from garra.doctor.finding import Finding, hint, ok
from garra.doctor.subject import Subject
from garra.errors import ModelError
from garra.models.facts import root_url
from garra.wire.messages import System, User

CHECK = "prefix cache"
REPEATS, LEAST_REPEATS = 48, 4
"""How often the sentence stands in the prompt: about 800 tokens, more than the largest block of a cache."""

_SENTENCE = "The quick brown fox jumps over the lazy dog while eleven grey herons look on. "
_SENTENCE_TOKENS = 20
_METRICS_LIMIT_S = 3.0
_COUNTER = r"^vllm:prefix_cache_%s_total(?:\{[^}]*\})?\s+([0-9.e+]+)\s*$"


class Counted(msgspec.Struct, frozen=True):
    """The server's counters: prompt tokens that were looked for in the cache, and those found there."""

    queries: float
    hits: float


async def check_prefix_cache(subject: Subject) -> Finding:
    """Whether what was sent before is served from the cache."""
    question = Question((System(_prompt(subject)), User("Say yes.")), 2)
    await ask(subject, question)
    before = await _counters(subject)
    usage = (await ask(subject, question)).usage
    if usage is not None and usage.cached_tokens is not None:
        return _judged(subject, usage.cached_tokens, usage.prompt_tokens, "its reply says")
    after = await _counters(subject)
    if before is None or after is None or after.queries <= before.queries:
        means = "How much of a conversation is reckoned anew at each step is not known. To have replies tell:"
        return hint(CHECK, "the server does not tell", means, subject.serve("--enable-prompt-tokens-details"))
    hits, queries = int(after.hits - before.hits), int(after.queries - before.queries)
    return _judged(subject, hits, queries, "/metrics says")


def _judged(subject: Subject, cached: int, total: int, where: str) -> Finding:
    seen = f"{cached:,} of {total:,} tokens of a repeated prompt came from the cache, {where}"
    if cached > 0:
        return ok(CHECK, f"{seen}: {cached / max(total, 1):.1%}")
    means = "Each step reckons the whole conversation anew, which is slow."
    return hint(CHECK, seen, means, subject.serve("--enable-prefix-caching"))


def _prompt(subject: Subject) -> str:
    window = subject.chosen.window
    fitting = REPEATS if window is None else window // (2 * _SENTENCE_TOKENS)
    return _SENTENCE * max(LEAST_REPEATS, min(REPEATS, fitting))


async def _counters(subject: Subject) -> Counted | None:
    """vLLM's counters; None where there are none."""
    endpoint = subject.chosen.endpoint
    try:
        async with asyncio.timeout(_METRICS_LIMIT_S):
            headers = endpoint.request_headers()
            answer = await subject.http.request("GET", f"{root_url(endpoint)}/metrics", headers=headers)
    except (ModelError, TimeoutError):
        return None
    return counted(answer.body.decode("utf-8", "replace")) if answer.status == 200 else None


def counted(metrics: str) -> Counted | None:
    """The counters in the text of /metrics, over all engines; None where it has none."""
    queries, hits = _sum(metrics, "queries"), _sum(metrics, "hits")
    return None if queries is None or hits is None else Counted(queries, hits)


def _sum(text: str, name: str) -> float | None:
    found = re.findall(_COUNTER % name, text, re.MULTILINE)
    return sum(float(value) for value in found) if found else None
