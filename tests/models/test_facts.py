"""What a server tells of its process: recordings of vLLM, and what is no fact."""

import json
from pathlib import Path

import pytest

from garra.models.facts import Process, read_process, stable_created
from garra.wire.http import HttpResponse

RECORDINGS = Path(__file__).parent.parent / "recordings"


def test_the_metrics_of_vllm_tell_the_start_of_its_process_and_its_prefix_cache() -> None:
    text = json.loads((RECORDINGS / "tools/metrics.json").read_text())["response"]["body"]

    assert read_process(text.encode()) == Process(1795358702.51, True)


@pytest.mark.parametrize(
    "metrics",
    [
        b"",
        b"\xff\xfe",
        b"process_start_time_seconds 1e999e9\n",
        b"process_start_time_seconds nan\n",
        b"# process_start_time_seconds 12.5\n",
        b'process_start_time_seconds{pid="1"} 12.5\nprocess_start_time_seconds{pid="2"} 13.5\n',
    ],
)
def test_metrics_that_name_no_one_start_tell_none(metrics: bytes) -> None:
    assert read_process(metrics).started is None


def test_a_prefix_cache_that_is_off_is_told() -> None:
    metrics = b'vllm:cache_config_info{block_size="16",enable_prefix_caching="False",engine="0"} 1.0\n'

    assert read_process(metrics).prefix_caching is False


SENT = "Mon, 23 Nov 2026 00:00:10 GMT"
SENT_S = 1795392010


@pytest.mark.parametrize(
    ("created", "date", "expected"),
    [
        (SENT_S - 100, SENT, SENT_S - 100),
        (SENT_S, SENT, None),
        (SENT_S - 1, SENT, None),
        (SENT_S - 100, "", None),
        (SENT_S - 100, "yesterday", None),
        ("2026", SENT, None),
        (None, SENT, None),
        (True, SENT, None),
    ],
)
def test_a_created_that_is_older_than_the_answer_stands_for_the_server(
    created: object, date: str, expected: float | None
) -> None:
    body = json.dumps({"data": [{"id": "m", "created": created}]}).encode()

    assert stable_created(HttpResponse(200, {"date": date}, body)) == expected


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data": []}', b'{"data": [3]}', b"{"])
def test_an_odd_list_of_models_stands_for_no_server(body: bytes) -> None:
    assert stable_created(HttpResponse(200, {"date": SENT}, body)) is None
