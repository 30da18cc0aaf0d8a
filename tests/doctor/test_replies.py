"""What `garra doctor` finds about a model by its replies: tools, structure, thinking, counting, the cache."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from garra.doctor.finding import Finding
from garra.testing import Answer, ScriptedModel, Thought
from tests.doctor.script import AS_TEXT, BIRD, CACHED, GREETING, NATIVE_CALL, WELL, listing

pytestmark = pytest.mark.anyio
Write = Callable[[Any], None]
Findings = Callable[..., Awaitable[dict[str, Finding]]]


async def test_the_requests_are_small_and_sober(write: Write, findings: Findings) -> None:
    async with ScriptedModel(WELL) as server:
        write(listing(server.base_url))

        await findings()

    everything = [chat.body for chat in server.chats]
    assert all(body["max_tokens"] <= 512 for body in everything)
    bodies = [body for body in everything if body.get("stream") and body.get("temperature") == 0]
    assert [bool(body.get("tools")) for body in bodies] == [False, True, False, False, False, False, False]
    assert all(body["max_tokens"] <= 400 for body in bodies)
    held = json.loads(bodies[2]["structured_outputs"]["structural_tag"])
    assert held["format"]["at_least_one"] is True
    assert "structured_outputs" not in bodies[3]
    assert bodies[5]["messages"] == bodies[6]["messages"]


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


async def test_a_template_without_tools_is_a_hint_although_the_server_takes_them(
    write: Write, findings: Findings
) -> None:
    async with ScriptedModel([GREETING, "Rain.", *WELL[2:]], shows_tools=False) as server:
        write(listing(server.base_url))

        found = await findings()

    assert (found["native tools"].state, found["described tools"].state) == ("hint", "ok")
    assert "--chat-template" in found["native tools"].mend[0]


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

    assert found["native tools"].state == "hint"
    assert found["text tools"].state == "broken"
    assert found["structured output"].state == "hint"


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
