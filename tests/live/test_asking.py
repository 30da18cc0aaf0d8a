"""Asking `garra serve` what it can do, and whether its counts are what it charges."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from garra.config.load import load_configuration
from garra.config.paths import resolve_paths
from garra.models.catalogue import Chosen
from garra.models.models import Models
from garra.wire.chat import ChatCompletions
from garra.wire.events import Reply
from garra.wire.http import Http
from garra.wire.messages import Assistant, Message, System, ToolCall, ToolResult, ToolSpec, User
from garra.wire.request import ChatRequest
from tests.live.served import Served, config, explicit

pytestmark = pytest.mark.anyio

LOOK = ToolSpec("look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]})
CALL = ToolCall("call_1", "look", '{"at": "the sky"}')


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as client:
        yield client


@pytest.fixture
def models(served: Served, home: Path, http: Http) -> Models:
    config(home, f"{{ {explicit(served.base_url)} }}")
    variables = {"HOME": str(home)}
    return Models(load_configuration(resolve_paths(variables), variables), http)


async def charged(http: Http, chosen: Chosen, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]) -> int:
    """The prompt's tokens in the usage of a chat request of one token, in which the tools are shown and not taken."""
    reply = Reply()
    request = ChatRequest(chosen.ref.id, messages, tools, "none", max_tokens=1, params=chosen.params)
    async with aclosing(ChatCompletions(http, chosen.endpoint).stream(request)) as events:
        async for event in events:
            reply.add(event)
    assert reply.usage is not None
    return reply.usage.prompt_tokens


@pytest.mark.parametrize(
    ("messages", "tools"),
    [
        ((User("Hello"),), ()),
        ((System("Be brief."), User("Wie heißt du? 🦀 ﷽")), ()),
        ((User("Look at the sky."), Assistant("", (CALL,)), ToolResult("call_1", "look", "It is blue.")), (LOOK,)),
    ],
    ids=["plain", "system", "tools"],
)
async def test_a_count_is_what_is_charged(
    models: Models, http: Http, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]
) -> None:
    chosen = await models.choose(None)

    counted = await models.count_tokens(chosen, messages, tools)

    assert counted == await charged(http, chosen, messages, tools)


async def test_the_embedded_server_is_found_to_hold_described_calls_to_their_schemas(models: Models) -> None:
    chosen = await models.choose(None)

    found = await models.probe(chosen, whole=True)

    assert (found.tools, found.structured, found.tokenize) == ("refused", True, True)
    assert (found.structural_tag, found.rung) == (True, "described, held to schemas")
    assert (found.images, found.stream_usage, found.cached_tokens) == (False, True, True)
