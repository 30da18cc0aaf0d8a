"""The bare engine for bench/serve.py: openvino_genai's pipeline in this process, no pipe and no HTTP.

Each line on standard input is a job (`prompts` as lists of ids, `max_tokens`); each line on standard output its time to
the first token, its time in all, and its tokens. Loaded with the settings of `garra serve`, on the same weights.

    python bench/bare_engine.py CACHE
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from garra.serve.engines.base import Sampling
from garra.serve.engines.capacity import plan
from garra.serve.engines.generation import generation_config
from garra.serve.engines.silent_openvino import openvino, openvino_genai
from garra.serve.weights import Weights, resolve
from garra.serve.weights.machine import memory_bytes
from garra.serve.weights.progress import ConsoleProgress


class Bare:
    """A pipeline, stepped by whoever calls."""

    def __init__(self, weights: Weights) -> None:
        capacity = plan(weights, max_model_len=None, kv_cache_gb=None, exact=False, memory=memory_bytes())
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.num_kv_blocks = capacity.kv_blocks
        scheduler.enable_prefix_caching = True
        scheduler.max_num_batched_tokens = 512
        scheduler.dynamic_split_fuse = True
        tokenizer = openvino_genai.Tokenizer(str(weights.prover or weights.path))
        properties: dict[str, Any] = {"ENABLE_CPU_PINNING": False, "KV_CACHE_PRECISION": "u8"}
        self._pipeline = openvino_genai.ContinuousBatchingPipeline(
            str(weights.path), tokenizer, scheduler, "CPU", **properties
        )
        self._last_id = 0

    def run(self, prompts: list[list[int]], max_tokens: int) -> dict[str, float]:
        """All prompts at once, to their end."""
        start = time.perf_counter()
        first = 0.0
        tokens = 0
        handles = [self._add(prompt, max_tokens) for prompt in prompts]
        while handles:
            self._pipeline.step()
            for handle in list(handles):
                while handle.can_read():
                    for output in handle.read().values():
                        tokens += len(output.generated_ids)
                        first = first or time.perf_counter() - start
                        if output.finish_reason != openvino_genai.GenerationFinishReason.NONE:
                            handles.remove(handle)
                    if handle not in handles:
                        break
        return {"first_s": first, "total_s": time.perf_counter() - start, "tokens": tokens}

    def _add(self, prompt: list[int], max_tokens: int) -> Any:
        self._last_id += 1
        config = generation_config(Sampling(max_tokens=max_tokens, temperature=0.0, ignore_eos=True), ())
        return self._pipeline.add_request(self._last_id, openvino.Tensor(np.array([prompt], dtype=np.int64)), config)


def main() -> None:
    """Load, say so, then one answer for each job."""
    weights = asyncio.run(resolve("default", cache=Path(sys.argv[1]), progress=ConsoleProgress()))
    bare = Bare(weights)
    bare.run([[1] * 8], 2)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(bare.run(job["prompts"], job["max_tokens"])), flush=True)


if __name__ == "__main__":
    main()
