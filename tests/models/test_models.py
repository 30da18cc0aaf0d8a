"""Which models there are and which one answers, against real servers on the loopback address."""

import json
import stat
import time
from collections.abc import Callable
from typing import Any

import pytest

from garra.config.load import Configuration
from garra.errors import ConfigError, ContextOverflow, ModelNotFound, ModelUnreachable, NoModel
from garra.models.refs import ModelRef
from garra.testing import ScriptedModel

pytestmark = pytest.mark.anyio
Configure = Callable[..., Configuration]
TWO = {"object": "list", "data": [{"id": "Org/Big-Model", "max_model_len": 32768}, {"id": "small"}]}


def vllm(base_url: str, *rows: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {"models": {"providers": {"vllm": {"baseUrl": base_url, "models": list(rows), **settings}}}}


def wildcard(data: dict[str, Any]) -> dict[str, Any]:
    return data | {"agents": {"defaults": {"models": {"vllm/*": {}}}}}


def row(model_id: str, **fields: Any) -> dict[str, Any]:
    return {"id": model_id, "name": model_id, **fields}


async def test_a_key_in_the_environment_opts_into_vllm_at_its_usual_address(
    configure: Configure, open_models: Any
) -> None:
    other = {"models": {"providers": {"box": {"baseUrl": "http://127.0.0.1:9/v1", "models": []}}}}

    opted_in = await open_models(configure(other, VLLM_API_KEY="vllm-local"))
    not_opted_in = await open_models(configure(other))

    assert opted_in.providers() == ("box", "vllm")
    assert opted_in.access("vllm").endpoint.base_url == "http://127.0.0.1:8000/v1"
    assert not_opted_in.providers() == ("box",)


async def test_a_stored_profile_opts_in_as_well_and_counts_at_once(configure: Configure, open_models: Any) -> None:
    from garra.models.profiles import Profiles

    configuration = configure({"models": {"providers": {"box": {"baseUrl": "http://127.0.0.1:9/v1"}}}})
    models = await open_models(configuration)
    assert models.providers() == ("box",)

    Profiles().with_key("vllm:default", "k").save(configuration.paths.auth_file)

    assert models.providers() == ("box", "vllm")


async def test_where_nothing_is_configured_vllm_is_asked_without_a_key(configure: Configure, open_models: Any) -> None:
    models = await open_models(configure())

    assert models.providers() == ("vllm",)
    assert models.access("vllm").endpoint.api_key is None
    assert models.default_provider() == "vllm"


async def test_replace_mode_has_the_listed_providers_alone(configure: Configure, open_models: Any) -> None:
    models = await open_models(configure({"models": {"mode": "replace"}}, VLLM_API_KEY="k"))

    assert models.providers() == ()
    with pytest.raises(NoModel, match=r"garra config set models\.providers\.vllm\.baseUrl"):
        await models.choose(None)


async def test_what_a_server_lists_becomes_the_entries(configure: Configure, open_models: Any, serve: Any) -> None:
    async with serve({"GET /v1/models": (200, TWO), "GET /version": (200, {"version": "0.32.0"})}) as server:
        models = await open_models(configure(wildcard(vllm(server.base_url))))

        view = await models.view("vllm")

    assert [(str(entry.ref), entry.window, entry.max_tokens, entry.source) for entry in view.entries] == [
        ("vllm/Org/Big-Model", 32768, None, "server"),
        ("vllm/small", None, None, "server"),
    ]
    assert view.server_version == "0.32.0"
    assert view.error is None


async def test_an_explicit_provider_lists_its_rows_alone(configure: Configure, open_models: Any, serve: Any) -> None:
    async with serve({"GET /v1/models": (200, TWO)}) as server:
        models = await open_models(configure(vllm(server.base_url, row("small", contextWindow=4096, maxTokens=512))))

        view = await models.view("vllm")

        assert [(str(entry.ref), entry.window, entry.max_tokens) for entry in view.entries] == [
            ("vllm/small", 4096, 512)
        ]
        assert server.requests == []


async def test_the_wildcard_brings_discovery_back_beside_the_rows(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve({"GET /v1/models": (200, TWO)}) as server:
        data = wildcard(vllm(server.base_url, row("small", contextWindow=4096)))

        view = await (await open_models(configure(data))).view("vllm")

    assert {entry.ref.id: entry.source for entry in view.entries} == {"small": "both", "Org/Big-Model": "server"}
    assert {entry.ref.id: entry.window for entry in view.entries} == {"small": 4096, "Org/Big-Model": 32768}


async def test_a_row_without_a_window_gets_the_one_of_the_server(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve({"GET /v1/models": (200, TWO)}) as server:
        models = await open_models(configure(vllm(server.base_url, row("Org/Big-Model"))))

        chosen = await models.choose("vllm/Org/Big-Model")

    assert chosen.window == 32768
    assert not chosen.pinned


async def test_a_pinned_window_wins_and_the_servers_own_is_shown_beside_it(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve({"GET /v1/models": (200, TWO)}) as server:
        models = await open_models(
            configure(vllm(server.base_url, row("Org/Big-Model", contextWindow=128000, maxTokens=8192)))
        )

        chosen = await models.choose("vllm/Org/Big-Model")
        (entry,) = (await models.view("vllm", refresh=True)).entries

    assert (chosen.window, chosen.max_tokens, chosen.pinned) == (128000, 8192, True)
    assert (entry.window, entry.served_window, entry.source) == (128000, 32768, "both")


async def test_a_cap_on_the_context_narrows_the_window(configure: Configure, open_models: Any) -> None:
    data = vllm("http://127.0.0.1:9/v1", row("m", contextWindow=32768, contextTokens=16384))

    assert (await (await open_models(configure(data))).choose("vllm/m")).window == 16384


async def test_a_prompt_over_a_cap_is_explained_with_the_cap_and_not_with_the_server(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve({"GET /v1/models": (200, TWO)}) as server:
        data = vllm(server.base_url) | {"agents": {"defaults": {"contextTokens": 1000}}}
        models = await open_models(configure(data))
        chosen = await models.choose("vllm/Org/Big-Model")
        told = str(await models.explain(ContextOverflow("Too long."), chosen))

    assert chosen.capped
    assert told == "Too long.\ncontextTokens in the configuration allows 1,000 tokens; the server has 32,768."


async def test_a_model_that_is_not_listed_is_allowed_on_an_explicit_endpoint(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve({"GET /v1/models": (200, TWO)}) as server:
        models = await open_models(configure(vllm(server.base_url, row("small"))))

        served, unheard_of = await models.choose("vllm/org/big-model"), await models.choose("vllm/Some/Thing")

    assert (served.ref, served.window) == (ModelRef("vllm", "Org/Big-Model"), 32768)
    assert (unheard_of.ref, unheard_of.window) == (ModelRef("vllm", "Some/Thing"), None)


async def test_the_configured_primary_answers_and_an_agents_own_goes_before_it(
    configure: Configure, open_models: Any
) -> None:
    data = vllm("http://127.0.0.1:9/v1", row("a", contextWindow=1), row("b", contextWindow=1)) | {
        "agents": {
            "defaults": {"model": {"primary": "vllm/a", "fallbacks": ["vllm/b"]}},
            "entries": {"main": {}, "work": {"model": "vllm/b"}, "half": {"model": {"fallbacks": []}}},
        }
    }
    models = await open_models(configure(data))

    assert str((await models.choose(None)).ref) == "vllm/a"
    assert str((await models.choose(None, agent="work")).ref) == "vllm/b"
    assert str((await models.choose(None, agent="half")).ref) == "vllm/a"
    assert models.configured() == ("vllm/a", "vllm/b")


async def test_where_no_model_is_configured_the_first_served_one_answers(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve({"GET /v1/models": (200, TWO)}) as server:
        data = wildcard(vllm(server.base_url))
        data["models"]["providers"] = {"dead": {"baseUrl": "http://127.0.0.1:9/v1"}} | data["models"]["providers"]

        chosen = await (await open_models(configure(data))).choose(None)

    assert str(chosen.ref) == "vllm/Org/Big-Model"


async def test_an_alias_and_a_bare_id_find_their_model(configure: Configure, open_models: Any, serve: Any) -> None:
    async with serve({"GET /v1/models": (200, TWO)}) as server:
        data = vllm(server.base_url, row("small"), row("Org/Big-Model"))
        data |= {"agents": {"defaults": {"models": {"vllm/Org/Big-Model": {"alias": "big"}}}}}
        models = await open_models(configure(data))

        for text in ("big", "Org/Big-Model", "VLLM/org/big-model", "vllm/big"):
            assert str((await models.choose(text)).ref) == "vllm/Org/Big-Model"


async def test_a_bare_id_of_two_providers_is_refused_with_both_named(configure: Configure, open_models: Any) -> None:
    same = {"baseUrl": "http://127.0.0.1:9/v1", "models": [row("m", contextWindow=1)]}
    models = await open_models(configure({"models": {"providers": {"one": same, "two": same}}}))

    with pytest.raises(ConfigError, match="one/m, two/m"):
        await models.choose("m")


async def test_params_are_merged_over_all_their_layers(configure: Configure, open_models: Any) -> None:
    data = vllm("http://127.0.0.1:9/v1", row("m", contextWindow=8192, params={"maxTokens": 64}), params={"topK": 1}) | {
        "agents": {
            "defaults": {
                "params": {"temperature": 0.1, "seed": 1},
                "models": {"vllm/m": {"params": {"temperature": 0.5, "minP": 0.1}}, "vllm/*": {"params": {"seed": 2}}},
            },
            "entries": {
                "main": {},
                "a": {"models": {"vllm/m": {"params": {"seed": 3}}}, "params": {"temperature": 0.9}},
            },
        }
    }
    models = await open_models(configure(data))

    shared, own = await models.choose("vllm/m"), await models.choose("vllm/m", agent="a")

    assert shared.params == {"top_k": 1, "temperature": 0.5, "seed": 2, "min_p": 0.1}
    assert own.params == {"top_k": 1, "temperature": 0.9, "seed": 3, "min_p": 0.1}
    assert shared.max_tokens == 64


async def test_a_parameter_that_would_be_dropped_is_refused_by_its_key(configure: Configure, open_models: Any) -> None:
    data = vllm("http://127.0.0.1:9/v1", row("m", contextWindow=8192))
    data |= {"agents": {"defaults": {"models": {"vllm/m": {"params": {"top_kk": 5}}}}}}

    with pytest.raises(ConfigError, match=r'agents\.defaults\.models\["vllm/m"\]\.params\.top_kk: .*top_k'):
        await (await open_models(configure(data))).choose("vllm/m")


async def test_a_provider_of_any_other_name_works_the_same(configure: Configure, open_models: Any) -> None:
    async with ScriptedModel(model="m", api_key="sekret") as server:
        data = {"models": {"providers": {"My-Box": {"baseUrl": server.base_url, "models": [row("m")]}}}}
        models = await open_models(configure(data, MY_BOX_API_KEY="sekret"))

        chosen = await models.choose("my-box/m")

    assert chosen.window == 8192
    assert chosen.endpoint.provider == "my-box"
    assert chosen.key_source == "environment variable MY_BOX_API_KEY"


async def test_a_missing_variable_is_never_sent_anywhere(configure: Configure, open_models: Any, serve: Any) -> None:
    async with serve({"GET /v1/models": (200, TWO)}) as server:
        models = await open_models(configure(wildcard(vllm(server.base_url, apiKey="${NOPE_KEY}"))))

        view = await models.view("vllm", refresh=True)
        with pytest.raises(ConfigError, match="NOPE_KEY"):
            await models.choose("vllm/small")

        assert "NOPE_KEY" in str(view.error)
        assert server.requests == []


async def test_the_key_goes_to_the_providers_host_and_to_no_other(configure: Configure, open_models: Any) -> None:
    rows = [
        row("here", contextWindow=1, baseUrl="http://127.0.0.1:8001/v1"),
        row("away", contextWindow=1, baseUrl="http://elsewhere.invalid/v1", headers={"X-Own": "1"}),
    ]
    data = vllm("http://127.0.0.1:8000/v1", *rows, apiKey="sekret", headers={"X-Shared": "t0ken"})
    models = await open_models(configure(data))

    here, away = (await models.choose("vllm/here")).endpoint, (await models.choose("vllm/away")).endpoint

    assert (here.base_url, here.api_key) == ("http://127.0.0.1:8001/v1", "sekret")
    assert (away.base_url, away.api_key, away.headers) == ("http://elsewhere.invalid/v1", None, {"X-Own": "1"})


async def test_a_fresh_list_is_used_without_asking_again(configure: Configure, open_models: Any, serve: Any) -> None:
    async with serve({"GET /v1/models": (200, TWO)}) as server:
        configuration = configure(wildcard(vllm(server.base_url)))

        await (await open_models(configuration)).view("vllm")
        await (await open_models(configuration)).choose("vllm/small")

        assert server.asked("/v1/models") == 1
        assert stat.S_IMODE(configuration.paths.catalogue_file.stat().st_mode) == 0o600


async def test_an_old_list_is_asked_for_again(configure: Configure, open_models: Any, serve: Any) -> None:
    async with serve({"GET /v1/models": (200, TWO)}) as server:
        configuration = configure(wildcard(vllm(server.base_url)))
        models = await open_models(configuration)
        await models.view("vllm")
        file = configuration.paths.catalogue_file
        kept = json.loads(file.read_text())
        for listing in kept["listings"].values():
            listing["asked_at"] = time.time() - 601
        file.write_text(json.dumps(kept))

        await models.view("vllm")

        assert server.asked("/v1/models") == 2


async def test_the_last_good_list_is_kept_while_the_server_is_down(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve({"GET /v1/models": (200, TWO)}) as server:
        models = await open_models(configure(wildcard(vllm(server.base_url))))
        asked_at = (await models.view("vllm")).asked_at

    view = await models.view("vllm", refresh=True)

    assert [entry.ref.id for entry in view.entries] == ["Org/Big-Model", "small"]
    assert {entry.source for entry in view.entries} == {"cache"}
    assert view.stale
    assert view.asked_at == asked_at
    assert isinstance(view.error, ModelUnreachable)


async def test_an_empty_answer_clears_the_list(configure: Configure, open_models: Any, serve: Any) -> None:
    async with serve({"GET /v1/models": (200, TWO)}) as server:
        models = await open_models(configure(wildcard(vllm(server.base_url))))
        await models.view("vllm")
        server.answers["GET /v1/models"] = (200, {"object": "list", "data": []})

        assert (await models.view("vllm", refresh=True)).entries == ()
        assert (await models.view("vllm")).entries == ()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"version": 99}', '{"version": 2, "listings": {"vllm x": 3}}'])
async def test_a_damaged_cache_is_ignored_and_replaced(
    configure: Configure, open_models: Any, serve: Any, damage: str
) -> None:
    async with serve({"GET /v1/models": (200, TWO)}) as server:
        configuration = configure(wildcard(vllm(server.base_url)))
        configuration.paths.catalogue_file.parent.mkdir(parents=True)
        configuration.paths.catalogue_file.write_text(damage)

        view = await (await open_models(configuration)).view("vllm")

        assert len(view.entries) == 2
        assert json.loads(configuration.paths.catalogue_file.read_text())["version"] == 2


async def test_a_cache_that_cannot_be_written_is_done_without(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve({"GET /v1/models": (200, TWO)}) as server:
        configuration = configure(wildcard(vllm(server.base_url)))
        (configuration.paths.home / "cache").write_text("a file where the folder should be")

        assert len((await (await open_models(configuration)).view("vllm")).entries) == 2


async def test_another_server_does_not_inherit_what_one_listed(
    configure: Configure, open_models: Any, serve: Any
) -> None:
    async with serve({"GET /v1/models": (200, TWO)}) as server:
        await (await open_models(configure(wildcard(vllm(server.base_url))))).view("vllm")

    view = await (await open_models(configure(wildcard(vllm("http://127.0.0.1:9/v1"))))).view("vllm")

    assert view.entries == ()
    assert not view.stale


async def test_a_provider_that_is_not_there_is_refused_with_the_way_to_add_it(
    configure: Configure, open_models: Any
) -> None:
    models = await open_models(configure(vllm("http://127.0.0.1:9/v1", row("m", contextWindow=1))))

    with pytest.raises(ModelNotFound, match=r"no provider \"box\"(?s:.*)models\.providers\.box\.baseUrl"):
        await models.choose("box/m")


async def test_vllm_that_is_not_opted_into_is_refused_with_the_variable_to_set(
    configure: Configure, open_models: Any
) -> None:
    models = await open_models(configure({"models": {"providers": {"box": {"baseUrl": "http://127.0.0.1:9/v1"}}}}))

    with pytest.raises(ModelNotFound, match="export VLLM_API_KEY="):
        await models.choose("vllm/m")
