"""How many requests a server is given at once: what it says, what its metrics show, else four."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from garra.models.catalogue import Capabilities
from garra.models.load import Queue, queue_of, read_queue
from garra.models.slots import cap_of, slot
from garra.wire.http import Http
from garra.wire.request import Endpoint
from tests.models.conftest import Serve

pytestmark = pytest.mark.anyio
UNKNOWN = Capabilities("native", structured=True, tokenize=True)


def metrics(running: float, waiting: float) -> str:
    return f"""# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="m"}} {running}
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{{engine="0",model_name="m"}} {waiting}
vllm:num_requests_waiting_by_reason{{engine="0",model_name="m",reason="capacity"}} 99.0
"""


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http({}) as client:
        yield client


async def cap(http: Http, folder: Path, at_work: int, answer: tuple[int, Any], serve: Serve) -> tuple[int, int]:
    """The cap while so many hold or want a place, and how often the server was asked for it."""
    async with serve({"GET /metrics": answer}) as server, AsyncExitStack() as stack:
        for _ in range(at_work):
            await stack.enter_async_context(slot(folder, server.base_url, 100))
        found = await cap_of(http, Endpoint(server.base_url), UNKNOWN, folder)
        return found, server.asked("/metrics")


async def test_a_number_that_the_server_gave_is_taken_without_asking(http: Http, tmp_path: Path) -> None:
    known = Capabilities("native", structured=True, tokenize=True, max_num_seqs=7)

    assert await cap_of(http, Endpoint("http://127.0.0.1:9/v1"), known, tmp_path) == 7


async def test_up_to_four_nobody_is_asked(http: Http, tmp_path: Path, serve: Serve) -> None:
    assert await cap(http, tmp_path, 3, (200, metrics(3, 5)), serve) == (4, 0)


async def test_where_requests_wait_in_the_server_no_more_are_added(http: Http, tmp_path: Path, serve: Serve) -> None:
    assert await cap(http, tmp_path, 4, (200, metrics(2, 1)), serve) == (2, 1)
    assert await cap(http, tmp_path, 4, (200, metrics(0, 3)), serve) == (1, 1)


async def test_where_none_waits_there_is_room_for_one_more(http: Http, tmp_path: Path, serve: Serve) -> None:
    assert await cap(http, tmp_path, 6, (200, metrics(6, 0)), serve) == (7, 1)


async def test_those_of_ours_that_wait_do_not_count_as_room(http: Http, tmp_path: Path, serve: Serve) -> None:
    assert await cap(http, tmp_path, 9, (200, metrics(4, 0)), serve) == (5, 1)


@pytest.mark.parametrize("answer", [(404, {"detail": "Not Found"}), (200, "<html>"), (401, ""), (200, "x" * 2_000_000)])
async def test_a_server_without_such_metrics_gets_four(
    http: Http, tmp_path: Path, serve: Serve, answer: tuple[int, Any]
) -> None:
    assert await cap(http, tmp_path, 5, answer, serve) == (4, 1)


async def test_a_server_that_is_gone_gets_four(http: Http, tmp_path: Path) -> None:
    assert await queue_of(http, Endpoint("http://127.0.0.1:9/v1")) is None


def test_vllms_own_metrics_are_read(recording: Any) -> None:
    status, body = recording("tools/metrics.json")

    found = read_queue(body)

    assert status == 200
    assert found is not None
    assert found.waiting == 0
    assert found.running >= 0


def test_the_engines_of_a_server_are_added_up() -> None:
    text = "\n".join(
        f'vllm:num_requests_{kind}{{engine="{at}"}} {at}.0' for at in (1, 2) for kind in ("running", "waiting")
    )

    assert read_queue(text) == Queue(running=3, waiting=3)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "many", ""])
def test_a_number_that_is_none_is_no_measure(value: str) -> None:
    assert read_queue(metrics(1, 1).replace("1\n", f"{value}\n")) is None
