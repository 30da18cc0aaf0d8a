"""Which errors lead to the next replica or model, and what is said of it. How a turn does it: tests/agent."""

import pytest

from garra.errors import (
    AuthRejected,
    ConfigError,
    ContextOverflow,
    GarraError,
    ModelNotFound,
    ModelUnreachable,
    RequestRefused,
    ServerBusy,
    ServerFailed,
    ServerSilent,
    SessionError,
    StepLimit,
    StoreError,
    StreamBroken,
    TimeLimit,
    ToolRefused,
)
from garra.models.catalogue import Chosen
from garra.models.failover import moves_on, words
from garra.models.refs import ModelRef
from garra.wire.request import Endpoint


def chosen(provider: str, model: str, base_url: str) -> Chosen:
    endpoint = Endpoint(base_url, "sk-secret")
    return Chosen(ModelRef(provider, model), endpoint, None, None, {}, reasoning=False, pinned=False)


@pytest.mark.parametrize(
    "error",
    [
        AuthRejected("401"),
        ServerBusy("429", http_status=429),
        ServerBusy("503"),
        ServerFailed("500"),
        ServerSilent("silent"),
        StreamBroken("cut"),
        ModelUnreachable("refused", why="refused"),
        ModelUnreachable("who?", why="unknown host"),
        ModelNotFound("404"),
        RequestRefused("402", http_status=402),
        RequestRefused("no such route", http_status=404),
        RequestRefused("moved", http_status=302),
    ],
)
def test_a_server_that_cannot_answer_is_left_for_the_next_one(error: GarraError) -> None:
    assert moves_on(error)


@pytest.mark.parametrize(
    "error",
    [
        ContextOverflow("too long"),
        RequestRefused("no", http_status=400),
        RequestRefused("no", http_status=413),
        RequestRefused("no", http_status=422),
        TimeLimit("over"),
        StepLimit("over"),
        ToolRefused("no"),
        SessionError("held"),
        StoreError("full"),
        ConfigError("wrong"),
    ],
)
def test_what_another_server_would_not_mend_stays_where_it_is(error: GarraError) -> None:
    assert not moves_on(error)


def test_the_line_names_who_failed_why_and_who_is_asked() -> None:
    first, second = chosen("vllm", "big", "http://10.0.0.7/v1"), chosen("spare", "small", "http://10.0.0.8/v1")

    assert words(ModelUnreachable("sk-secret", why="refused"), first, second) == (
        "vllm/big cannot answer (the server refused the connection); asking spare/small instead."
    )


def test_the_line_about_a_replica_names_the_addresses() -> None:
    first, second = chosen("vllm", "big", "http://10.0.0.7/v1"), chosen("vllm", "big", "http://10.0.0.8/v1")

    assert words(ServerFailed("sk-secret", http_status=502), first, second) == (
        "http://10.0.0.7/v1 cannot answer (the server failed (HTTP 502)); trying http://10.0.0.8/v1 instead."
    )
