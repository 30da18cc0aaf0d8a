"""What a GGUF file's header says about the model: can the engine compute it, and what must be known to serve it.

Refuses by name: the architecture, tokenizer or tensor type that was found, what is supported, and what to do.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from garra.errors import ServeError
from garra.serve.weights.base import GgufVocab, Weights
from garra.serve.weights.gguf_header import Header, Tensor
from garra.serve.weights.gguf_write import Form

ARCHITECTURES = ("llama", "qwen2", "qwen3")
# Read by the engine without loss. Everything else is taken apart by numpy and written anew.
FAITHFUL_TYPES = frozenset({"F16", "Q4_0", "Q8_0"})
_UNKNOWN_TO_NUMPY = frozenset({"Q8_K", "I8", "I16", "I32", "I64", "F64"})
_SMALL_ENOUGH_FOR_F16 = 1 / 20


def check_model(header: Header) -> None:
    """Raises `ServeError` when the engine cannot compute this model."""
    where, found = header.path, header.metadata.get("general.architecture")
    if found not in ARCHITECTURES:
        raise ServeError(
            f"{where} is a model of the architecture {found!r}. The embedded engine computes {_listed(ARCHITECTURES)} "
            "models: give a GGUF file of the Llama, Qwen2 or Qwen3 family, or run this one with vLLM."
        )
    tokenizer = header.metadata.get("tokenizer.ggml.model")
    if tokenizer != "gpt2" or not isinstance(header.metadata.get("tokenizer.ggml.tokens"), list):
        raise ServeError(
            f"{where} has a tokenizer of the kind {tokenizer!r}. Only byte-level BPE ('gpt2') can be used: "
            "newer models of the Llama and Qwen families have it."
        )
    if header.metadata.get("split.count", 0) not in (0, 1):
        raise ServeError(f"{where} is one part of several. Join them first with: llama-gguf-split --merge")
    _check_tensors(header)
    for key in ("context_length", "block_count", "embedding_length", "attention.head_count"):
        _number(header, key)


def _check_tensors(header: Header) -> None:
    for tensor in header.tensors:
        if tensor.type_name in _UNKNOWN_TO_NUMPY:
            raise ServeError(
                f"{header.path}: the tensor {tensor.name!r} is of type {tensor.type_name}, which cannot be read. "
                "Take a file in Q4_0, Q4_K_M, Q8_0 or F16."
            )
    names = {tensor.name for tensor in header.tensors}
    if "token_embd.weight" not in names:
        raise ServeError(f"{header.path} holds no token embeddings: it is not a whole language model.")


def conversion(header: Header, memory_bytes: int) -> Form | None:
    """The form that this file must be brought to so that nothing is lost; None when it can be loaded as it is.

    F16 is exact and quickest for several streams, at twice the memory: for models that are small on this machine.
    """
    matrices = [tensor for tensor in header.tensors if len(tensor.shape) > 1]
    if all(tensor.type_name in FAITHFUL_TYPES for tensor in matrices) and _vectors_are_plain(header.tensors):
        return None
    values = sum(_values(tensor) for tensor in matrices)
    return "f16" if values * 2 <= memory_bytes * _SMALL_ENOUGH_FOR_F16 else "q8_0"


def _vectors_are_plain(tensors: Sequence[Tensor]) -> bool:
    return all(tensor.type_name in ("F32", "F16") for tensor in tensors if len(tensor.shape) == 1)


def _values(tensor: Tensor) -> int:
    count = 1
    for length in tensor.shape:
        count *= length
    return count


def weights_of(header: Header, *, name: str, path: Path, kind: Literal["gguf", "ir"], prover: Path | None) -> Weights:
    """All that is known of the model, to be loaded from `path`."""
    metadata = header.metadata
    vocab = vocab_of(header)
    types = sorted({tensor.type_name for tensor in header.tensors if len(tensor.shape) > 1})
    return Weights(
        name=name,
        source=header.path,
        path=path,
        kind=kind,
        architecture=metadata["general.architecture"],
        context_length=_number(header, "context_length"),
        vocab_size=len(vocab.tokens),
        eos_token_ids=_ends(metadata, vocab),
        bos_token_id=vocab.bos_token_id,
        chat_template=str(metadata.get("tokenizer.chat_template", "")),
        vocab=vocab,
        quantisation=", ".join(types),
        kv_bytes_per_token=_kv_bytes_per_token(header),
        prover=prover,
        notes=_notes(header),
    )


def vocab_of(header: Header) -> GgufVocab:
    """The tokenizer as the file holds it."""
    metadata = header.metadata
    tokens = tuple(metadata["tokenizer.ggml.tokens"])
    return GgufVocab(
        pre=str(metadata.get("tokenizer.ggml.pre", "default")),
        tokens=tokens,
        token_types=tuple(metadata.get("tokenizer.ggml.token_type") or (1,) * len(tokens)),
        merges=tuple(metadata.get("tokenizer.ggml.merges", ())),
        add_bos=bool(metadata.get("tokenizer.ggml.add_bos_token", False)),
        bos_token_id=metadata.get("tokenizer.ggml.bos_token_id"),
        eos_token_id=metadata.get("tokenizer.ggml.eos_token_id"),
        unknown_token_id=metadata.get("tokenizer.ggml.unknown_token_id"),
        padding_token_id=metadata.get("tokenizer.ggml.padding_token_id"),
    )


# Tokens that end a turn whatever the file calls its end of sequence: chat models of these families answer with them.
_TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>")


def _ends(metadata: dict[str, Any], vocab: GgufVocab) -> tuple[int, ...]:
    ids = [vocab.eos_token_id, metadata.get("tokenizer.ggml.eot_token_id")]
    ids += [id_ for id_, text in enumerate(vocab.tokens) if text in _TURN_ENDS and vocab.token_types[id_] == 3]
    known = [id_ for id_ in ids if isinstance(id_, int) and 0 <= id_ < len(vocab.tokens)]
    return tuple(dict.fromkeys(known))


def _kv_bytes_per_token(header: Header) -> int:
    """Keys and values of every layer in 8 bits, with a scale and a zero point of 4 bytes for each head."""
    heads = _number(header, "attention.head_count")
    kv_heads = _number(header, "attention.head_count_kv", heads)
    width = _number(header, "attention.key_length", _number(header, "embedding_length") // heads)
    return _number(header, "block_count") * kv_heads * 2 * (width + 8)


def _notes(header: Header) -> tuple[str, ...]:
    if any(tensor.name == "rope_freqs.weight" for tensor in header.tensors):
        return (
            "This model stretches its window with rope factors that the engine does not read: answers are slightly "
            "worse than the original's, the more so the longer the conversation.",
        )
    return ()


def _number(header: Header, key: str, default: int | None = None) -> int:
    full = f"{header.metadata.get('general.architecture')}.{key}"
    value = header.metadata.get(full, default)
    if not isinstance(value, int) or value < 1:
        raise ServeError(f"{header.path} does not say its {full}. It cannot be served.")
    return value


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
