from hypothesis import given, settings
from hypothesis import strategies as st

from garra.serve.text.detokenizer import detokenizer
from tests.serve.vocabulary import IM_END, smollm2, writable

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40).filter(writable)


@settings(deadline=None)
@given(TEXT)
def test_text_arrives_whole_and_no_character_is_ever_split(text: str) -> None:
    decoder = detokenizer(smollm2())

    frames = [decoder.feed(number) for number in smollm2().encode_text(text)]

    assert "".join(frames) == text
    assert "\ufffd" not in "".join(frames) or "\ufffd" in text


def test_an_emoji_of_several_tokens_comes_with_its_last_token() -> None:
    ids = smollm2().encode_text("🦞")
    decoder = detokenizer(smollm2())

    assert [decoder.feed(number) for number in ids] == [""] * (len(ids) - 1) + ["🦞"]


def test_bytes_that_make_no_character_are_shown_as_such_and_the_rest_is_kept() -> None:
    first, *_ = smollm2().encode_text("🦞")
    decoder = detokenizer(smollm2())

    assert "".join(decoder.feed(number) for number in [first, *smollm2().encode_text("ok")]) in (
        "\ufffdok",
        " \ufffdok",
    )


def test_control_tokens_are_left_out_unless_they_are_asked_for() -> None:
    assert detokenizer(smollm2()).feed(IM_END) == ""
    assert detokenizer(smollm2(), skip_special_tokens=False).feed(IM_END) == "<|im_end|>"


@settings(deadline=None)
@given(st.lists(st.integers(0, 49_151), max_size=30))
def test_any_ids_at_all_give_what_decoding_them_at_once_gives(ids: list[int]) -> None:
    decoder = detokenizer(smollm2(), skip_special_tokens=False)

    text = "".join(decoder.feed(number) for number in ids)

    whole = smollm2().decode(ids)
    assert whole.startswith(text)
    assert set(whole[len(text) :]) <= {"\ufffd"}
