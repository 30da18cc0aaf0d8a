"""Does the conversion keep the model's quality? `python bench/fidelity.py` prints what a text
costs in log-probability, for each form of the weights.

The default model is taken apart twice: as `garra serve` does it, and to its other form (Q8_0), and the source file is
also given to the engine's own reader as it is. Each computes, token by token, the log-probability of the same text; the
first form in 32 bits is the reference. Needs some minutes and the default model.
"""

import argparse
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from garra.serve.engines.silent_openvino import openvino, openvino_genai
from garra.serve.weights.gguf_header import read_header
from garra.serve.weights.gguf_write import write_converted

TEXT = """The river was slow in August. Children who had learned to swim in June crossed it without a thought, and the
old ferry, which had carried their grandparents, lay on its side in the reeds. Nobody had sold it and nobody had claimed
it. In the evening the lamps on the far bank came on one after another, and whoever stood at the landing could count
how many houses were lived in that year. There were eleven. The teacher said that there had been forty when she was
young, and that the number of houses had not changed at all, only the number of lamps."""
EXACT = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0, "KV_CACHE_PRECISION": "f32"}


def log_probabilities(model: Path, properties: dict[str, Any]) -> np.ndarray[Any, Any]:
    """The text's log-probabilities, by the engine's echo on an empty cache."""
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.num_kv_blocks = 64
    pipeline = openvino_genai.ContinuousBatchingPipeline(model, scheduler, "CPU", properties, {})
    config = openvino_genai.GenerationConfig()
    config.max_new_tokens, config.echo, config.logprobs = 1, True, 1
    ids = pipeline.get_tokenizer().encode(TEXT).input_ids
    handle = pipeline.add_request(1, openvino.Tensor(np.array(ids.data, dtype=np.int64)), config)
    while pipeline.has_non_finished_requests():
        pipeline.step()
    outputs = [output for part in handle.read_all() for output in [part]]
    return np.array([value for output in outputs for value in output.generated_log_probs][1 : ids.shape[1]])


def report(name: str, found: np.ndarray[Any, Any], reference: np.ndarray[Any, Any]) -> None:
    error = float(np.abs(found - reference).mean())
    print(f"{name:34s} perplexity {math.exp(-found.mean()):6.2f}   mean error {error:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the GGUF file of the default model")
    source: Path = parser.parse_args().model
    with tempfile.TemporaryDirectory() as folder:
        f16, q8 = Path(folder) / "f16.gguf", Path(folder) / "q8.gguf"
        write_converted(read_header(source), f16, "f16")
        write_converted(read_header(source), q8, "q8_0")
        reference = log_probabilities(f16, EXACT)
        report("F16, in 32 bits (the reference)", reference, reference)
        served = {"KV_CACHE_PRECISION": "u8", "ENABLE_CPU_PINNING": False}
        for name, model in (("F16, as served", f16), ("Q8_0, as served", q8), ("the file as it is", source)):
            report(name, log_probabilities(model, served), reference)


if __name__ == "__main__":
    main()
