"""GGUF files: read as the reference reads them, refused by name where the engine would fail, converted without loss."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from garra.errors import ServeError
from garra.serve.weights.gguf_header import TENSOR_TYPES, read_header
from garra.serve.weights.gguf_model import check_model, conversion, weights_of
from garra.serve.weights.gguf_write import write_converted

from .conftest import Maker

Types = gguf.GGMLQuantizationType


def test_the_table_of_tensor_types_is_the_references() -> None:
    reference = {int(kind): (kind.name, *sizes) for kind, sizes in gguf.GGML_QUANT_SIZES.items()}

    assert {id_: reference[id_] for id_ in TENSOR_TYPES} == TENSOR_TYPES


def test_the_header_says_what_the_reference_reader_says(make_gguf: Maker) -> None:
    path = make_gguf()

    header = read_header(path)

    reference = gguf.GGUFReader(path)
    assert [(t.name, t.shape, t.offset, t.size) for t in header.tensors] == [
        (t.name, tuple(int(n) for n in t.shape), t.data_offset, t.n_bytes) for t in reference.tensors
    ]
    assert header.metadata["tokenizer.ggml.tokens"][2] == "!"
    assert header.metadata["llama.context_length"] == 128


def test_what_must_be_known_to_serve_is_read(make_gguf: Maker, tmp_path: Path) -> None:
    weights = weights_of(read_header(make_gguf()), name="small", path=tmp_path, kind="gguf", prover=None)

    assert weights.context_length == 128
    assert weights.vocab_size == 97
    assert weights.eos_token_ids == (1, 0)  # its own, and every control token that ends a turn
    assert weights.bos_token_id == 0
    assert weights.chat_template == "{{ messages }}"
    assert weights.vocab is not None
    assert weights.vocab.merges == ("t h",)
    assert weights.vocab.pre == "smollm"


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_short_is_refused_wherever_it_was_cut(make_gguf: Maker, keep: float) -> None:
    path = make_gguf()
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])

    with pytest.raises(ServeError, match=r"cut short|damaged|not a GGUF"):
        read_header(path)


def test_random_damage_to_the_header_is_a_clear_error_or_nothing(make_gguf: Maker) -> None:
    path = make_gguf()
    whole = path.read_bytes()
    random = np.random.default_rng(7)
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[int(random.integers(4, 1200))] = int(random.integers(0, 256))
        path.write_bytes(damaged)
        said = _said_of(path)
        assert said is None or str(path) in said


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.gguf"
    path.write_text("these are not the weights you are looking for")

    with pytest.raises(ServeError, match="not a GGUF file"):
        read_header(path)


@pytest.mark.parametrize(
    ("odd", "named"),
    [
        ({"architecture": "gemma3"}, "'gemma3'.*llama, qwen2 and qwen3"),
        ({"tokenizer": "llama"}, "tokenizer of the kind 'llama'"),
        ({"kind": Types.I32}, "type I32"),
        ({"leave_out": "context_length"}, r"llama\.context_length"),
    ],
)
def test_what_the_engine_cannot_compute_is_refused_by_name(
    make_gguf: Maker, odd: dict[str, object], named: str
) -> None:
    with pytest.raises(ServeError, match=named):
        check_model(read_header(make_gguf(**odd)))


@pytest.mark.parametrize("kind", [Types.Q8_0, Types.Q4_0, Types.F16])
def test_types_that_the_engine_reads_exactly_are_left_alone(make_gguf: Maker, kind: gguf.GGMLQuantizationType) -> None:
    assert conversion(read_header(make_gguf(kind=kind)), 8 << 30) is None


@pytest.mark.parametrize("kind", [Types.Q4_1, Types.Q5_0, Types.BF16])
def test_other_types_become_f16_where_memory_allows_and_q8_elsewhere(
    make_gguf: Maker, kind: gguf.GGMLQuantizationType
) -> None:
    header = read_header(make_gguf(kind=kind))

    assert conversion(header, 8 << 30) == "f16"
    assert conversion(header, 100_000) == "q8_0"


@pytest.mark.parametrize(("form", "loss"), [("f16", 0.001), ("q8_0", 0.02)])
def test_a_conversion_keeps_the_weights_and_all_metadata(
    make_gguf: Maker, tmp_path: Path, form: str, loss: float
) -> None:
    source, target = make_gguf(), tmp_path / "converted.gguf"

    write_converted(read_header(source), target, "f16" if form == "f16" else "q8_0")

    before, after = gguf.GGUFReader(source), gguf.GGUFReader(target)
    kept = set(before.fields) - {"general.file_type", "GGUF.kv_count", "GGUF.tensor_count"}
    assert {name: after.fields[name].contents() for name in kept} == {
        name: before.fields[name].contents() for name in kept
    }
    for old, new in zip(before.tensors, after.tensors, strict=True):
        values = gguf.quants.dequantize(old.data, old.tensor_type)
        converted = gguf.quants.dequantize(new.data, new.tensor_type)
        assert np.abs(values - converted).max() <= loss * np.abs(values).max()


def _said_of(path: Path) -> str | None:
    try:
        check_model(read_header(path))
    except ServeError as error:
        return str(error)
    return None
