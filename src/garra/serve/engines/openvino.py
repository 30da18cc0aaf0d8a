"""The embedded engine: OpenVINO GenAI's continuous batching, in a process of its own.

Here is the server's side of it: requests are checked, queued and numbered, their chunks handed to whoever asked.
Nothing in this file computes, and nothing in it waits for a step.
"""

import asyncio
import random
from collections.abc import AsyncGenerator

import msgspec
from msgspec import Struct

from garra.errors import GarraError, RequestRefused, ServeError, ServerBusy
from garra.serve.engines.admission import Admission, Ticket
from garra.serve.engines.base import EngineInfo, Sampling, TokenChunk, TokenRequest
from garra.serve.engines.capacity import Capacity, plan
from garra.serve.engines.check import check_request
from garra.serve.engines.inbox import Inbox
from garra.serve.engines.messages import Add, Cancel, Failed, FromWorker, Load, Piece, Ready, Refused, Step
from garra.serve.engines.prefix import block_hashes
from garra.serve.engines.process import WorkerProcess
from garra.serve.engines.structure import checked
from garra.serve.weights.base import Weights
from garra.serve.weights.machine import memory_bytes


class EngineSettings(Struct, frozen=True):
    """How the engine is loaded. None means: by the model and the machine."""

    max_model_len: int | None = None
    kv_cache_gb: float | None = None
    max_num_seqs: int = 32
    exact: bool = False
    hold_back: bool = True
    limit_waiting: int = 1024


async def start(weights: Weights, settings: EngineSettings) -> "OpenVinoEngine":
    """Start the worker, wait until it is warm. Raises `ServeError` with the engine's reason when it fails."""
    capacity = plan(
        weights,
        max_model_len=settings.max_model_len,
        kv_cache_gb=settings.kv_cache_gb,
        exact=settings.exact,
        memory=memory_bytes(),
    )
    if settings.max_num_seqs < 1:
        raise ServeError(f"--max-num-seqs must be at least 1, got {settings.max_num_seqs}.")
    worker = await WorkerProcess.start()
    try:
        worker.send(_load(weights, capacity, exact=settings.exact))
        version = await _version(worker, weights)
    except BaseException:
        await worker.end()
        raise
    return OpenVinoEngine(worker, _info(weights, capacity, settings, version), settings)


