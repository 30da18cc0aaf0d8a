"""Several servers of one provider: who serves a session, how they are configured, and what happens when one is down."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from garra.config.load import Configuration
from garra.errors import ConfigError
from garra.models.models import Models
from garra.models.replicas import at, ordered
from garra.testing import ScriptedModel

Configure = Callable[..., Configuration]
URLS = tuple(f"http://10.0.0.{number}:8000/v1" for number in range(1, 5))
urls = st.lists(st.sampled_from(URLS), unique=True).map(tuple)
keys = st.text(max_size=20)


@given(urls, keys)
def test_the_one_that_served_last_goes_first(base_urls: tuple[str, ...], key: str) -> None:
    for last in base_urls:
        assert ordered(base_urls, key, last)[0] == last


@given(urls, keys, st.sampled_from(["", "http://elsewhere/v1", *URLS]))
def test_every_replica_is_there_once(base_urls: tuple[str, ...], key: str, last: str) -> None:
    assert sorted(ordered(base_urls * 2, key, last)) == sorted(base_urls)


@given(urls, keys, st.randoms())
def test_the_order_in_the_configuration_does_not_matter(base_urls: tuple[str, ...], key: str, chance: Any) -> None:
    shuffled = list(base_urls)
    chance.shuffle(shuffled)

    assert ordered(tuple(shuffled), key, "") == ordered(base_urls, key, "")


@given(keys)
def test_a_replica_that_goes_moves_only_the_sessions_that_were_on_it(key: str) -> None:
    before = ordered(URLS, key, "")

    for gone in URLS:
        assert ordered(tuple(url for url in URLS if url != gone), key, "") == tuple(
            url for url in before if url != gone
        )


def test_sessions_spread_over_the_replicas() -> None:
    firsts = [ordered(URLS, f"agent:main:explicit:{number}", "")[0] for number in range(400)]

    assert all(firsts.count(url) > 50 for url in URLS)


def test_the_order_is_the_same_in_every_process() -> None:
    """Python's own hash differs from process to process."""
    import os
    import subprocess
    import sys

    code = f"import json; from garra.models.replicas import ordered; print(json.dumps(ordered({URLS!r}, 'key', '')))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }

    assert {tuple(json.loads(answer)) for answer in found} == {ordered(URLS, "key", "")}


def provider(**settings: Any) -> dict[str, Any]:
    return {"models": {"providers": {"vllm": settings}}}


@pytest.mark.anyio
async def test_a_provider_whose_first_replica_is_down_lists_its_models_once_and_is_chosen(
    configure: Configure, open_models: Callable[[Configuration], Any]
) -> None:
    async with ScriptedModel() as gone, ScriptedModel(max_model_len=4096) as alive:
        await gone.stop()
        models: Models = await open_models(configure(provider(baseUrls=[gone.base_url, alive.base_url + "/"])))

        [view] = await models.views(refresh=True)
        chosen = await models.choose("vllm/scripted")

    assert [str(entry.ref) for entry in view.entries] == ["vllm/scripted"]
    assert view.error is None
    assert chosen.window == 4096
    assert chosen.replicas == (gone.base_url, alive.base_url)
    assert chosen.endpoint.base_url == view.base_url == alive.base_url


@pytest.mark.anyio
async def test_a_replica_that_went_down_after_it_was_asked_is_passed_over(
    configure: Configure, open_models: Callable[[Configuration], Any]
) -> None:
    async with ScriptedModel() as first, ScriptedModel() as second:
        models: Models = await open_models(configure(provider(baseUrls=[first.base_url, second.base_url])))
        before = await models.choose("vllm/scripted")
        await first.stop()
        view = await models.view("vllm", refresh=True)
        after = await models.choose("vllm/scripted")

    assert before.endpoint.base_url == first.base_url
    assert view.base_url == after.endpoint.base_url == second.base_url
    assert after.replicas == before.replicas


@pytest.mark.anyio
async def test_a_provider_without_any_replica_says_so_with_its_first_one(
    configure: Configure, open_models: Callable[[Configuration], Any]
) -> None:
    async with ScriptedModel() as first, ScriptedModel() as second:
        pass
    models: Models = await open_models(configure(provider(baseUrls=[first.base_url, second.base_url])))

    [view] = await models.views(refresh=True)

    assert first.base_url in str(view.error)


@pytest.mark.anyio
async def test_the_key_goes_to_every_replica(configure: Configure, open_models: Callable[[Configuration], Any]) -> None:
    async with ScriptedModel(api_key="local") as first, ScriptedModel(api_key="local") as second:
        settings = provider(baseUrl=first.base_url, baseUrls=[second.base_url, first.base_url], apiKey="local")
        models: Models = await open_models(configure(settings))
        chosen = await models.choose("vllm/scripted")
        found = [(await models.capabilities(at(chosen, url))).tools for url in chosen.replicas]

    assert chosen.replicas == (first.base_url, second.base_url)
    assert found == ["native", "native"]


@pytest.mark.anyio
async def test_a_model_with_an_address_of_its_own_has_no_replicas(
    configure: Configure, open_models: Callable[[Configuration], Any]
) -> None:
    row = {"id": "apart", "name": "apart", "baseUrl": "http://10.0.0.9/v1", "contextWindow": 4096}
    models: Models = await open_models(configure(provider(baseUrls=list(URLS), models=[row])))

    assert (await models.choose("vllm/apart")).replicas == ()


@pytest.mark.anyio
async def test_one_address_in_the_list_is_as_good_as_base_url(
    configure: Configure, open_models: Callable[[Configuration], Any]
) -> None:
    row = {"id": "m", "name": "m", "contextWindow": 4096}
    models: Models = await open_models(configure(provider(baseUrls=[URLS[0]], models=[row])))

    chosen = await models.choose("vllm/m")

    assert (chosen.endpoint.base_url, chosen.replicas) == (URLS[0], ())


def test_each_address_is_checked_as_base_url_is(configure: Configure) -> None:
    with pytest.raises(ConfigError, match=r"providers\.vllm\.baseUrls\[1\]: must start with http"):
        configure(provider(baseUrls=[URLS[0], "10.0.0.2:8000"]))


@pytest.mark.anyio
async def test_a_login_of_its_own_is_refused_without_showing_it(
    configure: Configure, open_models: Callable[[Configuration], Any]
) -> None:
    models: Models = await open_models(configure(provider(baseUrls=[URLS[0], "http://me:hidden@10.0.0.2/v1"])))

    with pytest.raises(ConfigError, match=r"baseUrls\[1\] has a login of its own") as caught:
        models.access("vllm")
    assert "hidden" not in str(caught.value)
