"""`POST /v1/chat/completions`."""

import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec import UNSET, Struct
from starlette.requests import Request
from starlette.responses import Response

from garra.serve.api.answers import Stream, Whole
from garra.serve.api.errors import Refused
from garra.serve.api.frames import (
    ChatAnswer,
    ChatChoice,
    ChatFrame,
    ChatMessage,
    ChatStreamChoice,
    Delta,
    encode,
    event,
    running_usage,
    usage,
)
from garra.serve.api.generation import Piece, replies
from garra.serve.api.logprobs import chat_logprobs
from garra.serve.api.prompts import Prompt, chat_prompt, check_ids, check_length
from garra.serve.api.requests import ChatCompletion
from garra.serve.api.sampling import check_fields, check_max_tokens, sampling_of
from garra.serve.api.state import Served, served
from garra.serve.api.validation import parse
from garra.serve.engines.base import Sampling


class Job(Struct, frozen=True):
    """One request, ready to run."""

    id: str
    created: int
    request: ChatCompletion
    prompt: Prompt
    sampling: Sampling
    served: Served

    @property
    def model(self) -> str:
        """The name that answers carry, whichever name was asked for."""
        return self.served.settings.names[0]

    def frame(self, *choices: ChatStreamChoice) -> ChatFrame:
        """A frame of this job's stream."""
        return ChatFrame(id=self.id, created=self.created, model=self.model, choices=list(choices))


async def chat_completions(request: Request) -> Response:
    """Answer a conversation, streamed or whole."""
    state = served(request)
    body = await parse(request, ChatCompletion, state.settings)
    state.check_model(body.model)
    _check_tools(body)
    check_fields(body)
    if (body.model_extra or {}).get("echo"):
        raise Refused("`echo` is not supported by this server's engine. (parameter=echo)", param="echo")
    check_max_tokens(body, state.window)
    prompt = await chat_prompt(body, state)
    check_length(prompt, state)
    check_ids(list(body.stop_token_ids or ()), state)
    sampling = sampling_of(body, room_tokens=state.window - len(prompt.ids), settings=state.settings)
    name = body.request_id or request.headers.get("x-request-id") or uuid.uuid4().hex[:16]
    job = Job(f"chatcmpl-{name[:256]}", int(time.time()), body, prompt, sampling, state)
    return Stream(_frames(job)) if body.stream else Whole(lambda: _answer(job))


def _check_tools(body: ChatCompletion) -> None:
    choice = body.tool_choice
    if choice in (None, "none"):
        return
    if choice == "auto":
        raise Refused('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set')
    named = choice.get("function") if isinstance(choice, dict) else None
    if choice != "required" and not (isinstance(named, dict) and isinstance(named.get("name"), str)):
        raise Refused(
            f"Invalid value for `tool_choice`: {choice}! "
            'Only named tools, "none", "auto" or "required" are supported. (parameter=tool_choice)',
            param="tool_choice",
        )
    shown = f'function "{named["name"]}"' if isinstance(named, dict) else f'"{choice}"'
    raise Refused(f"tool_choice={shown} requires --tool-call-parser to be set")


async def _answer(job: Job) -> bytes:
    kept: list[list[Piece]] = [[] for _ in range(job.request.n or 1)]
    async with aclosing(replies(job.prompt.ids, job.request, job.sampling, job.served)) as arriving:
        async for number, piece in arriving:
            kept[number].append(piece)
    tokens = sum(len(piece.ids) for pieces in kept for piece in pieces)
    answer = ChatAnswer(
        id=job.id,
        created=job.created,
        model=job.model,
        choices=[_choice(number, pieces, job) for number, pieces in enumerate(kept)],
        system_fingerprint=job.served.settings.fingerprint,
        usage=usage(len(job.prompt.ids), tokens, kept[0][0].cached_tokens),
        prompt_token_ids=job.prompt.ids if job.request.return_token_ids else None,
        prompt_text=job.prompt.text if job.request.return_prompt_text else None,
    )
    return encode(answer)


def _choice(number: int, pieces: list[Piece], job: Job) -> ChatChoice:
    return ChatChoice(
        index=number,
        message=ChatMessage(content="".join(piece.text for piece in pieces)),
        logprobs=_logprobs(pieces, job),
        finish_reason=pieces[-1].finish,
        stop_reason=pieces[-1].stop_reason,
        token_ids=[number for piece in pieces for number in piece.ids] if job.request.return_token_ids else None,
    )


def _logprobs(pieces: list[Piece], job: Job) -> object:
    if not job.request.logprobs:
        return None
    return chat_logprobs(pieces, job.served.tokenizer, as_ids=bool(job.request.return_tokens_as_token_ids))


class _Told(Struct):
    """What a stream has told so far."""

    counts: list[int]
    cached: int | None = None


async def _frames(job: Job) -> AsyncGenerator[bytes, None]:
    options = job.request.stream_options
    include_usage = bool(options and options.include_usage)
    continuous = bool(include_usage and options and options.continuous_usage_stats)
    told = _Told([0] * (job.request.n or 1))
    started = False
    async with aclosing(replies(job.prompt.ids, job.request, job.sampling, job.served)) as arriving:
        async for number, piece in arriving:
            if not started:
                started, told.cached = True, piece.cached_tokens
                for index in range(len(told.counts)):
                    yield event(_first_frame(index, job, continuous))
            told.counts[number] += len(piece.ids)
            if piece.text or piece.finish or continuous or job.request.logprobs or job.request.return_token_ids:
                yield event(_frame(number, piece, job, told.counts[number] if continuous else None, include_usage))
    if include_usage:
        frame = job.frame()
        frame.usage = usage(len(job.prompt.ids), sum(told.counts), told.cached, brief=True)
        frame.system_fingerprint = job.served.settings.fingerprint
        yield event(frame)


def _first_frame(index: int, job: Job, continuous: bool) -> ChatFrame:
    frame = job.frame(ChatStreamChoice(index, Delta("assistant", "")))
    if continuous:
        frame.usage = running_usage(len(job.prompt.ids), 0)
    frame.prompt_token_ids = job.prompt.ids if job.request.return_token_ids else None
    frame.prompt_text = job.prompt.text if job.request.return_prompt_text else None
    return frame


def _frame(number: int, piece: Piece, job: Job, count: int | None, include_usage: bool) -> ChatFrame:
    choice = ChatStreamChoice(
        number,
        Delta(content=piece.text),
        _logprobs([piece], job),
        piece.finish,
        piece.stop_reason if piece.finish else UNSET,
        piece.ids if job.request.return_token_ids else None,
    )
    frame = job.frame(choice)
    if count is not None:
        frame.usage = running_usage(len(job.prompt.ids), count)
    if piece.finish and not include_usage:
        frame.system_fingerprint = job.served.settings.fingerprint
    return frame
