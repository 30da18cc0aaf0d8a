"""What was found out holds for one process of one server, and what a turn shows is remembered beside it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from garra.config.load import Configuration
from garra.errors import ModelUnreachable, ServerFailed
from tests.models.servers import Make, no_tools, serving

pytestmark = pytest.mark.anyio
Configure = Callable[..., Configuration]

REFUSING = Make(refuses=no_tools, binds=("structured_outputs",))
TAKING = Make(binds=("structured_outputs",))


def vllm(base_url: str) -> dict[str, Any]:
    return {"models": {"providers": {"vllm": {"baseUrl": base_url}}}}


def started(at: float) -> dict[str, Any]:
    return {"GET /metrics": (200, f"process_start_time_seconds {at}\n")}


def aged(file: Path, seconds: float) -> None:
    """As if what the file holds had been found that much earlier."""
    kept = json.loads(file.read_text())
    for found in kept["tried"].values():
        found["tried_at"] -= seconds
    for listing in kept["listings"].values():
        listing["asked_at"] -= seconds
    file.write_text(json.dumps(kept))


async def test_a_restart_with_other_flags_is_noticed_when_the_server_is_asked_again(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve(serving(TAKING) | started(100.5)) as server:
        configuration = configure(vllm(server.base_url))
        models = await open_models(configuration)
        chosen = await models.choose("vllm/m")
        assert (await models.capabilities(chosen)).tools == "native"

        server.answers |= serving(REFUSING) | started(200.5)
        aged(configuration.paths.catalogue_file, 601)

        assert (await models.capabilities(chosen)).tools == "refused"


async def test_a_refusal_is_not_tried_again_while_the_same_process_runs(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve(serving(REFUSING) | started(100.5)) as server:
        configuration = configure(vllm(server.base_url))
        models = await open_models(configuration)
        chosen = await models.choose("vllm/m")
        first = await models.capabilities(chosen)
        chats, asked = server.asked("/v1/chat/completions"), server.asked("/v1/models")
        aged(configuration.paths.catalogue_file, 61)

        assert await models.capabilities(chosen) == first
        assert server.asked("/v1/chat/completions") == chats
        assert server.asked("/v1/models") == asked + 1

        server.answers |= serving(TAKING) | started(200.5)
        aged(configuration.paths.catalogue_file, 61)
        assert (await models.capabilities(chosen)).tools == "native"


async def test_other_weights_under_the_same_name_are_another_model(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve(serving(TAKING)) as server:
        models = await open_models(configure(vllm(server.base_url)))
        chosen = await models.choose("vllm/m")
        await models.capabilities(chosen)

        server.answers |= serving(REFUSING)
        server.answers["GET /v1/models"] = (200, {"data": [{"id": "m", "root": "/weights/other"}]})
        await models.view("vllm", refresh=True)

        assert (await models.capabilities(chosen)).tools == "refused"


async def test_after_a_failure_the_server_is_asked_who_it_is_before_it_is_believed(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve(serving(TAKING) | started(100.5)) as server:
        models = await open_models(configure(vllm(server.base_url)))
        chosen = await models.choose("vllm/m")
        await models.capabilities(chosen)
        server.answers |= serving(REFUSING) | started(200.5)
        assert (await models.capabilities(chosen)).tools == "native"

        await models.explain(ServerFailed("The engine died."), chosen)

        assert (await models.capabilities(chosen)).tools == "refused"
        asked = server.asked("/v1/models")
        await models.capabilities(chosen)
        assert server.asked("/v1/models") == asked


async def test_a_server_that_is_gone_after_a_failure_is_an_error_and_not_what_it_was(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve(serving(TAKING)) as server:
        models = await open_models(configure(vllm(server.base_url)))
        chosen = await models.choose("vllm/m")
        await models.capabilities(chosen)

    await models.explain(ModelUnreachable("No connection."), chosen)

    with pytest.raises(ModelUnreachable):
        await models.capabilities(chosen)


async def test_what_a_turn_showed_is_remembered_over_processes(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve(serving(TAKING)) as server:
        configuration = configure(vllm(server.base_url))
        models = await open_models(configuration)
        chosen = await models.choose("vllm/m")
        await models.capabilities(chosen)

        await models.learn(chosen, reasoning_field="reasoning_content", stream_usage=True)

        again = await (await open_models(configuration)).capabilities(chosen)
    assert (again.tools, again.reasoning_field, again.stream_usage) == ("native", "reasoning_content", True)


async def test_a_refusal_in_a_turn_is_remembered_for_a_while(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve(serving(TAKING)) as server:
        configuration = configure(vllm(server.base_url))
        models = await open_models(configuration)
        chosen = await models.choose("vllm/m")
        await models.capabilities(chosen)

        await models.learn(chosen, tools="refused", parser=False, reason="no parser")
        learnt = await models.capabilities(chosen)
        aged(configuration.paths.catalogue_file, 61)

        assert (learnt.tools, learnt.reason) == ("refused", "no parser")
        assert (await models.capabilities(chosen)).tools == "native"


async def test_what_is_learnt_twice_is_written_once(configure: Configure, open_models: Any, serve: Any) -> None:
    async with serve(serving(TAKING)) as server:
        configuration = configure(vllm(server.base_url))
        models = await open_models(configuration)
        chosen = await models.choose("vllm/m")
        await models.capabilities(chosen)
        await models.learn(chosen, stream_usage=True)
        before = configuration.paths.catalogue_file.stat()

        await models.learn(chosen, stream_usage=True)

    assert configuration.paths.catalogue_file.stat() == before


async def test_what_is_learnt_of_a_model_that_was_never_tried_is_not_kept(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve(serving(TAKING)) as server:
        models = await open_models(configure(vllm(server.base_url)))
        chosen = await models.choose("vllm/m")

        await models.learn(chosen, stream_usage=True)

        assert (await models.capabilities(chosen)).stream_usage is None


async def test_a_quick_try_keeps_what_a_whole_one_found_on_the_same_server(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve(serving(Make(sees_images=True, binds=("structured_outputs",)))) as server:
        models = await open_models(configure(vllm(server.base_url)))
        chosen = await models.choose("vllm/m")
        await models.probe(chosen, whole=True)

        found = await models.probe(chosen)

    assert found.images is True


async def test_two_servers_with_the_same_model_are_known_apart(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve(serving(TAKING)) as one, serve(serving(REFUSING)) as other:
        configuration = configure(vllm(one.base_url))
        models = await open_models(configuration)
        here = await models.choose("vllm/m")
        there = await (await open_models(configure(vllm(other.base_url)))).choose("vllm/m")
        first = [(await models.capabilities(each)).tools for each in (here, there)]
        asked = one.asked("/v1/chat/completions")

        again = [(await models.capabilities(each)).tools for each in (here, there)]

    assert first == again == ["native", "refused"]
    assert one.asked("/v1/chat/completions") == asked


async def test_a_list_shows_what_is_known_and_tries_nothing(configure: Configure, open_models: Any, serve: Any) -> None:
    async with serve(serving(REFUSING)) as server:
        models = await open_models(configure(vllm(server.base_url)))
        before = (await models.view("vllm", refresh=True)).entries[0].able
        found = await models.capabilities(await models.choose("vllm/m"))
        asked = server.asked("/v1/chat/completions")

        after = (await models.view("vllm", refresh=True)).entries[0].able

    assert (before, after) == (None, found)
    assert server.asked("/v1/chat/completions") == asked


async def test_the_turns_after_the_first_ask_the_server_nothing_about_itself(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve(serving(TAKING)) as server:
        models = await open_models(configure(vllm(server.base_url)))
        chosen = await models.choose("vllm/m")
        await models.capabilities(chosen)
        asked = len(server.requests)

        await models.choose("vllm/m")
        await models.capabilities(chosen)

        assert len(server.requests) == asked


async def test_found_from_the_future_is_found_again(configure: Configure, open_models: Any, serve: Any) -> None:
    async with serve(serving(REFUSING)) as server:
        configuration = configure(vllm(server.base_url))
        models = await open_models(configuration)
        chosen = await models.choose("vllm/m")
        await models.capabilities(chosen)
        server.answers |= serving(TAKING)
        aged(configuration.paths.catalogue_file, -3600)

        assert (await models.capabilities(chosen)).tools == "native"
