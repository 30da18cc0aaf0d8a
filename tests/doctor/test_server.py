"""What `garra doctor` finds about a server, well or damaged in several ways. Every hint and fault names a command."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from garra.doctor.finding import Finding
from garra.testing import Answer, Call, Failure, Raw, ScriptedModel, Silence, Thought
from garra.testing.script import Step
from tests.doctor.conftest import at
from tests.live.served import free_port

pytestmark = pytest.mark.anyio
Write = Callable[[Any], None]
Findings = Callable[..., Awaitable[dict[str, Finding]]]

CITY = {"city": "Paris"}
GREETING: Step = "Hello."
NATIVE_CALL: Step = Call("c1", "weather", CITY)
AS_TEXT = f'<tool_call>\n{{"name": "weather", "arguments": {json.dumps(CITY)}}}\n</tool_call>'
BIRD: Step = '{"bird": "heron"}'
CACHED: Step = Answer(("yes",), cached_tokens=90)
WELL: list[Step] = [GREETING, NATIVE_CALL, AS_TEXT, AS_TEXT, BIRD, CACHED, CACHED]
"""What a good model answers to the checks, in their order."""

ASKING = (
    *("window", "chat", "native tools", "described tools", "text tools", "structured output"),
    *("tokenizer", "prefix cache", "thinking", "prompt"),
)


def states(found: dict[str, Finding]) -> dict[str, str]:
    return {check: finding.state for check, finding in found.items()}


def listing(base_url: str, model: str = "scripted", **more: Any) -> dict[str, Any]:
    return at(base_url, **more) | {"agents": {"defaults": {"model": f"vllm/{model}"}}}


async def test_a_server_that_can_do_everything_is_well(write: Write, findings: Findings) -> None:
    async with ScriptedModel(WELL) as server:
        write(listing(server.base_url))

        found = await findings()

    assert {check for check, state in states(found).items() if state != "ok"} <= {"command", "engine", "tokenizer"}
    assert "Hello." in found["chat"].seen
    assert "0.32.0" in found["server"].seen
    assert "90 of" in found["prefix cache"].seen


async def test_the_requests_are_small_and_sober(write: Write, findings: Findings) -> None:
    async with ScriptedModel(WELL) as server:
        write(listing(server.base_url))

        await findings()

    bodies = [chat.body for chat in server.chats]
    assert all(body["max_tokens"] <= 128 and body["temperature"] == 0 for body in bodies)
    assert [bool(body.get("tools")) for body in bodies] == [False, True, False, False, False, False, False]
    held = json.loads(bodies[2]["structured_outputs"]["structural_tag"])
    assert held["format"]["at_least_one"] is True
    assert "structured_outputs" not in bodies[3]
    assert bodies[5]["messages"] == bodies[6]["messages"]


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


async def test_a_server_without_the_tool_flags_is_a_hint_with_the_whole_line(write: Write, findings: Findings) -> None:
    script = [GREETING, AS_TEXT, AS_TEXT, BIRD, CACHED, CACHED]
    async with ScriptedModel(script, model="Qwen/Qwen3-Coder-30B-A3B-Instruct", takes_tools=False) as server:
        write(listing(server.base_url, server.model))

        found = await findings()

    native = found["native tools"]
    assert (native.state, found["described tools"].state) == ("hint", "ok")
    assert native.mend == (
        f"vllm serve Qwen/Qwen3-Coder-30B-A3B-Instruct --port {server.port} "
        "--enable-auto-tool-choice --tool-call-parser qwen3_xml",
    )


async def test_a_call_that_comes_as_text_says_that_the_parser_does_not_fit(write: Write, findings: Findings) -> None:
    async with ScriptedModel([GREETING, AS_TEXT, *WELL[2:]]) as server:
        write(listing(server.base_url))

        found = await findings()

    assert found["native tools"].state == "hint"
    assert "--tool-call-parser" in found["native tools"].mend[0]


async def test_a_model_that_calls_no_tool_in_any_way_is_broken(write: Write, findings: Findings) -> None:
    async with ScriptedModel(["I can only talk."], takes_tools=False) as server:
        write(listing(server.base_url))

        found = await findings()

    assert states(found)["native tools"] == "hint"
    assert states(found)["text tools"] == "broken"
    assert states(found)["structured output"] == "hint"


async def test_a_weak_rung_is_not_complained_of_where_one_above_it_works(write: Write, findings: Findings) -> None:
    script = [GREETING, NATIVE_CALL, "No.", "No.", BIRD, CACHED, CACHED]
    async with ScriptedModel(script) as server:
        write(listing(server.base_url))

        found = await findings()

    assert (found["described tools"].state, found["text tools"].state) == ("ok", "ok")


async def test_thinking_is_told_by_its_field(write: Write, findings: Findings) -> None:
    async with ScriptedModel([[Thought("Let me see."), "Hello."], *WELL[1:]]) as server:
        write(listing(server.base_url))

        found = await findings()

    assert found["thinking"].state == "ok"
    assert "`reasoning`" in found["thinking"].seen


async def test_inline_thinking_is_a_hint_with_the_reasoning_parser(write: Write, findings: Findings) -> None:
    async with ScriptedModel(["<think>Let me see.</think>Hello.", *WELL[1:]], model="Qwen/Qwen3-8B") as server:
        write(listing(server.base_url, "Qwen/Qwen3-8B"))

        found = await findings()

    assert found["thinking"].state == "hint"
    assert found["thinking"].mend[0].endswith("--reasoning-parser qwen3")


async def test_a_cache_that_gives_nothing_back_is_a_hint(write: Write, findings: Findings) -> None:
    empty = Answer(("yes",), cached_tokens=0)
    async with ScriptedModel([*WELL[:5], empty, empty]) as server:
        write(listing(server.base_url))

        found = await findings()

    assert found["prefix cache"].state == "hint"
    assert "--enable-prefix-caching" in found["prefix cache"].mend[0]


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


async def test_a_server_without_a_tokenizer_or_counters_is_only_hinted_at(
    write: Write, findings: Findings, serve_page: Any
) -> None:
    reply = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    body = "".join(f"data: {json.dumps(frame)}\n\n" for frame in reply) + "data: [DONE]\n\n"
    answers = {"GET /v1/models": (200, {"data": [{"id": "m"}]}), "POST /v1/chat/completions": (200, body)}
    async with serve_page(answers) as server:
        write(listing(server.base_url, "m"))

        found = await findings()

    assert found["chat"].state == "ok"
    for check in ("window", "tokenizer", "prefix cache", "structured output"):
        assert found[check].state == "hint", check


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


async def test_the_counters_of_vllm_are_read_where_the_reply_does_not_tell() -> None:
    from garra.doctor.prefix import counted

    text = (
        'vllm:prefix_cache_queries_total{engine="0",model_name="m"} 1200.0\n'
        'vllm:prefix_cache_queries_total{engine="1",model_name="m"} 34.0\n'
        'vllm:prefix_cache_queries_created{engine="0",model_name="m"} 1.79e+09\n'
        'vllm:external_prefix_cache_queries_total{engine="0",model_name="m"} 7.0\n'
        'vllm:prefix_cache_hits_total{engine="0",model_name="m"} 1.1e+03\n'
    )

    found = counted(text)

    assert found is not None
    assert (found.queries, found.hits) == (1234, 1100)
    assert counted("process_cpu_seconds_total 1.0\n") is None
