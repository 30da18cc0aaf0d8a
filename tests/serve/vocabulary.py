"""SmolLM2's vocabulary (Apache-2.0) and chat template, as its GGUF file holds them, without the 98 MB of weights.

Each merge of two tokens makes the next token, so the file holds the first 252 tokens and the merges.
"""

import lzma
from functools import cache
from pathlib import Path

from garra.serve.text.template import ChatTemplate
from garra.serve.text.tokenizer import Tokenizer
from garra.serve.text.vocab import tokenizer_of
from garra.serve.weights.base import GgufVocab

FILE = Path(__file__).parent / "text" / "smollm2-vocab.xz"
CONTROLS = 17
IM_START, IM_END = 1, 2
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n"
    "' + message['content'] + '<|im_end|>' + '\n"
    "'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n"
    "' }}{% endif %}"
)


@cache
def smollm2_vocab() -> GgufVocab:
    first, _, rest = lzma.decompress(FILE.read_bytes()).decode().partition("\n\n")
    merges = tuple(rest.splitlines())
    tokens = (*first.split("\n"), *(merge.replace(" ", "", 1) for merge in merges))
    types = (3,) * CONTROLS + (1,) * (len(tokens) - CONTROLS)
    return GgufVocab(pre="smollm", tokens=tokens, token_types=types, merges=merges, bos_token_id=1, eos_token_id=2)


@cache
def smollm2() -> Tokenizer:
    return Tokenizer(tokenizer_of(smollm2_vocab()), bos_id=1)


def writable(text: str) -> bool:
    """Whether the vocabulary has every byte of a text: SmolLM2's lacks 21 of the 256 and drops them silently."""
    return set(text.encode()) <= _known_bytes()


@cache
def _known_bytes() -> frozenset[int]:
    pieces = (smollm2().piece(number) for number in range(252))
    return frozenset(piece[0] for piece in pieces if len(piece) == 1)


@cache
def smollm2_template() -> ChatTemplate:
    special = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}
    return ChatTemplate(TEMPLATE, controls=tuple(smollm2().controls), special_tokens=special)
