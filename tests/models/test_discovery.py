"""What a server's list of models is read into."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from garra.errors import StreamBroken
from garra.models.catalogue import Served
from garra.models.discovery import read_rows

URL = "http://127.0.0.1:8000/v1/models"


def rows(*data: Any) -> tuple[Served, ...]:
    return read_rows(json.dumps({"object": "list", "data": data}).encode(), URL)


def test_a_recorded_answer_of_vllm_gives_its_model_and_window(recording: Callable[[str], Any]) -> None:
    _, body = recording("tools/models.json")

    assert read_rows(body.encode(), URL) == (Served("smollm2", 8192),)


def test_an_adapter_has_the_window_of_its_parent() -> None:
    found = rows({"id": "m", "max_model_len": 32768}, {"id": "lora", "parent": "m", "max_model_len": None})

    assert found == (Served("m", 32768), Served("lora", 32768))


def test_a_row_with_an_id_alone_has_no_window() -> None:
    assert rows({"id": "m"}) == (Served("m", None),)


@pytest.mark.parametrize("name", ["max_model_len", "context_length", "context_window", "context_size"])
def test_the_window_is_read_under_every_known_name(name: str) -> None:
    assert rows({"id": "m", name: 4096}) == (Served("m", 4096),)


def test_the_window_that_is_served_goes_before_the_one_that_was_trained() -> None:
    assert rows({"id": "m", "max_model_len": 4096, "meta": {"n_ctx_train": 131072}}) == (Served("m", 4096),)
    assert rows({"id": "m", "meta": {"n_ctx": 8192, "n_ctx_train": 131072}}) == (Served("m", 8192),)
    assert rows({"id": "m", "meta": {"n_ctx_train": 131072}}) == (Served("m", 131072),)


@pytest.mark.parametrize("value", [0, -1, "8192", True, None, [], 1e300])
def test_a_window_that_is_none_is_not_taken_for_one(value: Any) -> None:
    assert rows({"id": "m", "max_model_len": value}) == (Served("m", None),)


def test_rows_without_an_id_are_passed_over_and_the_order_is_kept() -> None:
    assert [served.id for served in rows({"id": "b"}, {"id": ""}, "x", {"name": "y"}, {"id": 3}, {"id": "a"})] == [
        "b",
        "a",
    ]


@pytest.mark.parametrize(
    "body", [b"<html></html>", b"", b"[]", b'{"models": []}', b'{"data": {}}', b"\xff\xfe", b"[" * 100_000]
)
def test_an_answer_without_a_list_is_a_typed_error_with_the_url(body: bytes) -> None:
    with pytest.raises(StreamBroken, match=f"{URL} answered with"):
        read_rows(body, URL)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "parent", "meta", "max_model_len"]), inner),
    max_leaves=12,
)


@given(st.lists(_json))
def test_whatever_the_rows_hold_they_are_read_without_a_fault(data: list[Any]) -> None:
    for served in rows(*data):
        assert served.id.strip()
        assert served.window is None or served.window >= 1
