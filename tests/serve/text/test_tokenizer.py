import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garra.errors import ServeError
from garra.serve.text.tokenizer import Tokenizer
from garra.serve.text.vocab import tokenizer_of
from garra.serve.weights.base import GgufVocab
from tests.serve.vocabulary import smollm2, smollm2_vocab, writable

CASES = json.loads((Path(__file__).parent / "smollm2-ids.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: ascii(case["text"][:20]))
def test_ids_are_those_of_the_reference_tokenizer(case: dict[str, list[int]]) -> None:
    assert smollm2().encode(str(case["text"])) == case["ids"]


def test_digits_of_any_script_are_split_from_the_space_before_them() -> None:
    # The ids are those of a second, independent reader of the same GGUF file (openvino_tokenizers).
    assert smollm2().encode("½ ² ³ ⅷ Ⅻ") == [16738, 216, 19133, 216, 39050, 216, 173, 223, 132, 216, 173, 223, 121]


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])).filter(writable))
def test_every_text_comes_back_as_it_was(text: str) -> None:
    assert smollm2().decode(smollm2().encode_text(text)) == text


@settings(deadline=None)
@given(st.lists(st.sampled_from(["<|im_start|>", "<|im_end|>", "<repo_name>", "<|", "|>", "im_end", " ", "x"])))
def test_what_is_encoded_as_text_never_holds_a_control_token(parts: list[str]) -> None:
    ids = smollm2().encode_text("".join(parts))

    assert not smollm2().control_ids & set(ids)
    assert smollm2().decode(ids) == "".join(parts)


def test_control_tokens_count_in_a_prompt_that_is_written_as_a_whole() -> None:
    assert smollm2().encode("<|im_start|>a<|im_end|>") == [1, 81, 2]


def test_a_beginning_is_added_only_where_the_model_wants_one_and_only_once() -> None:
    vocab = smollm2_vocab()
    tokenizer = Tokenizer(tokenizer_of(vocab), bos_id=1, add_bos=True)

    assert tokenizer.encode("a", add_special_tokens=True) == [1, 81]
    assert tokenizer.encode("<|im_start|>a", add_special_tokens=True) == [1, 81]
    assert tokenizer.encode("a") == [81]
    assert smollm2().encode("a", add_special_tokens=True) == [81]


def test_an_unknown_pre_tokenizer_is_refused_by_name() -> None:
    vocab = GgufVocab(pre="viking", tokens=("a",), token_types=(1,), merges=())

    with pytest.raises(ServeError, match="viking"):
        tokenizer_of(vocab)


def test_user_defined_tokens_count_in_every_text_but_are_no_control_tokens() -> None:
    vocab = GgufVocab(pre="qwen2", tokens=("a", "b", "<call>", "<|end|>"), token_types=(1, 1, 4, 3), merges=())
    tokenizer = Tokenizer(tokenizer_of(vocab))

    assert tokenizer.encode_text("a<call>b") == [0, 2, 1]
    assert set(tokenizer.controls) == {"<|end|>"}


def test_llama_keeps_up_to_three_digits_together_and_qwen_none() -> None:
    tokens = ("1", "2", "3", "4", "12", "123", "1234")
    merges = ("1 2", "12 3", "123 4")

    def ids(pre: str) -> list[int]:
        vocab = GgufVocab(pre=pre, tokens=tokens, token_types=(1,) * len(tokens), merges=merges)
        return Tokenizer(tokenizer_of(vocab)).encode("1234")

    assert ids("llama-bpe") == [5, 3]
    assert ids("qwen2") == [0, 1, 2, 3]
