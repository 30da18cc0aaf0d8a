"""Writes GGUF files that the engine's reader understands without loss.

That reader rounds the zero points of Q4_1 and Q4_K, and knows few other types; numpy takes every type apart exactly. A
lot of rows is held in memory at a time. Metadata is copied byte for byte, but for the file's type.
"""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Literal

import gguf
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from garra.serve.weights.gguf_header import TENSOR_TYPES, Header, Tensor

Form = Literal["f16", "q8_0"]

_ALIGNMENT = 32
_ROWS_AT_ONCE = 4096
_F32, _F16, _Q8_0 = 0, 1, 8
_FILE_TYPE: dict[Form, int] = {"f16": 1, "q8_0": 7}
_TINY_WIDTH = 64


class _Row(Struct, frozen=True):
    """A tensor as it will stand in the new file."""

    name: str
    shape: tuple[int, ...]
    type_id: int

    @property
    def size(self) -> int:
        _, block, block_size = TENSOR_TYPES[self.type_id]
        return int(np.prod(self.shape)) // block * block_size


def write_converted(header: Header, target: Path, form: Form) -> None:
    """Write what `header` describes to `target`: its matrices in `form`, its vectors in F32."""
    rows = [_Row(tensor.name, tensor.shape, _target_type(tensor, form)) for tensor in header.tensors]
    with header.path.open("rb") as source, target.open("wb") as out:
        entries = [*_copied(header, source, skip="general.file_type"), _u32("general.file_type", _FILE_TYPE[form])]
        out.write(_head(entries, rows))
        for tensor, row in zip(header.tensors, rows, strict=True):
            _pad(out)
            for raw in _lots(tensor, source):
                out.write(_converted(raw, tensor.type_id, row.type_id).tobytes())


def write_tiny(header: Header, target: Path) -> None:
    """Write a model of one layer of zeros with the tokens of `header`: it computes nothing, but knows the tokens."""
    with header.path.open("rb") as source:
        tokens = list(_copied(header, source, only="tokenizer."))
    _write_tiny(tokens, len(header.metadata["tokenizer.ggml.tokens"]), target)


def write_tiny_of_size(vocab_size: int, target: Path) -> None:
    """The same with made-up tokens, for a model whose own tokenizer is used beside it."""
    names = [f"t{number}" for number in range(vocab_size)]
    tokens = [
        _text("tokenizer.ggml.model", "gpt2"),
        _text("tokenizer.ggml.pre", "smollm"),
        _texts("tokenizer.ggml.tokens", names),
        _texts("tokenizer.ggml.merges", ["t 0"]),
        _types("tokenizer.ggml.token_type", vocab_size),
        *(_u32(f"tokenizer.ggml.{role}_token_id", 0) for role in ("bos", "eos", "unknown", "padding")),
    ]
    _write_tiny(tokens, vocab_size, target)


def _write_tiny(tokens: list[bytes], vocab_size: int, target: Path) -> None:
    rows = _tiny_rows(vocab_size)
    with target.open("wb") as out:
        out.write(_head([*_tiny_entries(), *tokens], rows))
        for row in rows:
            _pad(out)
            out.write(b"\0" * row.size)


def _target_type(tensor: Tensor, form: Form) -> int:
    if len(tensor.shape) < 2:
        return _F32
    return _Q8_0 if form == "q8_0" and tensor.shape[0] % 32 == 0 else _F16


def _tiny_rows(vocab_size: int) -> list[_Row]:
    side = _TINY_WIDTH
    square = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
    return [
        _Row("token_embd.weight", (side, vocab_size), _Q8_0),
        _Row("output_norm.weight", (side,), _F32),
        *(_Row(f"blk.0.{name}.weight", (side, side), _Q8_0) for name in square),
        *(_Row(f"blk.0.{name}.weight", (side,), _F32) for name in ("attn_norm", "ffn_norm")),
    ]


def _tiny_entries() -> Iterator[bytes]:
    yield _text("general.architecture", "llama")
    yield _u32("general.file_type", _FILE_TYPE["q8_0"])
    sizes = {"block_count": 1, "context_length": 256, "attention.head_count": 1, "attention.head_count_kv": 1}
    widths = dict.fromkeys(("embedding_length", "feed_forward_length", "rope.dimension_count"), _TINY_WIDTH)
    for key, value in {**sizes, **widths}.items():
        yield _u32(f"llama.{key}", value)
    yield _f32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    yield _f32("llama.rope.freq_base", 10000.0)


def _head(entries: Iterable[bytes], rows: list[_Row]) -> bytes:
    entries = list(entries)
    table, offset = [], 0
    for row in rows:
        shape = struct.pack(f"<I{len(row.shape)}Q", len(row.shape), *row.shape)
        table.append(_string(row.name) + shape + struct.pack("<IQ", row.type_id, offset))
        offset += -(-row.size // _ALIGNMENT) * _ALIGNMENT
    return b"GGUF" + struct.pack("<IQQ", 3, len(rows), len(entries)) + b"".join(entries) + b"".join(table)


def _copied(header: Header, source: IO[bytes], *, only: str = "", skip: str = "") -> Iterator[bytes]:
    for key, (start, end) in header.spans.items():
        if key.startswith(only) and key not in (skip, "general.alignment"):
            source.seek(start)
            yield source.read(end - start)


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _u32(key: str, value: int) -> bytes:
    return _string(key) + struct.pack("<II", 4, value)


def _f32(key: str, value: float) -> bytes:
    return _string(key) + struct.pack("<If", 6, value)


def _text(key: str, value: str) -> bytes:
    return _string(key) + struct.pack("<I", 8) + _string(value)


def _texts(key: str, values: list[str]) -> bytes:
    return _string(key) + struct.pack("<IIQ", 9, 8, len(values)) + b"".join(map(_string, values))


def _types(key: str, count: int) -> bytes:
    """One control token, and all others normal."""
    return _string(key) + struct.pack("<IIQ", 9, 5, count) + struct.pack("<i", 3) + struct.pack("<i", 1) * (count - 1)


def _pad(out: IO[bytes]) -> None:
    out.write(b"\0" * (-out.tell() % _ALIGNMENT))


def _lots(tensor: Tensor, source: IO[bytes]) -> Iterator[npt.NDArray[np.uint8]]:
    """The tensor's raw rows, so many at once that a big embedding never stands in memory as a whole."""
    rows = int(np.prod(tensor.shape[1:])) if len(tensor.shape) > 1 else 1
    row_size = tensor.size // rows
    source.seek(tensor.offset)
    for first in range(0, rows, _ROWS_AT_ONCE):
        lot = min(_ROWS_AT_ONCE, rows - first)
        yield np.frombuffer(source.read(lot * row_size), dtype=np.uint8).reshape(lot, row_size)


def _converted(raw: npt.NDArray[np.uint8], from_id: int, to_id: int) -> npt.NDArray[Any]:
    if from_id == to_id:
        return raw
    values = _values(raw, from_id)
    if to_id == _F32:
        return values
    if to_id == _F16:
        return values.astype(np.float16)
    return gguf.quants.quantize(values, gguf.GGMLQuantizationType(to_id))


def _values(raw: npt.NDArray[np.uint8], type_id: int) -> npt.NDArray[np.float32]:
    if type_id == _F32:
        return raw.view(np.float32)
    if type_id == _F16:
        return raw.view(np.float16).astype(np.float32)
    values = gguf.quants.dequantize(raw, gguf.GGMLQuantizationType(type_id))
    return np.ascontiguousarray(values, dtype=np.float32)
