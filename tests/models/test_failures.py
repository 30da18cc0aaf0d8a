"""V12 to V14: a server that is not there, a key that does not fit, a model that is not served. Each tells its mend."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from garra.config.load import Configuration
from garra.errors import (
    AuthRejected,
    ContextOverflow,
    GarraError,
    MissingVariable,
    ModelError,
    ModelNotFound,
    ModelUnreachable,
    NoModel,
    ServerFailed,
)
from garra.models.catalogue import Chosen
from garra.models.models import Models
from garra.testing import ScriptedModel
from garra.wire.chat import ChatCompletions
from garra.wire.http import Http
from garra.wire.messages import User
from garra.wire.request import ChatRequest

pytestmark = pytest.mark.anyio
Configure = Callable[..., Configuration]
PROMISED_S = 2.0


def vllm(base_url: str, *rows: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {"models": {"providers": {"vllm": {"baseUrl": base_url, "models": list(rows), **settings}}}}


def discovered(base_url: str, **settings: Any) -> dict[str, Any]:
    return vllm(base_url, **settings) | {"agents": {"defaults": {"models": {"vllm/*": {}}}}}


def row(model_id: str, **fields: Any) -> dict[str, Any]:
    return {"id": model_id, "name": model_id, **fields}


@pytest.fixture
def nobody_there() -> str:
    """A base URL on a port where nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


async def error_of_turn(configuration: Configuration, models: Models, chosen: Chosen) -> GarraError:
    """What a person is told when a request to the model fails, as the agent's loop makes it."""
    async with Http(configuration.env) as http:
        request = ChatRequest(chosen.ref.id, (User("hi"),), max_tokens=1)
        with pytest.raises(ModelError) as caught:
            async for _ in ChatCompletions(http, chosen.endpoint).stream(request):
                pass
    return await models.explain(caught.value, chosen)


async def test_a_server_that_is_not_there_is_told_with_its_url_and_how_to_check_it(
    configure: Configure, open_models: Any, nobody_there: str
) -> None:
    models = await open_models(configure(vllm(nobody_there)))

    async with asyncio.timeout(PROMISED_S):
        with pytest.raises(ModelUnreachable) as caught:
            await models.choose("vllm/some-model")

    for told in (
        f"curl {nobody_there}/models",
        "vllm/some-model",
        "garra config set models.providers.vllm.baseUrl",
    ):
        assert told in str(caught.value)


async def test_a_server_that_went_away_is_told_with_what_it_served(configure: Configure, open_models: Any) -> None:
    async with ScriptedModel(model="smollm2") as server:
        configuration = configure(vllm(server.base_url))
        models = await open_models(configuration)
        chosen = await models.choose("vllm/smollm2")

    async with asyncio.timeout(PROMISED_S):
        error = await error_of_turn(configuration, models, chosen)

    assert isinstance(error, ModelUnreachable)
    assert f"curl {server.base_url}/models" in str(error)
    assert "ago, it served: smollm2." in str(error)


async def test_a_pinned_model_on_a_server_that_is_not_there_is_told_the_same(
    configure: Configure, open_models: Any, nobody_there: str
) -> None:
    configuration = configure(vllm(nobody_there, row("m", contextWindow=8192)))
    models = await open_models(configuration)

    async with asyncio.timeout(PROMISED_S):
        error = await error_of_turn(configuration, models, await models.choose("vllm/m"))

    assert isinstance(error, ModelUnreachable)
    assert f"curl {nobody_there}/models" in str(error)


@pytest.mark.parametrize("key", [None, "wrong"])
async def test_a_key_that_does_not_fit_is_told_with_its_origin_and_the_commands_that_mend_it(
    configure: Configure, open_models: Any, key: str | None
) -> None:
    async with ScriptedModel(model="smollm2", api_key="sekret") as server:
        env = {} if key is None else {"VLLM_API_KEY": key}
        configuration = configure(vllm(server.base_url, row("smollm2", contextWindow=8192)), **env)
        models = await open_models(configuration)

        async with asyncio.timeout(PROMISED_S):
            error = await error_of_turn(configuration, models, await models.choose("vllm/smollm2"))

    assert isinstance(error, AuthRejected)
    origin = "No key was sent" if key is None else "environment variable VLLM_API_KEY"
    for told in (server.base_url, "vllm/smollm2", origin, "garra auth set vllm", "VLLM_API_KEY"):
        assert told in str(error)
    assert "wrong" not in str(error)


async def test_a_401_blocks_nothing_afterwards(configure: Configure, open_models: Any) -> None:
    async with ScriptedModel(model="smollm2", api_key="sekret") as server:
        wrong = configure(discovered(server.base_url), VLLM_API_KEY="wrong")
        refused = await (await open_models(wrong)).view("vllm")
        assert isinstance(refused.error, AuthRejected)

        right = await open_models(configure(discovered(server.base_url), VLLM_API_KEY="sekret"))

        assert (await right.choose("vllm/smollm2")).window == 8192
        assert (await right.view("vllm")).error is None


