"""Every recording of a real vLLM, replayed byte for byte: the right events, the right errors with their numbers."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from garra.config.load import Configuration, load_configuration
from garra.config.paths import resolve_paths
from garra.errors import AuthRejected, ModelError, StreamBroken
from garra.models.discovery import ask, server_version
from garra.models.facts import process_of
from garra.models.load import Queue, queue_of
from garra.models.models import Models
from garra.wire.chat import ChatCompletions, error_of
from garra.wire.events import Event, Finish, Reply, TextDelta
from garra.wire.http import Http
from garra.wire.messages import System, ToolSpec, User
from garra.wire.request import ChatRequest, Endpoint
from tests.wire.recorded import (
    ALIVE,
    COUNTS,
    LISTINGS,
    METRICS,
    OTHER_APIS,
    REFUSALS,
    REPLIES,
    VERSIONS,
    Refused,
)
from tests.wire.replay import Recording, names, recording, replay

pytestmark = pytest.mark.anyio
PIECES = (1, 7, 100, 64 * 1024)
KEY = "any-key"
WEATHER = ToolSpec("get_weather", "Current weather of a city.", {"type": "object", "properties": {}})


def test_every_recording_stands_in_exactly_one_table() -> None:
    tables: Sequence[Sequence[str]] = (
        tuple(REPLIES), tuple(REFUSALS), LISTINGS, tuple(COUNTS), VERSIONS, ALIVE, METRICS, tuple(OTHER_APIS),
    )  # fmt: skip
    counted = Counter(name for table in tables for name in table)

    assert sorted(counted) == names()
    assert set(counted.values()) == {1}


@pytest.mark.parametrize("name", names())
async def test_the_body_arrives_byte_for_byte(name: str) -> None:
    said = recording(name)

    async with Http() as http, replay(name, piece=13) as server:
        answer = await http.request(said.method, f"{server.root_url}{said.path}", json=said.asked)

    assert (answer.status, answer.body) == (said.status, said.body)
    assert answer.headers.get("content-type") == said.headers.get("content-type")


async def asked_in_chat(name: str, piece: int = 64 * 1024) -> tuple[list[Event], ModelError | None]:
    """What a chat request comes to when this recording is its answer."""
    events: list[Event] = []
    async with Http() as http, replay(name, piece=piece) as server:
        chat = ChatCompletions(http, Endpoint(server.base_url, KEY))
        try:
            async with aclosing(chat.stream(ChatRequest("smollm2", (User("hi"),)))) as stream:
                async for event in stream:
                    events.append(event)
        except ModelError as error:
            return events, error
    return events, None


@pytest.mark.parametrize("name", REPLIES)
async def test_a_success_gives_the_right_events_however_its_bytes_are_split(name: str) -> None:
    expected, reply = REPLIES[name], Reply()
    events, error = await asked_in_chat(name)
    for event in events:
        reply.add(event)

    assert error is None
    assert (reply.text, reply.finish_reason, reply.usage) == (expected.text, expected.finish, expected.usage)
    assert reply.calls == expected.calls
    assert reply.message().reasoning == ""
    assert isinstance(events[-1], Finish)
    for piece in PIECES if recording(name).is_stream else ():
        assert await asked_in_chat(name, piece) == (events, None), piece


def check_refusal(error: ModelError, expected: Refused) -> None:
    assert type(error) is expected.kind, error
    for word in expected.words:
        assert word in str(error)
    for field in ("http_status", "param", "limit", "asked", "served"):
        if hasattr(error, field):
            assert getattr(error, field) == getattr(expected, field), field
    assert KEY not in str(error)


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_of_a_chat_gives_the_right_error_with_its_numbers(name: str) -> None:
    events, error = await asked_in_chat(name)

    assert events == []
    assert error is not None
    check_refusal(error, REFUSALS[name])


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_on_its_own_route_gives_the_same_error_and_names_the_url(name: str) -> None:
    said = recording(name)

    async with Http() as http, replay(name) as server:
        url, endpoint = f"{server.root_url}{said.path}", Endpoint(server.base_url, KEY)
        error = error_of(await http.request(said.method, url, json=said.asked), endpoint, url=url, model="nothing")

    check_refusal(error, REFUSALS[name])
    assert url in str(error)


@pytest.mark.parametrize(("name", "text"), OTHER_APIS.items())
async def test_the_answer_of_another_api_is_never_taken_for_an_empty_reply(name: str, text: str | None) -> None:
    """What the completions route says is text all the same; the others' answers are no reply."""
    events, error = await asked_in_chat(name)

    if text is None:
        assert isinstance(error, StreamBroken)
        assert "no reply" in str(error)
    else:
        assert error is None
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == text


