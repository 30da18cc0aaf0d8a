"""What an engine is: token ids in, token ids out.

Nothing here knows text. Tokenizer, chat template, stop strings, `n`, echo and error bodies belong to whoever calls.
An engine checks what it is given: lengths, ids, ranges, structures; and refuses before anything runs.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Literal, Protocol

from msgspec import Struct

Finish = Literal["stop", "length", "abort"]
StructureKind = Literal["json", "regex", "grammar", "choice", "structural_tag"]


class Structure(Struct, frozen=True):
    """What a reply must look like. `value` is text: a JSON schema, a regular expression, an EBNF grammar
    (`root ::= "a" | "b"`), a JSON array of strings (choice), or xgrammar's structural tag as JSON."""

    kind: StructureKind
    value: str


class Sampling(Struct, frozen=True, kw_only=True):
    """How the next token is chosen, and when to stop. The names and meanings are vLLM's.

    `temperature` 0 is greedy; `top_k` 0 and -1 are off; no `seed` means a random one. `logprobs` asks for the chosen
    token's log-probability: this engine has no alternatives to offer.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    max_tokens: int
    min_tokens: int = 0
    ignore_eos: bool = False
    stop_token_ids: tuple[int, ...] = ()
    logprobs: bool = False
    structure: Structure | None = None


class TokenRequest(Struct, frozen=True):
    """One reply to be generated. The engine gives it an id of its own."""

    prompt: tuple[int, ...] | list[int]
    sampling: Sampling


class TokenChunk(Struct, frozen=True):
    """What one step brought. `finish` is on the last chunk only; `cached_tokens` on the first only: how many tokens
    of the prompt were not computed again, as far as the engine tells. The end-of-sequence or stop token that ended a
    reply is the last of `ids`; it may be left out by whoever turns ids into text."""

    ids: list[int]
    logprobs: list[float] | None = None
    finish: Finish | None = None
    cached_tokens: int | None = None


class EngineInfo(Struct, frozen=True):
    """What is fixed once the engine runs."""

    name: str
    version: str
    max_model_len: int
    vocab_size: int
    eos_token_ids: tuple[int, ...]
    kv_tokens: int
    max_num_seqs: int


class Engine(Protocol):
    """A running engine. Whoever started it closes it."""

    @property
    def info(self) -> EngineInfo: ...

    @property
    def running(self) -> int:
        """Requests that are being computed now."""
        ...

    @property
    def waiting(self) -> int:
        """Requests that wait for a place."""
        ...

    @property
    def kv_used(self) -> float:
        """The share of the cache, 0 to 1, that running requests have reserved."""
        ...

    @property
    def dead(self) -> asyncio.Event:
        """Set once the engine can answer nothing any more; `generate` then raises `ServeError`."""
        ...

    @property
    def ending(self) -> str:
        """How it ended, in the engine's own words where it had any; empty while it runs."""
        ...

    def generate(self, request: TokenRequest) -> AsyncGenerator[TokenChunk, None]:
        """The reply, chunk by chunk; the last has a `finish`. Closing the generator frees the place within a step.

        Raises `ContextOverflow` and `RequestRefused` (with `param`) before the first chunk where the request itself
        is at fault, and `ServeError` when the engine died or was closed.
        """
        ...

    async def close(self) -> None:
        """Stop at once; running requests end with `ServeError`. May be called twice."""
        ...
