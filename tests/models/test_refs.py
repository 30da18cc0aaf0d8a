"""References to models: how they are split, spelt and matched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from garra.errors import ConfigError
from garra.models.refs import ModelRef, match_id, parse_ref, resolve_ref, split_profile

_ids = st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="-._/:@"), min_size=1).filter(
    lambda text: text.strip("/")
)
_providers = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)


def test_a_ref_is_split_on_its_first_slash() -> None:
    assert parse_ref("vllm/Qwen/Qwen3-8B") == ModelRef("vllm", "Qwen/Qwen3-8B")


def test_the_provider_is_lower_cased_and_the_id_is_not() -> None:
    assert parse_ref("VLLM/Qwen/Qwen3-8B") == ModelRef("vllm", "Qwen/Qwen3-8B")


def test_a_text_without_a_slash_names_no_provider() -> None:
    assert parse_ref("Qwen3-8B") is None


@pytest.mark.parametrize("text", ["vllm/", "/model", " / "])
def test_half_a_ref_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="PROVIDER/MODEL"):
        parse_ref(text)


@given(_providers, _ids)
def test_a_ref_written_out_is_read_back_the_same(provider: str, model_id: str) -> None:
    ref = ModelRef(provider, model_id)

    assert parse_ref(str(ref)) == ref


@given(_ids, st.lists(_ids))
def test_an_id_that_is_there_is_always_matched_exactly(wanted: str, others: list[str]) -> None:
    assert match_id(wanted, [*others, wanted]) == wanted


@given(_ids, st.lists(_ids, unique=True))
def test_a_match_differs_by_case_at_most_and_is_one_of_the_ids(wanted: str, ids: list[str]) -> None:
    try:
        found = match_id(wanted, ids)
    except ConfigError:
        assert sum(known.casefold() == wanted.casefold() for known in ids) > 1
        return
    if found is None:
        assert all(known.casefold() != wanted.casefold() for known in ids)
    else:
        assert found in ids
        assert found.casefold() == wanted.casefold()


def test_another_case_matches_only_when_there_is_no_doubt() -> None:
    assert match_id("qwen/qwen3-8b", ["Qwen/Qwen3-8B", "other"]) == "Qwen/Qwen3-8B"
    with pytest.raises(ConfigError, match="Model, model"):
        match_id("MODEL", ["Model", "model"])


def test_an_alias_goes_before_an_id_of_that_name() -> None:
    known = {"vllm": ["Qwen/Qwen3-8B"], "other": ["qwen"]}

    assert resolve_ref("qwen", aliases={"qwen": ["vllm/Qwen/Qwen3-8B"]}, known=known) == ModelRef(
        "vllm", "Qwen/Qwen3-8B"
    )


def test_a_bare_id_is_the_one_provider_that_has_it() -> None:
    known = {"vllm": ["a", "shared"], "other": ["b", "shared"]}

    assert resolve_ref("b", aliases={}, known=known) == ModelRef("other", "b")
    assert resolve_ref("none", aliases={}, known=known) is None


def test_a_bare_id_that_two_providers_have_is_refused_with_both_named() -> None:
    known = {"vllm": ["shared"], "other": ["shared"]}

    with pytest.raises(ConfigError, match="other/shared, vllm/shared"):
        resolve_ref("shared", aliases={}, known=known)


def test_an_id_with_a_slash_needs_no_provider_when_one_alone_has_it() -> None:
    assert resolve_ref("Qwen/Qwen3-8B", aliases={}, known={"vllm": ["Qwen/Qwen3-8B"]}) == ModelRef(
        "vllm", "Qwen/Qwen3-8B"
    )


def test_an_alias_that_two_models_bear_is_refused_with_both_named() -> None:
    with pytest.raises(ConfigError, match="vllm/a, vllm/b"):
        resolve_ref("fast", aliases={"fast": ["vllm/a", "vllm/b"]}, known={"vllm": []})


def test_an_alias_is_also_found_behind_its_provider() -> None:
    aliases = {"fast": ["vllm/Qwen/Qwen3-8B"]}

    assert resolve_ref("vllm/fast", aliases=aliases, known={"vllm": []}) == ModelRef("vllm", "Qwen/Qwen3-8B")
    assert resolve_ref("other/fast", aliases=aliases, known={"other": []}) == ModelRef("other", "fast")


def test_an_id_that_nobody_listed_stays_as_it_is() -> None:
    assert resolve_ref("vllm/New/Model", aliases={}, known={"vllm": ["old"]}) == ModelRef("vllm", "New/Model")


@pytest.mark.parametrize(
    ("text", "ref", "profile"),
    [
        ("vllm/Qwen/Qwen3-8B@vllm:work", "vllm/Qwen/Qwen3-8B", "vllm:work"),
        ("vllm/model@main", "vllm/model@main", None),
        ("vllm/model@other:work", "vllm/model@other:work", None),
        ("vllm/model", "vllm/model", None),
    ],
)
def test_only_a_profile_of_the_same_provider_is_taken_off_the_end(text: str, ref: str, profile: str | None) -> None:
    assert split_profile(text) == (ref, profile)