@pytest.mark.parametrize("name", LISTINGS)
async def test_what_is_served_is_read_with_its_window(name: str) -> None:
    async with Http() as http, replay(name) as server:
        listing = await ask(http, Endpoint(server.base_url, KEY))

    assert listing.ids == ("smollm2",)
    assert listing.window("smollm2") == 8192


async def test_a_listing_that_is_refused_for_its_key_says_so() -> None:
    async with Http() as http, replay("key/models-none") as server:
        with pytest.raises(AuthRejected) as caught:
            await ask(http, Endpoint(server.base_url, None))

    assert f"{server.base_url}/models" in str(caught.value)


@pytest.mark.parametrize("name", VERSIONS)
async def test_the_version_is_read(name: str) -> None:
    async with Http() as http, replay(name) as server:
        assert await server_version(http, Endpoint(server.base_url, KEY)) == "0.32.0"


@pytest.mark.parametrize("name", ALIVE)
async def test_health_is_an_answer_without_a_body(name: str) -> None:
    async with Http() as http, replay(name) as server:
        answer = await http.request("GET", f"{server.root_url}/health")

    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("name", METRICS)
async def test_the_metrics_tell_the_queue_and_that_prefixes_are_cached(name: str) -> None:
    """Recorded on an idle server."""
    async with Http() as http, replay(name) as server:
        queue = await queue_of(http, Endpoint(server.base_url, KEY))
        process = await process_of(http, Endpoint(server.base_url, KEY))

    assert queue == Queue(running=0, waiting=0)
    assert process.prefix_caching is True
    assert process.started is not None


def whole_server(folder: str, method: str, path: str, body: object) -> Recording:
    """One recorded server: each route's own recording, and the chat route's by what is asked.

    All of them are of one prompt, the question about the weather: 41 tokens, with tools and without.
    """
    routes = {"/v1/models": "tools/models", "/version": "tools/version", "/health": "tools/health",
              "/metrics": "tools/metrics", "/tokenize": "tools/tokenize-tools"}  # fmt: skip
    asked = body if isinstance(body, dict) else {}
    if path == "/v1/chat/completions":
        return recording(f"{folder}/tools-{'auto' if asked.get('tools') else 'none'}")
    return recording(routes.get(path, "tools/unknown-route"))


def configured(base_url: str) -> Configuration:
    paths = resolve_paths(os.environ)
    paths.home.mkdir(parents=True, exist_ok=True)
    provider = {"baseUrl": base_url, "apiKey": KEY, "models": []}
    paths.config_file.write_text(json.dumps({"models": {"providers": {"vllm": provider}}}))
    return load_configuration(paths, os.environ)


@pytest.mark.parametrize(
    ("folder", "reason"), [("tools", "template has no place for tools"), ("plain", "--enable-auto-tool-choice")]
)
async def test_window_version_count_and_way_of_calling_tools_are_what_the_server_answered(
    folder: str, reason: str
) -> None:
    """With the parser the server takes `tools`, and the prompt has 41 tokens with them as without: none are shown."""
    async with Http() as http, replay(lambda *asked: whole_server(folder, *asked)) as server:
        models = Models(configured(server.base_url), http)
        chosen = await models.choose("vllm/smollm2")
        able = await models.probe(chosen)

    assert chosen.window == 8192
    assert (able.tools, able.tokenize, able.version) == ("refused", True, "0.32.0")
    assert reason in able.reason


@pytest.mark.parametrize("name", COUNTS)
async def test_tokens_are_counted_as_the_server_counts_them(name: str) -> None:
    def pick(method: str, path: str, body: object) -> Recording:
        return recording(name) if path == "/tokenize" else whole_server("tools", method, path, body)

    async with Http() as http, replay(pick) as server:
        models = Models(configured(server.base_url), http)
        chosen = await models.choose("vllm/smollm2")
        counted = await models.count_tokens(chosen, [System("s"), User("hi")], [WEATHER])

    assert counted == COUNTS[name]
    _, _, body = next(heard for heard in server.heard if heard[1] == "/tokenize")
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert [tool["function"]["name"] for tool in body["tools"]] == ["get_weather"]


async def test_a_count_that_is_refused_is_none_at_all() -> None:
    def pick(method: str, path: str, body: object) -> Recording:
        return recording("tools/error-tokenize") if path == "/tokenize" else whole_server("tools", method, path, body)

    async with Http() as http, replay(pick) as server:
        models = Models(configured(server.base_url), http)
        assert await models.count_tokens(await models.choose("vllm/smollm2"), [User("hi")]) is None
