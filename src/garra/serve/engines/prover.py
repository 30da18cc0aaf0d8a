"""Tries a structure on a tiny model before the real one sees it.

An invalid grammar fails inside a step, and at every later step, for everybody who is being served. So each new
structure is first compiled by a pipeline of its own, with one layer of zeros and the same tokens. It is loaded when the
first structure comes.
"""

import re
from collections import OrderedDict

import numpy as np

from garra.serve.engines.base import Structure
from garra.serve.engines.generation import structured_output
from garra.serve.engines.silent_openvino import openvino, openvino_genai

REMEMBERED = 1024
# "[22:04:47] /build/…/json_schema_converter.cc:898: "
_PLACE = re.compile(r"^(\[[\d:]+\] )?/\S+\.(cc|cpp|hpp|h):\d+:\s*")


class Prover:
    """Says what is wrong with a structure. Remembers those that were right."""

    def __init__(self, path: str, tokenizer: openvino_genai.Tokenizer) -> None:
        self._pipeline = _tiny_pipeline(path, tokenizer) if path else None
        self._right: OrderedDict[Structure, None] = OrderedDict()
        self._next_id = 0

    def fault(self, structure: Structure) -> str | None:
        """What is wrong, or None. Without a tiny model nothing can be said."""
        if self._pipeline is None or structure in self._right:
            return None
        try:
            self._try(self._pipeline, structure)
        except RuntimeError as error:
            return explained(error)
        self._right[structure] = None
        if len(self._right) > REMEMBERED:
            self._right.popitem(last=False)
        return None

    def _try(self, pipeline: openvino_genai.ContinuousBatchingPipeline, structure: Structure) -> None:
        """One token; whatever happens, the tiny pipeline is left empty."""
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens = 1
        config.structured_output_config = structured_output(structure)
        self._next_id += 1
        tokens = openvino.Tensor(np.array([[0]], dtype=np.int64))
        handle = pipeline.add_request(self._next_id, tokens, config)
        try:
            while pipeline.has_non_finished_requests():
                pipeline.step()
        finally:
            handle.cancel()
            pipeline.step()


def _tiny_pipeline(path: str, tokenizer: openvino_genai.Tokenizer) -> openvino_genai.ContinuousBatchingPipeline:
    """It shares the tokenizer, and with it the grammars that were compiled."""
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.num_kv_blocks = 4
    return openvino_genai.ContinuousBatchingPipeline(path, tokenizer, scheduler, "CPU")


def explained(error: Exception) -> str:
    """The engine's message without the places in its source and its build."""
    lines = (_PLACE.sub("", line.strip()) for line in str(error).splitlines())
    kept = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    return " ".join(kept) or "the engine gave no reason"
