"""What is known of a model's weights before an engine loads them. Nothing here reads a file."""

from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct


class GgufVocab(Struct, frozen=True):
    """The tokenizer as a GGUF file holds it: byte-level BPE, tokens in GPT-2's byte alphabet.

    `token_types` are GGUF's: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte. `pre` names the
    pre-tokenizer ("smollm", "qwen2", "llama-bpe", …).
    """

    pre: str
    tokens: tuple[str, ...]
    token_types: tuple[int, ...]
    merges: tuple[str, ...]
    add_bos: bool = False
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    unknown_token_id: int | None = None
    padding_token_id: int | None = None


class Weights(Struct, frozen=True, kw_only=True):
    """One model on this machine, ready to be loaded from `path`.

    `source` is the file or folder it came from; `path` may be a faithful conversion of it in the cache. The tokenizer
    is in `vocab` (from a GGUF file) or in `tokenizer_file` (a `tokenizer.json`): exactly one of them is there.
    `kv_bytes_per_token` is what a token takes in the cache at 8 bits. `prover` is a tiny model with the same tokens, on
    which grammars are tried. `notes` are sentences that the person who starts the server should see.
    """

    name: str
    source: Path
    path: Path
    kind: Literal["gguf", "ir"]
    architecture: str
    context_length: int
    vocab_size: int
    eos_token_ids: tuple[int, ...]
    bos_token_id: int | None = None
    chat_template: str = ""
    vocab: GgufVocab | None = None
    tokenizer_file: Path | None = None
    quantisation: str = ""
    kv_bytes_per_token: int
    prover: Path | None = None
    notes: tuple[str, ...] = ()


class Progress(Protocol):
    """Who is told how a long preparation goes."""

    def say(self, line: str) -> None:
        """One sentence on what is being done."""
        ...

    def advance(self, label: str, done: int, total: int) -> None:
        """So many bytes of so many. `total` 0 means unknown; `done == total` ends the bar."""
        ...