def _load(weights: Weights, capacity: Capacity, *, exact: bool) -> Load:
    properties: dict[str, str | int | bool] = {"ENABLE_CPU_PINNING": False, "KV_CACHE_PRECISION": "u8"}
    if exact:
        properties |= {
            "KV_CACHE_PRECISION": "f32",
            "INFERENCE_PRECISION_HINT": "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        }
    prover = "" if weights.prover is None else str(weights.prover)
    # A GGUF file's tokens are in the tiny model too, and are read much faster there.
    tokenizer = prover if prover and weights.vocab is not None else str(weights.path)
    return Load(str(weights.path), tokenizer, prover, capacity.kv_blocks, properties, weights.eos_token_ids)


async def _version(worker: WorkerProcess, weights: Weights) -> str:
    reason = ""
    async for message in worker.messages():
        if isinstance(message, Ready):
            return message.version
        if isinstance(message, Failed):
            reason = message.message
    ending = await worker.end()
    raise ServeError(f"The engine could not load {weights.source}: {reason or ending}")


def _info(weights: Weights, capacity: Capacity, settings: EngineSettings, version: str) -> EngineInfo:
    return EngineInfo(
        name="openvino",
        version=version,
        max_model_len=capacity.max_model_len,
        vocab_size=weights.vocab_size,
        eos_token_ids=weights.eos_token_ids,
        kv_tokens=capacity.kv_tokens,
        max_num_seqs=settings.max_num_seqs,
    )


class _Reply(Struct, eq=False):
    """Somebody who waits for chunks."""

    ticket: Ticket
    prompt: list[int]
    sampling: Sampling
    inbox: Inbox
    generated: list[int]


class OpenVinoEngine:
    """A running worker and everybody who waits for it."""

    def __init__(self, worker: WorkerProcess, info: EngineInfo, settings: EngineSettings) -> None:
        self.info = info
        self.dead = asyncio.Event()
        self.ending = ""
        self._limit_waiting = settings.limit_waiting
        self._worker = worker
        self._replies: dict[int, _Reply] = {}
        self._admission = Admission(info.max_num_seqs, info.kv_tokens // 32, hold_back=settings.hold_back)
        self._last_id = 0
        self._closing = False
        self._reading = asyncio.create_task(self._read())

    @property
    def pid(self) -> int:
        """The worker's process."""
        return self._worker.pid

    @property
    def running(self) -> int:
        return self._admission.running

    @property
    def waiting(self) -> int:
        return self._admission.waiting

    @property
    def kv_used(self) -> float:
        return self._admission.used

    async def generate(self, request: TokenRequest) -> AsyncGenerator[TokenChunk, None]:
        reply = self._enter(request)
        try:
            while True:
                chunk = await reply.inbox.get()
                yield chunk
                if chunk.finish:
                    return
        finally:
            self._leave(reply)

    async def close(self) -> None:
        self._closing = True
        self._end_all(ServeError("The engine was stopped."))
        await self._worker.end()
        await self._reading

    def _enter(self, request: TokenRequest) -> _Reply:
        if self.dead.is_set() or self._closing:
            raise ServeError("The engine is not running any more. Start the server again.")
        check_request(request, self.info)
        if self.waiting >= self._limit_waiting:
            raise ServerBusy(f"{self.waiting} requests are waiting already. Send the request again later.")
        self._last_id += 1
        prompt = list(request.prompt)
        sampling = _prepared(request.sampling)
        ticket = Ticket(self._last_id, len(prompt), sampling.max_tokens, block_hashes(prompt))
        reply = _Reply(ticket, prompt, sampling, Inbox(), [])
        self._replies[ticket.id] = reply
        self._admission.enter(ticket)
        self._admit()
        return reply

    def _admit(self) -> None:
        for ticket in self._admission.admit():
            reply = self._replies[ticket.id]
            self._worker.send(Add(ticket.id, reply.prompt, reply.sampling))

    def _leave(self, reply: _Reply) -> None:
        """The reader is gone or has all. Who is still being computed is cancelled."""
        if self._replies.pop(reply.ticket.id, None) is None:
            return
        self._worker.send(Cancel(reply.ticket.id))
        self._admission.leave(reply.ticket)
        self._admit()

    async def _read(self) -> None:
        reason = ""
        async for message in self._worker.messages():
            if isinstance(message, Failed):
                reason = message.message
            else:
                self._take(message)
        ending = await self._worker.end()
        self.ending = reason or ending
        self.dead.set()
        self._end_all(ServeError(f"The engine's process ended ({self.ending}). Start the server again."))

    def _take(self, message: FromWorker) -> None:
        if isinstance(message, Step):
            for piece in message.pieces:
                self._hand_over(piece)
        elif isinstance(message, Refused):
            reply = self._replies.get(message.id)
            if reply is not None:
                self._finish(reply, _error(message))
        self._admit()

    def _hand_over(self, piece: Piece) -> None:
        reply = self._replies.get(piece.id)
        if reply is None:
            return
        first = not reply.ticket.prefilled
        if first:
            self._admission.has_prefilled(reply.ticket)
        reply.generated += piece.ids
        chunk = TokenChunk(piece.ids, piece.logprobs, piece.finish, reply.ticket.cached_tokens if first else None)
        if piece.finish is None:
            reply.inbox.put(chunk)
            return
        self._admission.mirror.add(block_hashes((reply.prompt + reply.generated)[:-1]))
        self._finish(reply, chunk)

    def _finish(self, reply: _Reply, last: TokenChunk | GarraError) -> None:
        del self._replies[reply.ticket.id]
        self._admission.leave(reply.ticket)
        if isinstance(last, GarraError):
            reply.inbox.fail(last)
        else:
            reply.inbox.put(last)

    def _end_all(self, error: ServeError) -> None:
        for reply in list(self._replies.values()):
            self._finish(reply, error)


def _prepared(sampling: Sampling) -> Sampling:
    """A seed for who gave none, since the engine's own is always the same; and the structure in the engine's form."""
    seed = random.getrandbits(31) if sampling.seed is None else sampling.seed & 0x7FFFFFFF
    structure = None if sampling.structure is None else checked(sampling.structure)
    return msgspec.structs.replace(sampling, seed=seed, structure=structure)


def _error(refused: Refused) -> GarraError:
    if not refused.at_fault:
        return ServerBusy(refused.message)
    return RequestRefused(refused.message, param=refused.param)
