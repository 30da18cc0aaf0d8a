"""The requests that the pipeline is computing, inside the engine's process.

Ids given to the pipeline are counted here and never repeat: two live requests with one id would corrupt each other. A
step that fails is mended: all are cancelled, the one at fault is told, and the others go on from where they were.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from msgspec import Struct

from garra.serve.engines.base import Finish, Sampling, Structure
from garra.serve.engines.generation import generation_config
from garra.serve.engines.messages import Add, Cancel, Load, Piece, Refused, Step, ToWorker
from garra.serve.engines.prover import Prover, explained
from garra.serve.engines.silent_openvino import openvino, openvino_genai

_CHUNK_TOKENS = 512
_FINISH: dict[openvino_genai.GenerationFinishReason, Finish] = {
    openvino_genai.GenerationFinishReason.STOP: "stop",
    openvino_genai.GenerationFinishReason.LENGTH: "length",
}
_WARM_UP = Structure("grammar", 'root ::= "a"')


class _Live(Struct, eq=False):
    """A request in the pipeline, with all that is needed to start it again."""

    add: Add
    handle: Any
    generated: list[int]


class Batch:
    """The pipeline and who is in it."""

    def __init__(self, load: Load) -> None:
        self._eos = load.eos_token_ids
        tokenizer = openvino_genai.Tokenizer(load.tokenizer)
        self._pipeline = openvino_genai.ContinuousBatchingPipeline(
            load.path, tokenizer, _scheduler(load.kv_blocks), "CPU", **load.properties
        )
        self._prover = Prover(load.prover, tokenizer)
        self._live: dict[int, _Live] = {}
        self._refused: list[Refused] = []
        self._next_id = 0
        self.version = str(openvino_genai.__version__)

    @property
    def busy(self) -> bool:
        return bool(self._live or self._refused)

    def take(self, message: ToWorker) -> None:
        """Start or stop a request. A request that is refused is told so with the next step."""
        if isinstance(message, Cancel):
            live = self._live.pop(message.id, None)
            if live is not None:
                live.handle.cancel()
                self._settle()
        elif isinstance(message, Add):
            self._start(message)

    def step(self) -> Iterator[Step | Refused]:
        """One step for everyone; what it brought, and who was refused since the last."""
        if self._live:
            try:
                self._pipeline.step()
            except RuntimeError as error:
                self._recover(error)
            pieces = [piece for id_ in list(self._live) for piece in self._read(id_)]
            if pieces:
                yield Step(pieces)
        yield from self._refused
        self._refused.clear()

    def warm_up(self) -> None:
        """The first step and the first grammar are slow: have them over before anybody waits for them."""
        for structure in (None, _WARM_UP):
            if structure is not None:
                self._prover.fault(structure)
            self.take(
                Add(
                    0,
                    [self._eos[0] if self._eos else 0] * 8,
                    Sampling(max_tokens=2, temperature=0.0, structure=structure),
                )
            )
            while self.busy:
                for answer in self.step():
                    if isinstance(answer, Refused):
                        raise RuntimeError(answer.message)

    def _start(self, add: Add, generated: list[int] | None = None) -> None:
        generated = generated or []
        fault = self._prover.fault(add.sampling.structure) if add.sampling.structure else None
        if fault:
            self._refused.append(Refused(add.id, f"The structure cannot be used: {fault}", True, "structured_outputs"))
            return
        try:
            config = generation_config(add.sampling, self._eos, already=len(generated))
            tokens = openvino.Tensor(np.array([add.prompt + generated], dtype=np.int64))
            self._next_id += 1
            handle = self._pipeline.add_request(self._next_id, tokens, config)
        except RuntimeError as error:
            self._refused.append(Refused(add.id, f"The engine refuses the request: {explained(error)}", True))
            return
        self._live[add.id] = _Live(add, handle, generated)

    def _read(self, id_: int) -> Iterator[Piece]:
        live = self._live[id_]
        while live.handle.can_read():
            for output in live.handle.read().values():
                live.generated += output.generated_ids
                finish = _FINISH.get(output.finish_reason)
                logprobs = list(output.generated_log_probs) if live.add.sampling.logprobs else None
                if finish:
                    del self._live[id_]
                yield Piece(id_, list(output.generated_ids), logprobs, finish)
                if finish:
                    return
        yield from self._ended(id_, live)

    def _ended(self, id_: int, live: _Live) -> Iterator[Piece]:
        """A request may end without a word: finished on its first token, or put out for want of cache."""
        status = live.handle.get_status()
        if status == openvino_genai.GenerationStatus.RUNNING:
            return
        del self._live[id_]
        if status == openvino_genai.GenerationStatus.FINISHED:
            yield Piece(id_, [], [] if live.add.sampling.logprobs else None, "stop")
        else:
            self._refused.append(Refused(id_, "The engine's cache is full. Send the request again.", False))

    def _recover(self, error: RuntimeError) -> None:
        """After a failed step every later one fails too, until all requests have left. That may be done while no other
        request has a structure: otherwise the engine frees its memory twice, and this process had better end."""
        innocent = [live for live in self._live.values() if live.generated]
        if any(live.add.sampling.structure for live in innocent):
            raise error
        before, self._live = self._live, {}
        for live in before.values():
            live.handle.cancel()
        self._pipeline.step()
        suspects = [live for live in before.values() if live.add.sampling.structure and not live.generated]
        for live in before.values():
            if live in suspects or not suspects:
                self._refused.append(_blamed(live, error, alone=len(suspects) == 1))
            else:
                self._start(live.add, live.generated)

    def _settle(self) -> None:
        """What was cancelled leaves the cache with the next step, even when nobody else is there."""
        if not self._live:
            self._pipeline.step()


def _blamed(live: _Live, error: RuntimeError, *, alone: bool) -> Refused:
    """With several suspects nobody knows who it was, so that each may try again."""
    return Refused(live.add.id, f"The engine failed on this request: {explained(error)}", alone)


def _scheduler(kv_blocks: int) -> openvino_genai.SchedulerConfig:
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.num_kv_blocks = kv_blocks
    scheduler.enable_prefix_caching = True
    scheduler.max_num_batched_tokens = _CHUNK_TOKENS
    scheduler.dynamic_split_fuse = True
    return scheduler
