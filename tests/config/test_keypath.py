import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garra.config.keypath import KeyPath, format_path, parse_path
from garra.errors import UsageFault


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("agents.entries.main", ("agents", "entries", "main")),
        ('agents.defaults.models["vllm/*"]', ("agents", "defaults", "models", "vllm/*")),
        ("a['x/y'].b", ("a", "x/y", "b")),
        ("a[0].b[12]", ("a", 0, "b", 12)),
        ("models.providers.my-server.baseUrl", ("models", "providers", "my-server", "baseUrl")),
        ("agents.defaults.models.vllm/Qwen", ("agents", "defaults", "models", "vllm/Qwen")),
        (r'a["q\"uote"]', ("a", 'q"uote')),
    ],
)
def test_dots_and_brackets_name_a_key(text: str, path: KeyPath) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a[", "a[x]", 'a["x', "a]b", "a[0]b"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(UsageFault):
        parse_path(text)


@settings(deadline=None)
@given(st.lists(st.one_of(st.text(min_size=0, max_size=8), st.integers(0, 99)), min_size=1, max_size=5).map(tuple))
def test_any_path_reads_back_as_it_was_shown(path: KeyPath) -> None:
    assert parse_path(format_path(path)) == path
