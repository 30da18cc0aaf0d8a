"""A Hugging Face tokenizer from the vocabulary inside a GGUF file.

The file says which tokens and merges there are and names the pre-tokenizer; what that name means is written here, as
the reference tokenizers of those model families define it. A name that is not here is refused: a wrong guess would
split words wrongly and say nothing.
"""

from typing import TYPE_CHECKING

from garra.errors import ServeError
from garra.serve.weights.base import GgufVocab

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.normalizers import Normalizer
    from tokenizers.pre_tokenizers import PreTokenizer

_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPLITS = {
    "qwen2": rf"{_WORDS}|\p{{N}}|{_REST}",
    "deepseek-r1-qwen": rf"{_WORDS}|\p{{N}}|{_REST}",
    "llama-bpe": rf"{_WORDS}|\p{{N}}{{1,3}}|{_REST}",
    "llama3": rf"{_WORDS}|\p{{N}}{{1,3}}|{_REST}",
}
KNOWN = ("default", "gpt-2", "smollm", *SPLITS)
CONTROL, USER_DEFINED, UNKNOWN = 3, 4, 2


def tokenizer_of(vocab: GgufVocab) -> "Tokenizer":
    """The tokenizer that the model was trained with, rebuilt."""
    from tokenizers import Tokenizer, decoders
    from tokenizers.models import BPE

    if vocab.pre not in KNOWN:
        raise ServeError(
            f"This GGUF file wants the pre-tokenizer {vocab.pre!r}, which is not known here "
            f"({', '.join(KNOWN)}). Serve a folder that holds the model's tokenizer.json instead."
        )
    ids = {token: number for number, token in enumerate(vocab.tokens)}
    merges = [(left, right) for left, _, right in (merge.partition(" ") for merge in vocab.merges)]
    tokenizer = Tokenizer(BPE(ids, merges, ignore_merges=vocab.pre in ("llama-bpe", "llama3")))
    if (normalizer := _normalizer(vocab.pre)) is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = _pre_tokenizer(vocab.pre)
    tokenizer.decoder = decoders.ByteLevel()
    _add_tokens(tokenizer, vocab)
    return tokenizer


def _normalizer(pre: str) -> "Normalizer | None":
    from tokenizers import normalizers

    return normalizers.NFC() if pre in ("qwen2", "deepseek-r1-qwen") else None


def _pre_tokenizer(pre: str) -> "PreTokenizer":
    from tokenizers import Regex, pre_tokenizers

    if pre in SPLITS:
        split = pre_tokenizers.Split(Regex(SPLITS[pre]), "isolated")
        return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    by_regex = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    if pre == "smollm":
        return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), by_regex])
    return by_regex


def _add_tokens(tokenizer: "Tokenizer", vocab: GgufVocab) -> None:
    from tokenizers import AddedToken

    def of_type(*types: int) -> list[AddedToken]:
        special = USER_DEFINED not in types
        pairs = zip(vocab.tokens, vocab.token_types, strict=True)
        return [AddedToken(token, special=special, normalized=False) for token, kind in pairs if kind in types]

    tokenizer.add_special_tokens(of_type(CONTROL, UNKNOWN))
    tokenizer.add_tokens(of_type(USER_DEFINED))
