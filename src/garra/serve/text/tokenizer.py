"""Text to token ids, and back to bytes.

Two ways in. `encode` reads control tokens where the text spells them: for what the server or a client writes as a whole
prompt. `encode_guarded` takes what `guard` has marked: what merely looks like a control token stays text. Nothing here
truncates.
"""

import re
from functools import cached_property
from typing import TYPE_CHECKING

from garra.errors import ServeError
from garra.serve.text.bytes import token_bytes
from garra.serve.weights.base import Weights

if TYPE_CHECKING:
    import tokenizers


class Tokenizer:
    """One model's tokenizer. Safe to use from several threads."""

    def __init__(self, backend: "tokenizers.Tokenizer", *, bos_id: int | None = None, add_bos: bool = False) -> None:
        self._backend = backend
        self._add_bos = add_bos
        self.bos_id = bos_id
        added = backend.get_added_tokens_decoder()
        self.controls = {token.content: number for number, token in added.items() if token.special}
        self.control_ids = frozenset(self.controls.values())
        self.vocab_size = backend.get_vocab_size()
        self.byte_level = type(backend.decoder).__name__ == "ByteLevel"
        self._pieces: dict[int, bytes] = {}

    def encode(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        """Ids of a text in which control tokens count."""
        ids: list[int] = self._backend.encode(text, add_special_tokens=add_special_tokens).ids
        if add_special_tokens and self._add_bos and self.bos_id is not None and ids[:1] != [self.bos_id]:
            return [self.bos_id, *ids]
        return ids

    def encode_text(self, text: str) -> list[int]:
        """Ids of a text in which nothing is a control token, whatever it looks like."""
        ids: list[int] = self._plain.encode(text, add_special_tokens=False).ids
        return ids

    def encode_guarded(self, text: str, mark: str) -> list[int]:
        """Ids of a text whose control-token look-alikes were broken with `mark`; "" means that there were none."""
        if not mark:
            return self.encode(text)
        ids: list[int] = []
        for piece in self._control_pattern.split(text):
            if (control := self.controls.get(piece)) is not None and len(piece) > 1:
                ids.append(control)
            elif plain := piece.replace(mark, ""):
                ids.extend(self.encode_text(plain))
        return ids

    def piece(self, token_id: int) -> bytes:
        """The bytes that a token adds to a text. Only for byte-level tokenizers."""
        found = self._pieces.get(token_id)
        if found is None:
            found = self._pieces[token_id] = token_bytes(self.token(token_id) or "")
        return found

    def token(self, token_id: int) -> str | None:
        """The token as the vocabulary writes it, or None for an id that it does not have."""
        found: str | None = self._backend.id_to_token(token_id)
        return found

    def decode(self, ids: list[int]) -> str:
        """The text of some ids, control tokens spelled out."""
        if self.byte_level:
            return b"".join(map(self.piece, ids)).decode("utf-8", "replace")
        text: str = self._backend.decode(ids, skip_special_tokens=False)
        return text

    @property
    def backend(self) -> "tokenizers.Tokenizer":
        """The Hugging Face tokenizer, for a decoder that is not byte-level."""
        return self._backend

    def warm_up(self) -> None:
        """Compute what is kept, so that no request pays for it."""
        self.encode_text("")
        self.max_chars_per_token  # noqa: B018 - computed on first sight
        self._control_pattern  # noqa: B018

    @cached_property
    def max_chars_per_token(self) -> int:
        """No text of more than this times n characters fits in n tokens."""
        return max(map(len, self._backend.get_vocab()))

    @cached_property
    def _plain(self) -> "tokenizers.Tokenizer":
        import tokenizers

        twin = tokenizers.Tokenizer.from_str(self._backend.to_str())
        twin.encode_special_tokens = True
        return twin

    @cached_property
    def _control_pattern(self) -> re.Pattern[str]:
        names = sorted((name for name in self.controls if len(name) > 1), key=len, reverse=True)
        return re.compile("(" + "|".join(map(re.escape, names)) + ")" if names else r"(?!)")


def load_tokenizer(weights: Weights) -> Tokenizer:
    """The tokenizer of a model: from its GGUF vocabulary, or from the `tokenizer.json` beside it."""
    import tokenizers

    from garra.serve.text.vocab import tokenizer_of

    if weights.vocab is not None:
        vocab = weights.vocab
        return Tokenizer(tokenizer_of(vocab), bos_id=vocab.bos_token_id, add_bos=vocab.add_bos)
    if weights.tokenizer_file is None:
        raise ServeError(f"{weights.source} has no tokenizer: a tokenizer.json is expected in the folder.")
    try:
        backend = tokenizers.Tokenizer.from_file(str(weights.tokenizer_file))
    except Exception as error:  # the library raises bare Exception for whatever is wrong with the file
        raise ServeError(f"{weights.tokenizer_file} cannot be read as a tokenizer: {error}") from error
    backend.no_truncation()
    backend.no_padding()
    return Tokenizer(backend, bos_id=weights.bos_token_id)
