"""`POST /v1/completions`: one prompt or a batch of them, as text or as ids."""

import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from garra.serve.api.answers import Stream, Whole
from garra.serve.api.errors import invalid, not_supported
from garra.serve.api.frames import (
    CompletionAnswer,
    CompletionChoice,
    CompletionFrame,
    CompletionStreamChoice,
    encode,
    event,
    running_usage,
    usage,
)
from garra.serve.api.generation import Piece, merged, replies
from garra.serve.api.logprobs import completion_logprobs
from garra.serve.api.prompts import Prompt, check_ids, check_length, text_prompt
from garra.serve.api.requests import Completion
from garra.serve.api.sampling import check_fields, check_max_tokens, sampling_of
from garra.serve.api.state import Served, served
from garra.serve.api.validation import parse
from garra.serve.engines.base import Sampling

LIMIT_PROMPTS = 256


class Job(Struct, frozen=True):
    """One request, ready to run: each prompt with how it is sampled."""

    id: str
    created: int
    request: Completion
    prompts: list[tuple[Prompt, Sampling]]
    served: Served

    @property
    def count(self) -> int:
        """How many replies there will be."""
        return len(self.prompts) * (self.request.n or 1)

    @property
    def prompt_tokens(self) -> int:
        return sum(len(prompt.ids) for prompt, _ in self.prompts)

    def prompt_of(self, number: int) -> Prompt:
        """The prompt that a reply answers."""
        return self.prompts[number // (self.request.n or 1)][0]


async def completions(request: Request) -> Response:
    """Continue texts, streamed or whole."""
    state = served(request)
    body = await parse(request, Completion, state.settings)
    state.check_model(body.model)
    check_fields(body)
    for name in ("suffix", "best_of"):
        if getattr(body, name) not in (None, body.n or 1):
            raise not_supported(name)
    check_max_tokens(body, state.window)
    check_ids(list(body.stop_token_ids or ()), state)
    prompts = [await _ready(prompt, body, state) for prompt in _prompts(body)]
    name = body.request_id or request.headers.get("x-request-id") or uuid.uuid4().hex[:16]
    job = Job(f"cmpl-{name[:256]}", int(time.time()), body, prompts, state)
    return Stream(_frames(job)) if body.stream else Whole(lambda: _answer(job))


def _prompts(body: Completion) -> list[str | list[int]]:
    prompt = body.prompt
    if not prompt:
        raise invalid("Either prompt or prompt_embeds must be provided and non-empty.", "prompt")
    if isinstance(prompt, str):
        return [prompt]
    if isinstance(prompt[0], int):
        return [[number for number in prompt if isinstance(number, int)]]
    if len(prompt) > LIMIT_PROMPTS:
        raise invalid(f"At most {LIMIT_PROMPTS} prompts fit in one request, got {len(prompt)}.", "prompt", len(prompt))
    return [one for one in prompt if not isinstance(one, int)]


async def _ready(prompt: str | list[int], body: Completion, state: Served) -> tuple[Prompt, Sampling]:
    if isinstance(prompt, str):
        ready = await text_prompt(prompt, state, add_special_tokens=body.add_special_tokens)
    else:
        check_ids(prompt, state)
        ready = Prompt(prompt, state.tokenizer.decode(prompt) if body.echo else "")
    if not ready.ids:
        raise invalid("The decoder prompt cannot be empty", "prompt")
    check_length(ready, state)
    return ready, sampling_of(body, room_tokens=state.window - len(ready.ids), settings=state.settings)


async def _pieces(job: Job) -> AsyncGenerator[tuple[int, Piece], None]:
    """Every reply's pieces as they come, with the reply's number among all."""
    each = job.request.n or 1
    runs = [replies(prompt.ids, job.request, sampling, job.served) for prompt, sampling in job.prompts]
    if len(runs) == 1:
        async with aclosing(runs[0]) as only:
            async for item in only:
                yield item
        return
    async with aclosing(merged(runs)) as arriving:
        async for place, (number, piece) in arriving:
            yield place * each + number, piece


async def _answer(job: Job) -> bytes:
    kept: list[list[Piece]] = [[] for _ in range(job.count)]
    async with aclosing(_pieces(job)) as arriving:
        async for number, piece in arriving:
            kept[number].append(piece)
    tokens = sum(len(piece.ids) for pieces in kept for piece in pieces)
    answer = CompletionAnswer(
        id=job.id,
        created=job.created,
        model=job.served.settings.names[0],
        choices=[_choice(number, pieces, job) for number, pieces in enumerate(kept)],
        system_fingerprint=job.served.settings.fingerprint,
        usage=usage(job.prompt_tokens, tokens, kept[0][0].cached_tokens if len(kept) == 1 else None),
    )
    return encode(answer)


def _choice(number: int, pieces: list[Piece], job: Job) -> CompletionChoice:
    ids = job.request.return_token_ids
    before = job.prompt_of(number).text if job.request.echo else ""
    return CompletionChoice(
        number,
        before + "".join(piece.text for piece in pieces),
        _logprobs(pieces, job),
        pieces[-1].finish,
        pieces[-1].stop_reason,
        [token for piece in pieces for token in piece.ids] if ids else None,
        prompt_token_ids=job.prompt_of(number).ids if ids else None,
    )


def _logprobs(pieces: list[Piece], job: Job, start: int = 0) -> object:
    if job.request.logprobs is None:
        return None
    return completion_logprobs(pieces, job.served.tokenizer, start=start)


async def _frames(job: Job) -> AsyncGenerator[bytes, None]:
    options = job.request.stream_options
    include_usage = bool(options and options.include_usage)
    continuous = bool(include_usage and options and options.continuous_usage_stats)
    counts, lengths = [0] * job.count, [0] * job.count
    cached: int | None = None
    async with aclosing(_pieces(job)) as arriving:
        async for number, piece in arriving:
            first = not counts[number]
            cached = piece.cached_tokens if piece.cached_tokens is not None and job.count == 1 else cached
            counts[number] += len(piece.ids)
            frame = _frame(number, piece, job, lengths[number], first)
            lengths[number] += len(piece.text)
            if continuous:
                frame.usage = running_usage(len(job.prompt_of(number).ids), counts[number])
            if piece.finish and not include_usage:
                frame.system_fingerprint = job.served.settings.fingerprint
            yield event(frame)
    if include_usage:
        frame = _empty_frame(job)
        frame.usage = usage(job.prompt_tokens, sum(counts), cached, brief=True)
        frame.system_fingerprint = job.served.settings.fingerprint
        yield event(frame)


def _frame(number: int, piece: Piece, job: Job, start: int, first: bool) -> CompletionFrame:
    prompt = job.prompt_of(number)
    choice = CompletionStreamChoice(
        number,
        (prompt.text if first and job.request.echo else "") + piece.text,
        _logprobs([piece], job, start),
        piece.finish,
        piece.stop_reason,
        prompt.ids if first and job.request.return_token_ids else None,
        piece.ids if job.request.return_token_ids else None,
    )
    frame = _empty_frame(job)
    frame.choices.append(choice)
    return frame


def _empty_frame(job: Job) -> CompletionFrame:
    return CompletionFrame(id=job.id, created=job.created, model=job.served.settings.names[0], choices=[])