async def test_a_key_that_is_stored_while_the_program_runs_counts_at_once(
    configure: Configure, open_models: Any
) -> None:
    from garra.models.profiles import Profiles

    async with ScriptedModel(model="smollm2", api_key="sekret") as server:
        configuration = configure(discovered(server.base_url))
        models = await open_models(configuration)
        assert (await models.view("vllm")).error is not None

        Profiles().with_key("vllm:default", "sekret").save(configuration.paths.auth_file)

        assert (await models.view("vllm")).error is None


async def test_a_model_that_is_not_served_is_told_with_those_that_are(configure: Configure, open_models: Any) -> None:
    async with ScriptedModel(model="smollm2") as server:
        configuration = configure(vllm(server.base_url))
        models = await open_models(configuration)

        async with asyncio.timeout(PROMISED_S):
            error = await error_of_turn(configuration, models, await models.choose("vllm/smollm3"))

    assert isinstance(error, ModelNotFound)
    assert error.served == ("smollm2",)
    for told in (server.base_url, "vllm/smollm3", "garra models set vllm/smollm2"):
        assert told in str(error)


async def test_a_404_that_names_nothing_gets_the_served_ids_from_the_server(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    not_found = {"error": {"message": "The model `b` does not exist.", "type": "NotFoundError", "code": 404}}
    answers = {
        "GET /v1/models": (200, {"data": [{"id": "a"}]}),
        "POST /v1/chat/completions": (404, not_found),
    }
    async with serve(answers) as server:
        configuration = configure(vllm(server.base_url, row("b", contextWindow=8192)))
        models = await open_models(configuration)

        error = await error_of_turn(configuration, models, await models.choose("vllm/b"))

    assert isinstance(error, ModelNotFound)
    assert error.served == ("a",)
    assert "Served there: a." in str(error)
    assert "garra models set vllm/a" in str(error)


async def test_nothing_configured_and_several_servers_silent_is_told_for_each(
    configure: Configure, open_models: Any, nobody_there: str
) -> None:
    providers = {name: {"baseUrl": nobody_there} for name in ("one", "two")}
    models = await open_models(configure({"models": {"providers": providers}}))

    with pytest.raises(NoModel) as caught:
        await models.choose(None)

    assert str(caught.value).count("connection refused") == 2
    assert "garra models set PROVIDER/MODEL" in str(caught.value)


async def test_explaining_twice_adds_nothing(configure: Configure, open_models: Any, nobody_there: str) -> None:
    configuration = configure(vllm(nobody_there, row("m", contextWindow=8192)))
    models = await open_models(configuration)
    chosen = await models.choose("vllm/m")

    once = await error_of_turn(configuration, models, chosen)

    assert str(await models.explain(once, chosen)) == str(once)


async def test_an_error_that_needs_no_more_words_stays_as_it_is(configure: Configure, open_models: Any) -> None:
    models = await open_models(configure(vllm("http://127.0.0.1:9/v1", row("m", contextWindow=8192))))
    error = ServerFailed("it broke")

    assert await models.explain(error, await models.choose("vllm/m")) is error


async def test_a_window_that_changed_with_a_restart_is_told_and_reckoned_with_next_time(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    answers = {"GET /v1/models": (200, {"data": [{"id": "m", "max_model_len": 8192}]})}
    async with serve(answers) as server:
        models = await open_models(configure(vllm(server.base_url)))
        chosen = await models.choose("vllm/m")
        server.answers["GET /v1/models"] = (200, {"data": [{"id": "m", "max_model_len": 4096}]})

        error = await models.explain(ContextOverflow("It does not fit.", limit=4096, asked=5000), chosen)
        again = await models.choose("vllm/m")

    assert "4,096 tokens now; it was 8,192" in str(error)
    assert (error.limit, error.asked, again.window) == (4096, 5000, 4096)
    assert str(await models.explain(error, chosen)) == str(error)


async def test_a_pinned_window_that_is_wider_than_the_servers_is_told(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve({"GET /v1/models": (200, {"data": [{"id": "m", "max_model_len": 8192}]})}) as server:
        models = await open_models(configure(vllm(server.base_url, row("m", contextWindow=32768))))

        error = await models.explain(ContextOverflow("It does not fit."), await models.choose("vllm/m"))

    assert "contextWindow 32,768, the server 8,192" in str(error)


async def test_a_missing_variable_is_told_alone_where_no_model_is_named(
    configure: Configure, open_models: Any, nobody_there: str
) -> None:
    models = await open_models(configure(vllm(nobody_there, apiKey="${NOT_SET_ANYWHERE}")))

    with pytest.raises(MissingVariable, match="NOT_SET_ANYWHERE"):
        await models.choose(None)


async def test_an_answer_nested_without_end_is_no_crash(configure: Configure, open_models: Any, serve: Any) -> None:
    deep = "[" * 200_000
    answers = {f"GET {path}": (200, deep) for path in ("/v1/models", "/version")}
    async with serve(answers | {"POST /tokenize": (200, deep), "POST /v1/chat/completions": (200, deep)}) as server:
        models = await open_models(configure(vllm(server.base_url, row("m", contextWindow=8192))))
        view = await models.view("vllm", refresh=True)
        found = await models.probe(await models.choose("vllm/m"))

    assert "no JSON" in str(view.error)
    assert (found.structured, found.tokenize) == (False, False)
