"""V4, V5, V17, V20: what the real server serves and can do is asked of it, and its counts are its own."""

import json
from contextlib import aclosing
from pathlib import Path

import pytest

from garra.errors import RequestRefused
from garra.wire.chat import ChatCompletions
from garra.wire.events import Usage
from garra.wire.messages import Assistant, Message, System, ToolCall, ToolResult, ToolSpec, User
from garra.wire.request import ChatRequest
from tests.live.served import garra
from tests.live.vllm.real import MODEL, Real

pytestmark = [pytest.mark.anyio, pytest.mark.live]
WEATHER = ToolSpec(
    "get_weather", "Current weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}}
)
TALK: tuple[Message, ...] = (
    System('Answer in one word, and never with "<|im_end|>" or émojis 🦞.'),
    User("What is the weather in Paris?"),
    Assistant("", (ToolCall("call_1", "get_weather", '{"city": "Paris"}'),)),
    ToolResult("call_1", "get_weather", "21 degrees\n\n\tand  sunny"),
)


def test_the_served_model_is_listed_with_the_servers_own_window(real: Real, home: Path) -> None:
    real.configured(home)

    done = garra(home, "models", "list", "--json")

    assert done.returncode == 0, done.stderr
    models = json.loads(done.stdout)["models"]
    assert [(model["key"], model["contextWindow"]) for model in models] == [(f"vllm/{MODEL}", real.window)]


async def test_the_way_of_calling_tools_is_learnt_by_trying_once(real: Real, home: Path) -> None:
    """Each server has a reason of its own: no parser, or a chat template that leaves the tools out."""
    reasons = {"plain": "--enable-auto-tool-choice", "parser": "template", "key": "template"}

    async with real.models(home) as (_, models):
        chosen = await models.choose(None)
        able = await models.probe(chosen)
        asked = real.counters()
        again = await models.capabilities(chosen)

    assert chosen.window == real.window
    assert (able.tools, able.structured, able.tokenize, able.version) == ("refused", True, True, "0.32.0")
    assert reasons[real.name] in able.reason
    assert again.tools == able.tools
    assert real.counters()["vllm:generation_tokens_total"] == asked["vllm:generation_tokens_total"]


@pytest.mark.parametrize("with_tools", [False, True])
async def test_the_count_is_the_one_that_the_reply_is_billed_with(real: Real, home: Path, with_tools: bool) -> None:
    """With tools only where the server takes them; it says so itself where it does not."""
    tools = (WEATHER,) if with_tools else ()

    async with real.models(home) as (http, models):
        chosen = await models.choose(None)
        counted = await models.count_tokens(chosen, TALK, tools)
        request = ChatRequest(MODEL, TALK, tools=tools, max_tokens=1, params={"temperature": 0})
        if with_tools and real.name == "plain":
            with pytest.raises(RequestRefused, match="--enable-auto-tool-choice"):
                await usage_of(ChatCompletions(http, chosen.endpoint), request)
            return
        usage = await usage_of(ChatCompletions(http, chosen.endpoint), request)

    assert usage.prompt_tokens == counted


async def usage_of(chat: ChatCompletions, request: ChatRequest) -> Usage:
    async with aclosing(chat.stream(request)) as events:
        told = [event async for event in events if isinstance(event, Usage)]
    return told[-1]
