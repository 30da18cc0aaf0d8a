"""What a model can do: tried once, remembered for its server, forgotten when that changes."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from garra.config.load import Configuration
from garra.errors import AuthRejected, ModelUnreachable
from garra.testing import ScriptedModel
from garra.wire.messages import System, ToolSpec, User
from tests.models.servers import Make

pytestmark = pytest.mark.anyio
Configure = Callable[..., Configuration]


def vllm(base_url: str, **settings: Any) -> dict[str, Any]:
    return {"models": {"providers": {"vllm": {"baseUrl": base_url, **settings}}}}


def said(**message: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", **message}}]}


def serving(chat: tuple[int, Any]) -> dict[str, tuple[int, Any]]:
    """The answers of a server with one model that says this to everything."""
    return {"GET /v1/models": (200, {"data": [{"id": "m"}]}), "POST /v1/chat/completions": chat}


async def test_a_server_that_takes_tools_and_binds_answers_is_found_to(configure: Configure, open_models: Any) -> None:
    async with ScriptedModel(["hello", "yes"], model="m") as server:
        models = await open_models(configure(vllm(server.base_url)))

        found = await models.probe(await models.choose("vllm/m"))

    assert (found.tools, found.structured, found.tokenize, found.version) == ("native", True, True, "0.32.0")


async def test_the_tries_are_tiny(configure: Configure, open_models: Any) -> None:
    async with ScriptedModel(["hello", "yes"], model="m") as server:
        models = await open_models(configure(vllm(server.base_url)))

        await models.probe(await models.choose("vllm/m"))

    tools, structured = sorted((chat.body for chat in server.chats), key=lambda body: "tools" not in body)
    assert (tools["max_tokens"], tools["tool_choice"], len(tools["tools"])) == (1, "auto", 1)
    assert structured["structured_outputs"] == {"choice": ["yes", "no"]}
    assert structured["max_tokens"] <= 8


async def test_a_server_without_the_tool_flags_is_found_to_refuse_tools(configure: Configure, open_models: Any) -> None:
    async with ScriptedModel(model="m", takes_tools=False) as server:
        models = await open_models(configure(vllm(server.base_url)))

        found = await models.probe(await models.choose("vllm/m"))

    assert (found.tools, found.structured) == ("refused", True)
    assert "--enable-auto-tool-choice" in found.reason


async def test_a_refusal_that_is_not_about_tools_is_neither_taken_for_one_nor_remembered(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    refusal = {"error": {"message": "out of luck", "type": "BadRequestError", "code": 400}}
    async with serve(serving((400, refusal))) as server:
        models = await open_models(configure(vllm(server.base_url)))
        chosen = await models.choose("vllm/m")
        assert (await models.capabilities(chosen)).tools == "unknown"

        server.answers["POST /v1/chat/completions"] = (200, Make().chat)

        assert (await models.capabilities(chosen)).tools == "native"


async def test_an_answer_that_was_not_bound_is_no_structured_output(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve(serving((200, said(content="Yes, I am happy to help!")))) as server:
        models = await open_models(configure(vllm(server.base_url)))

        assert not (await models.probe(await models.choose("vllm/m"))).structured


async def test_a_model_that_thinks_first_is_given_room_for_its_answer(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve(serving((200, said(content=None, reasoning="let me see")))) as server:
        models = await open_models(configure(vllm(server.base_url)))

        assert not (await models.probe(await models.choose("vllm/m"))).structured

        bound = [request.body for request in server.requests if b'"structured_outputs"' in request.raw]
        assert [body["max_tokens"] > 100 for body in bound] == [False, True]


async def test_what_was_found_is_remembered_over_processes(configure: Configure, open_models: Any) -> None:
    async with ScriptedModel(["hello", "yes"], model="m") as server:
        configuration = configure(vllm(server.base_url))
        models = await open_models(configuration)
        first = await models.capabilities(await models.choose("vllm/m"))
        again = await open_models(configuration)

        assert await again.capabilities(await again.choose("vllm/m")) == first
        assert len(server.chats) == 2


async def test_another_version_of_the_server_is_tried_anew(configure: Configure, open_models: Any, serve: Any) -> None:
    answers = serving((200, said(content="yes"))) | {"GET /version": (200, {"version": "1"})}
    async with serve(answers) as server:
        models = await open_models(configure(vllm(server.base_url)))
        chosen = await models.choose("vllm/m")
        await models.capabilities(chosen)
        before = server.asked("/v1/chat/completions")
        server.answers["GET /version"] = (200, {"version": "2"})
        await models.view("vllm", refresh=True)

        found = await models.capabilities(chosen)

        assert server.asked("/v1/chat/completions") == 2 * before
        assert found.version == "2"
        assert not found.tokenize


async def test_a_refusal_is_tried_again_after_a_while_since_a_restart_may_lift_it(
    configure: Configure, open_models: Any
) -> None:
    async with ScriptedModel(model="m", takes_tools=False) as server:
        configuration = configure(vllm(server.base_url))
        models = await open_models(configuration)
        chosen = await models.choose("vllm/m")
        assert (await models.capabilities(chosen)).tools == "refused"
        server.takes_tools = True
        assert (await models.capabilities(chosen)).tools == "refused"
        file = configuration.paths.catalogue_file
        kept = json.loads(file.read_text())
        (tried,) = kept["tried"].values()
        tried["tried_at"] = time.time() - 601
        file.write_text(json.dumps(kept))

        assert (await models.capabilities(chosen)).tools == "native"


async def test_a_model_that_is_configured_to_take_no_tools_is_given_none(
    configure: Configure, open_models: Any
) -> None:
    async with ScriptedModel(model="m") as server:
        row = {"id": "m", "name": "m", "compat": {"supportsTools": False}}
        models = await open_models(configure(vllm(server.base_url, models=[row])))
        chosen = await models.choose("vllm/m")

        found = await models.capabilities(chosen)

        assert (found.tools, found.structured) == ("refused", True)
        assert await models.capabilities(chosen) == found


async def test_a_server_that_cannot_be_asked_is_an_error_and_not_an_inability(
    configure: Configure, open_models: Any
) -> None:
    async with ScriptedModel(model="m", api_key="sekret") as server:
        models = await open_models(configure(vllm(server.base_url, apiKey="sekret")))
        chosen = await models.choose("vllm/m")
        server.api_key = "another"
        with pytest.raises(AuthRejected, match="garra auth set vllm"):
            await models.probe(chosen)

    with pytest.raises(ModelUnreachable, match="curl"):
        await models.probe(chosen)


async def test_tokens_are_counted_by_the_server_over_messages_and_tools(configure: Configure, open_models: Any) -> None:
    async with ScriptedModel(model="m") as server:
        data = vllm(server.base_url)
        data |= {"agents": {"defaults": {"params": {"chat_template_kwargs": {"enable_thinking": False}}}}}
        models = await open_models(configure(data))
        messages = (System("Be brief."), User("Hello"))
        tools = (ToolSpec("look", "Looks.", {"type": "object", "properties": {}}),)

        counted = await models.count_tokens(await models.choose("vllm/m"), messages, tools)

    (request,) = [request for request in server.requests if request.path == "/tokenize"]
    assert isinstance(counted, int)
    assert counted > 0
    assert request.body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]
    assert request.body["tools"][0]["function"]["name"] == "look"
    assert request.body["add_generation_prompt"] is True
    assert request.body["chat_template_kwargs"] == {"enable_thinking": False}


async def test_a_recorded_count_is_read(
    configure: Configure, open_models: Any, serve: Any, recording: Callable[[str], Any]
) -> None:
    answers = {
        "GET /v1/models": recording("tools/models.json"),
        "POST /tokenize": recording("tools/tokenize-tools.json"),
    }
    async with serve(answers) as server:
        models = await open_models(configure(vllm(server.base_url)))

        assert await models.count_tokens(await models.choose("vllm/smollm2"), (User("hi"),)) == 41


async def test_a_server_that_does_not_count_is_asked_once(configure: Configure, open_models: Any, serve: Any) -> None:
    async with serve({"GET /v1/models": (200, {"data": [{"id": "m"}]})}) as server:
        models = await open_models(configure(vllm(server.base_url)))
        chosen = await models.choose("vllm/m")

        assert await models.count_tokens(chosen, (User("hi"),)) is None
        assert await models.count_tokens(chosen, (User("hi"),)) is None

        assert server.asked("/tokenize") == 1
