"""What `garra doctor` finds about a server, well or damaged in several ways. Every hint and fault names a command."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from garra.config.paths import Paths
from garra.doctor.finding import Finding
from garra.testing import Answer, Failure, Raw, ScriptedModel, Silence
from garra.testing.script import Step
from tests.doctor.script import WELL, listing
from tests.live.served import free_port

pytestmark = pytest.mark.anyio
Write = Callable[[Any], None]
Findings = Callable[..., Awaitable[dict[str, Finding]]]

ASKING = (
    *("window", "chat", "native tools", "described tools", "text tools", "structured output"),
    *("tokenizer", "prefix cache", "thinking", "prompt"),
)


async def test_a_server_that_can_do_everything_is_well(write: Write, findings: Findings) -> None:
    async with ScriptedModel(WELL) as server:
        write(listing(server.base_url))

        found = await findings()

    assert {each.check for each in found.values() if each.state != "ok"} <= {"command", "engine", "tokenizer"}
    assert "Hello." in found["chat"].seen
    assert "0.32.0" in found["server"].seen
    assert "90 of" in found["prefix cache"].seen


async def test_a_server_that_is_down_is_broken_with_the_ways_to_start_one(write: Write, findings: Findings) -> None:
    port = free_port()
    write(listing(f"http://127.0.0.1:{port}/v1", "Org/M"))

    found = await findings()

    assert found["server"].state == "broken"
    assert found["server"].mend[0] == "garra up"
    assert any(f"--port {port}" in command for command in found["server"].mend)
    assert all(found[check].state == "skipped" for check in ("model", *ASKING))


async def test_a_server_that_wants_a_key_is_broken_with_the_command_that_stores_one(
    write: Write, findings: Findings
) -> None:
    async with ScriptedModel(WELL, api_key="sekret") as server:
        write(listing(server.base_url))

        found = await findings()
        wrong = await findings(VLLM_API_KEY="not-it")
        right = await findings(VLLM_API_KEY="sekret")

    assert found["server"].state == "broken"
    assert "garra auth set vllm" in found["server"].mend
    assert "export VLLM_API_KEY=…" in wrong["server"].mend
    assert right["chat"].state == "ok"
    assert not any("sekret" in repr(each) or "not-it" in repr(each) for each in [*wrong.values(), *right.values()])


async def test_a_key_variable_without_a_value_is_broken_before_anything_is_sent(
    write: Write, findings: Findings
) -> None:
    async with ScriptedModel() as server:
        write(listing(server.base_url, apiKey="${MY_KEY}"))

        found = await findings()

        assert server.requests == []
    assert found["key"].state == "broken"
    assert "export MY_KEY=…" in found["key"].mend
    assert found["server"].state == "skipped"


async def test_stored_keys_that_cannot_be_read_are_broken_and_the_file_is_left(
    write: Write, findings: Findings, paths: Paths
) -> None:
    async with ScriptedModel() as server:
        write(listing(server.base_url))
        paths.auth_file.write_text("not JSON")
        paths.auth_file.chmod(0o600)

        found = await findings()

    assert found["key"].state == "broken"
    assert found["key"].mend[0] == f"mv {paths.auth_file} {paths.auth_file}.damaged"
    assert paths.auth_file.read_text() == "not JSON"


async def test_a_pinned_profile_that_is_not_stored_is_broken(write: Write, findings: Findings) -> None:
    async with ScriptedModel() as server:
        write(listing(server.base_url))

        found = await findings("vllm/scripted@vllm:work")

    assert found["key"].state == "broken"
    assert found["key"].mend == ("garra auth set vllm:work",)


async def test_a_model_that_is_not_served_is_broken_with_one_that_is(write: Write, findings: Findings) -> None:
    async with ScriptedModel(model="Org/Small") as server:
        write(listing(server.base_url, "Org/Large"))

        found = await findings()

    assert found["model"].state == "broken"
    assert "garra models set vllm/Org/Small" in found["model"].mend
    assert found["chat"].state == "skipped"


async def test_a_ref_on_the_command_line_is_the_model_that_is_looked_at(write: Write, findings: Findings) -> None:
    async with ScriptedModel(WELL) as server:
        write(listing(server.base_url, "another"))

        found = await findings("vllm/scripted")
        unknown = await findings("elsewhere/scripted")

    assert (found["model"].state, found["chat"].state) == ("ok", "ok")
    assert unknown["model"].state == "broken"


async def test_a_pinned_window_that_the_server_does_not_have_is_broken(write: Write, findings: Findings) -> None:
    row = {"id": "scripted", "name": "scripted", "contextWindow": 128_000}
    async with ScriptedModel(WELL) as server:
        write(listing(server.base_url, models=[row]) | {"agents": {"defaults": {"models": {"vllm/*": {}}}}})

        found = await findings("vllm/scripted")

    assert found["window"].state == "broken"
    assert found["window"].mend == ("garra config unset 'models.providers.vllm.models[0].contextWindow'",)


async def test_a_window_that_the_prompt_does_not_fit_is_broken_with_a_wider_one(
    write: Write, findings: Findings
) -> None:
    async with ScriptedModel(WELL, max_model_len=60) as server:
        write(listing(server.base_url))

        found = await findings()

    assert found["prompt"].state == "broken"
    assert any("--max-model-len" in command for command in found["prompt"].mend)


async def test_a_replica_that_is_down_is_a_hint_and_the_other_is_looked_at(write: Write, findings: Findings) -> None:
    port = free_port()
    async with ScriptedModel(WELL) as server:
        write(listing(server.base_url, baseUrls=[f"http://127.0.0.1:{port}/v1"]))

        found = await findings()

    assert (found["replicas"].state, found["chat"].state) == ("hint", "ok")
    assert f"--port {port}" in found["replicas"].mend[0]


@pytest.mark.parametrize(
    "step",
    [
        Failure(500, "boom"),
        Failure(400, {"error": {"message": "chat template is missing", "type": "BadRequestError", "code": 400}}),
        Raw(b"<html><title>A proxy</title></html>", content_type="text/html"),
        Answer(("Hel", "lo"), ending="cut", stop_after=2),
        Silence(),
    ],
)
async def test_a_model_that_does_not_answer_is_broken_and_what_hangs_on_it_skipped(
    write: Write, findings: Findings, step: Step
) -> None:
    async with ScriptedModel([step] * 9) as server:
        write(listing(server.base_url))

        found = await findings(asking_limit_s=1)

    assert found["chat"].state == "broken"
    assert found["native tools"].state == "skipped"
    assert found["window"].state == "ok"


async def test_a_web_page_in_the_place_of_a_server_is_broken_with_the_address_to_set(
    write: Write, findings: Findings, serve_page: Any
) -> None:
    async with serve_page({"GET /models": (200, "<html><title>Hello</title></html>")}) as server:
        write(listing(server.base_url.removesuffix("/v1")))

        found = await findings()

    assert found["server"].state == "broken"
    assert found["server"].mend[0] == f"garra config set models.providers.vllm.baseUrl {server.base_url}"


async def test_a_configuration_that_cannot_be_used_skips_the_server_and_says_why(
    write: Write, findings: Findings
) -> None:
    write("{ models: ")

    found = await findings()

    assert found["configuration"].state == "broken"
    assert found["server"].state == "skipped"
    assert "configuration" in found["server"].seen
    assert found["store"].state == "ok"


async def test_nothing_is_asked_of_servers_that_are_not_looked_at(write: Write, findings: Findings) -> None:
    async with ScriptedModel(WELL) as server, ScriptedModel(WELL, model="other") as other:
        data = listing(server.base_url)
        data["models"]["providers"]["side"] = {"baseUrl": other.base_url}
        write(data)

        await findings()

    assert other.requests == []
