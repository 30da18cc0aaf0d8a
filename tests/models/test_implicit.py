"""V3 and V4: vLLM at its usual address, with nothing configured but a key. Skipped where that port is taken."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from garra.config.load import Configuration
from garra.errors import ModelNotFound
from garra.models.profiles import Profiles
from garra.testing import ScriptedModel

pytestmark = pytest.mark.anyio
Configure = Callable[..., Configuration]


@pytest.fixture
async def server() -> AsyncIterator[ScriptedModel]:
    model = ScriptedModel(model="Org/Tiny", api_key="sekret", port=8000)
    try:
        await model.start()
    except OSError:
        pytest.skip("port 8000 is taken on this machine")
    yield model
    await model.stop()


async def test_a_key_in_the_environment_is_all_it_takes(
    server: ScriptedModel, configure: Configure, open_models: Any
) -> None:
    models = await open_models(configure(VLLM_API_KEY="sekret"))

    chosen = await models.choose(None)

    assert str(chosen.ref) == "vllm/Org/Tiny"
    assert chosen.window == 8192
    assert server.requests[0].headers["authorization"] == "Bearer sekret"


async def test_a_stored_profile_is_all_it_takes(server: ScriptedModel, configure: Configure, open_models: Any) -> None:
    configuration = configure({"agents": {"defaults": {"model": {"primary": "vllm/org/tiny"}}}})
    Profiles().with_key("vllm:default", "sekret").save(configuration.paths.auth_file)

    chosen = await (await open_models(configuration)).choose(None)

    assert str(chosen.ref) == "vllm/Org/Tiny"
    assert chosen.key_source == "auth profile vllm:default"


async def test_a_model_that_it_does_not_list_is_refused_with_those_that_it_does(
    server: ScriptedModel, configure: Configure, open_models: Any
) -> None:
    models = await open_models(configure(VLLM_API_KEY="sekret"))

    with pytest.raises(ModelNotFound) as caught:
        await models.choose("vllm/another")

    assert caught.value.served == ("Org/Tiny",)
    assert "garra models set vllm/Org/Tiny" in str(caught.value)
    assert "http://127.0.0.1:8000/v1" in str(caught.value)


async def test_a_model_that_the_server_took_up_since_is_found_at_once(
    server: ScriptedModel, configure: Configure, open_models: Any
) -> None:
    models = await open_models(configure(VLLM_API_KEY="sekret"))
    await models.choose("vllm/Org/Tiny")
    server.model = "Org/New"

    assert str((await models.choose("vllm/Org/New")).ref) == "vllm/Org/New"
