"""Small GGUF files made for a test, and a progress that keeps what it was told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

Maker = Callable[..., Path]


class Told:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps: list[tuple[int, int]] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def advance(self, label: str, done: int, total: int) -> None:
        self.steps.append((done, total))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def make_gguf(tmp_path: Path) -> Maker:
    """A model of one layer with random weights in the given type, written by the reference writer."""

    def make(
        *,
        architecture: str = "llama",
        kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.Q4_1,
        tokenizer: str = "gpt2",
        name: str = "small.gguf",
        leave_out: str = "",
    ) -> Path:
        path = tmp_path / name
        writer = gguf.GGUFWriter(path, architecture)
        _add_sizes(writer, leave_out)
        _add_tokens(writer, tokenizer)
        for tensor, values in _tensors().items():
            if values.ndim == 1:
                writer.add_tensor(tensor, values)
            else:
                writer.add_tensor(tensor, _in_type(values, kind), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return make


def _in_type(values: np.ndarray[Any, Any], kind: gguf.GGMLQuantizationType) -> np.ndarray[Any, Any]:
    if kind == gguf.GGMLQuantizationType.I32:
        return values.astype(np.int32)
    return gguf.quants.quantize(values, kind)


def _add_sizes(writer: gguf.GGUFWriter, leave_out: str) -> None:
    sizes = {"block_count": 1, "context_length": 128, "embedding_length": 64, "feed_forward_length": 64}
    heads = {"attention.head_count": 2, "attention.head_count_kv": 1, "rope.dimension_count": 32}
    for key, value in {**sizes, **heads}.items():
        if key != leave_out:
            writer.add_uint32(f"{writer.arch}.{key}", value)
    writer.add_float32(f"{writer.arch}.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_float32(f"{writer.arch}.rope.freq_base", 10000.0)
    writer.add_file_type(3)


def _add_tokens(writer: gguf.GGUFWriter, tokenizer: str) -> None:
    tokens = ["<|endoftext|>", "<|im_end|>", *(chr(code) for code in range(33, 127)), "th"]
    writer.add_tokenizer_model(tokenizer)
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, *[1] * (len(tokens) - 2)])
    writer.add_token_merges(["t h"])
    writer.add_eos_token_id(1)
    writer.add_bos_token_id(0)
    writer.add_chat_template("{{ messages }}")


def _tensors() -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.default_rng(1)

    def matrix(rows: int, columns: int) -> np.ndarray[Any, Any]:
        return random.normal(0.5, 1.0, (rows, columns)).astype(np.float32)

    ones = np.ones(64, dtype=np.float32)
    return {
        "token_embd.weight": matrix(97, 64),
        "output_norm.weight": ones,
        "blk.0.attn_norm.weight": ones,
        "blk.0.ffn_norm.weight": ones,
        "blk.0.attn_q.weight": matrix(64, 64),
        "blk.0.attn_k.weight": matrix(32, 64),
        "blk.0.attn_v.weight": matrix(32, 64),
        "blk.0.attn_output.weight": matrix(64, 64),
        "blk.0.ffn_gate.weight": matrix(64, 64),
        "blk.0.ffn_up.weight": matrix(64, 64),
        "blk.0.ffn_down.weight": matrix(64, 64),
    }
