"""Token ids to text while they arrive, without ever splitting a character.

Bytes that do not yet make a character wait for the next token; bytes that never will become U+FFFD. What is still
incomplete when a reply ends is dropped, as vLLM does.
"""

import codecs
from typing import Protocol

from garra.serve.text.tokenizer import Tokenizer


class Detokenizer(Protocol):
    """One reply's text, token by token."""

    def feed(self, token_id: int) -> str:
        """The text that is certain now that this token has come."""
        ...


def detokenizer(tokenizer: Tokenizer, *, skip_special_tokens: bool = True) -> Detokenizer:
    """A decoder for one reply."""
    skipped = tokenizer.control_ids if skip_special_tokens else frozenset[int]()
    if tokenizer.byte_level:
        return _ByteLevel(tokenizer, skipped)
    return _Stream(tokenizer, skip_special_tokens)


class _ByteLevel:
    def __init__(self, tokenizer: Tokenizer, skipped: frozenset[int]) -> None:
        self._piece = tokenizer.piece
        self._skipped = skipped
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, token_id: int) -> str:
        return "" if token_id in self._skipped else self._decoder.decode(self._piece(token_id))


class _Stream:
    """For vocabularies that are not byte-level: the library's own stream decoder."""

    def __init__(self, tokenizer: Tokenizer, skip_special_tokens: bool) -> None:
        from tokenizers.decoders import DecodeStream

        self._backend = tokenizer.backend
        self._stream = DecodeStream(skip_special_tokens=skip_special_tokens)

    def feed(self, token_id: int) -> str:
        return self._stream.step(self._backend, token_id) or ""
