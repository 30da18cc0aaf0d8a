"""What a server says of itself, damaged: /v1/models, /version and /tokenize give what is known, or a typed error."""

from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import pytest

from garra.errors import ModelError, RequestRefused, StreamBroken
from garra.models.models import Models
from garra.wire.http import Http
from garra.wire.messages import User
from tests.models.conftest import Configure, Serve
from tests.wire.damage.case import HASTY, Broken, Case
from tests.wire.damage.framing import framings
from tests.wire.damage.http import http_faults
from tests.wire.damage.late import refusals
from tests.wire.damage.server import DamagedServer
from tests.wire.damage.streams import ABSENT, JUNK, Place, changed, short

pytestmark = pytest.mark.anyio

ROW = {"id": "m", "object": "model", "created": 1, "owned_by": "vllm", "root": "m", "max_model_len": 8192}
LISTING = {"object": "list", "data": [ROW]}
GOOD = {"GET /v1/models": (200, LISTING), "GET /version": (200, {"version": "0.32.0"})}
VALUES = [*JUNK, ABSENT]
NO_JSON = ("", "{", "[" * 100_000, "<html></html>", '{"data": NaN}', '{"data": [{"id": "\\ud83d"}]}', '{"data": 1e400}')
IRRELEVANT: tuple[Place, ...] = (
    ("object",),
    ("data", 0, "object"),
    ("data", 0, "created"),
    ("data", 0, "owned_by"),
    ("data", 0, "root"),
    ("data", 0, "parent"),
    ("data", 0, "permission"),
    ("data", 0, "meta"),
)
FAULTS = [
    case
    for family, many in ((http_faults, 60), (refusals, 40), (framings, 40))
    for case in Random(3).sample([case for case in family() if case.timeouts != HASTY], many)
]


def told(server: Any, configure: Configure) -> Any:
    return configure({"models": {"providers": {"vllm": {"baseUrl": server.base_url, "apiKey": "local", "models": []}}}})


@pytest.mark.parametrize("value", VALUES, ids=short)
async def test_what_says_nothing_of_the_model_changes_nothing(
    value: Any, serve: Serve, configure: Configure, open_models: Callable[..., Any]
) -> None:
    async with serve(dict(GOOD)) as server:
        models: Models = await open_models(told(server, configure))
        for place in IRRELEVANT:
            server.answers["GET /v1/models"] = (200, changed(LISTING, place, value))

            view = await models.view("vllm", refresh=True)

            assert view.error is None, place
            assert [(entry.ref.id, entry.window) for entry in view.entries] == [("m", 8192)], place


@pytest.mark.parametrize("value", VALUES, ids=short)
async def test_a_list_of_models_is_read_as_far_as_it_can_be(
    value: Any, serve: Serve, configure: Configure, open_models: Callable[..., Any]
) -> None:
    window = value if type(value) is int and 1 <= value < 10**12 else None
    ids = [value] if isinstance(value, str) and value else []
    is_list = isinstance(value, list)
    async with serve(dict(GOOD)) as server:
        models: Models = await open_models(told(server, configure))
        for place, seen in (
            (("data", 0, "max_model_len"), [("m", window)]),
            (("data", 0, "id"), [(each, 8192) for each in ids]),
            (("data", 0), []),
            (("data",), [] if is_list else None),
        ):
            server.answers["GET /v1/models"] = (200, changed(LISTING, place, value))

            view = await models.view("vllm", refresh=True)

            if seen is None:
                assert isinstance(view.error, StreamBroken), place
            else:
                assert view.error is None, place
                assert [(entry.ref.id, entry.window) for entry in view.entries] == seen, place


@pytest.mark.parametrize("value", VALUES, ids=short)
async def test_a_version_and_a_count_are_taken_only_where_they_can_be_one(
    value: Any, serve: Serve, configure: Configure, open_models: Callable[..., Any]
) -> None:
    count = value if type(value) is int and 0 < value < 2**31 else None
    version = value if isinstance(value, str) else None
    async with serve(dict(GOOD)) as server:
        server.answers["GET /version"] = (200, changed({"version": ""}, ("version",), value))
        server.answers["POST /tokenize"] = (200, changed({"count": 5}, ("count",), value))
        models: Models = await open_models(told(server, configure))

        assert (await models.view("vllm", refresh=True)).server_version == version
        chosen = await models.choose("vllm/m")
        assert await models.count_tokens(chosen, [User("hi")]) == count


@pytest.mark.parametrize("body", NO_JSON, ids=lambda body: body[:12])
async def test_answers_that_are_no_json_are_no_answers(
    body: str, serve: Serve, configure: Configure, open_models: Callable[..., Any]
) -> None:
    async with serve(dict(GOOD)) as server:
        models: Models = await open_models(told(server, configure))
        chosen = await models.choose("vllm/m")
        server.answers |= dict.fromkeys(("GET /v1/models", "GET /version", "POST /tokenize"), (200, body))

        view = await models.view("vllm", refresh=True)

        assert isinstance(view.error, StreamBroken)
        assert [entry.ref.id for entry in view.entries] == ["m"], "what it served before is still known"
        assert view.stale
        assert await models.count_tokens(chosen, [User("hi")]) is None


@pytest.fixture(scope="module")
async def damaged() -> AsyncIterator[DamagedServer]:
    async with DamagedServer(FAULTS) as server:
        yield server


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=[case.name for case in FAULTS])
async def test_a_server_that_is_damaged_on_every_route_gives_a_typed_error(
    number: int, damaged: DamagedServer, configure: Configure
) -> None:
    case: Case = FAULTS[number]
    base_url = damaged.base_url(number)
    configuration = configure(
        {"models": {"providers": {"vllm": {"baseUrl": base_url, "apiKey": "local", "models": []}}}}
    )
    async with Http({}) as http:
        view = await Models(configuration, http).view("vllm", refresh=True)

    assert isinstance(view.error, ModelError)
    assert view.entries == ()
    if isinstance(case.expected, Broken):
        empty = RequestRefused if "20" in case.name else StreamBroken  # a success, but not the one that was asked for
        assert isinstance(view.error, (case.expected.kind, StreamBroken, empty))
    assert str(view.error)
