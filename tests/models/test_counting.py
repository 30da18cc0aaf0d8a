"""Token counts are those of the chat request that would be sent: the same prompt, from the same fields."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from garra.config.load import Configuration
from garra.wire.body import request_body
from garra.wire.messages import Assistant, System, ToolCall, ToolResult, ToolSpec, User
from garra.wire.request import ChatRequest

pytestmark = pytest.mark.anyio
Configure = Callable[..., Configuration]
RECORDINGS = Path(__file__).parent.parent / "recordings"

LOOK = ToolSpec("look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}})


def configured(base_url: str, **params: Any) -> dict[str, Any]:
    return {
        "models": {"providers": {"vllm": {"baseUrl": base_url}}},
        "agents": {"defaults": {"params": params}},
    }


def counting(count: Any = 7) -> dict[str, tuple[int, Any]]:
    return {"GET /v1/models": (200, {"data": [{"id": "m"}]}), "POST /tokenize": (200, {"count": count})}


@pytest.fixture
def counted(configure: Configure, open_models: Any, serve: Any) -> Callable[..., Any]:
    """What is asked of /tokenize for these messages and tools under these parameters."""

    async def ask(*messages: Any, tools: tuple[ToolSpec, ...] = (), **params: Any) -> dict[str, Any]:
        async with serve(counting()) as server:
            models = await open_models(configure(configured(server.base_url, **params)))
            assert await models.count_tokens(await models.choose("vllm/m"), messages, tools) == 7
            (request,) = [request for request in server.requests if request.path == "/tokenize"]
            body: dict[str, Any] = request.body
            return body

    return ask


async def test_a_whole_history_is_counted_as_it_is_sent(counted: Any) -> None:
    call = ToolCall("call_1", "look", '{"at": "that"}')
    history = (
        System("Be brief."),
        User("Look at that. \udce4"),
        Assistant("", (call,), "hm", "reasoning_content"),
        ToolResult("call_1", "look", ""),
    )

    asked = await counted(*history, tools=(LOOK,))

    sent = json.loads(request_body(ChatRequest("m", history, (LOOK,))))
    assert asked["messages"] == sent["messages"]
    assert asked["tools"] == sent["tools"]
    assert asked["add_generation_prompt"] is True


async def test_what_shapes_the_prompt_is_passed_on_and_nothing_else(counted: Any) -> None:
    extra = {"chat_template": "{{ messages }}", "add_generation_prompt": False, "min_tokens": 3}

    asked = await counted(User("Hi"), temperature=0.5, extra_body=extra)

    assert asked["chat_template"] == "{{ messages }}"
    assert asked["add_generation_prompt"] is False
    assert not {"temperature", "min_tokens", "stream", "stream_options", "max_tokens"} & set(asked)


@pytest.mark.parametrize(
    ("effort", "given", "expected"),
    [
        ("high", {}, {"enable_thinking": True, "reasoning_effort": "high"}),
        ("none", {}, {"enable_thinking": False, "reasoning_effort": "none"}),
        ("low", {"enable_thinking": False, "x": 1}, {"enable_thinking": False, "x": 1, "reasoning_effort": "low"}),
    ],
)
async def test_an_effort_reaches_the_template_as_it_does_in_a_chat_request(
    counted: Any, effort: str, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The chat route of vLLM 0.32 hands the effort to the template; its tokenizer route takes no such field."""
    asked = await counted(User("Hi"), reasoning_effort=effort, chat_template_kwargs=given)

    assert asked["chat_template_kwargs"] == expected


def recorded(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    kept = json.loads((RECORDINGS / f"tools/{name}.json").read_text())
    return json.loads(kept["request"]["body"]), json.loads(kept["response"]["body"])


async def test_vllm_counts_a_prompt_with_tools_as_it_charges_it(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    asked, counts = recorded("tokenize-tools")
    _, charged = recorded("tools-named")
    spec = asked["tools"][0]["function"]
    tool = ToolSpec(spec["name"], spec["description"], spec["parameters"])
    answers = counting() | {"POST /tokenize": (200, counts)}
    async with serve(answers) as server:
        models = await open_models(configure(configured(server.base_url)))
        messages = (User(asked["messages"][0]["content"]),)

        counted = await models.count_tokens(await models.choose("vllm/m"), messages, (tool,))

        (request,) = [request for request in server.requests if request.path == "/tokenize"]
    assert (request.body["messages"], request.body["tools"]) == (asked["messages"], asked["tools"])
    assert counted == charged["usage"]["prompt_tokens"]


@pytest.mark.parametrize("count", [None, "7", 7.0, True, []])
async def test_a_count_that_is_no_number_is_none(
    configure: Configure, open_models: Any, serve: Any, count: Any
) -> None:
    async with serve(counting(count)) as server:
        models = await open_models(configure(configured(server.base_url)))

        assert await models.count_tokens(await models.choose("vllm/m"), (User("Hi"),)) is None
