"""The scripted model: what it says, what it remembers, and that it answers as vLLM does."""

import asyncio
import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from garra.testing import Answer, Call, Failure, ScriptedModel, Thought
from garra.testing.frames import words
from garra.wire.http import Http

pytestmark = pytest.mark.anyio
RECORDINGS = Path(__file__).parent.parent / "recordings"
MESSAGES = [{"role": "user", "content": "hi"}]


async def chat(server: ScriptedModel, **fields: Any) -> tuple[int, str]:
    async with Http() as http:
        body = {"model": "scripted", "messages": MESSAGES, **fields}
        answer = await http.request("POST", f"{server.base_url}/chat/completions", json=body)
    return answer.status, answer.body.decode()


def frames(body: str) -> list[Any]:
    datas = [frame.removeprefix("data: ") for frame in body.split("\n\n") if frame]
    return [data if data == "[DONE]" else json.loads(data) for data in datas]


def shape(frame: Any) -> Any:
    """What a frame is made of, without its values: the part that both servers must share."""
    if frame == "[DONE]":
        return frame
    if not frame["choices"]:
        return "usage", sorted(frame["usage"])
    (choice,) = frame["choices"]
    calls = [sorted(call["function"]) for call in choice["delta"].get("tool_calls") or []]
    return sorted(choice["delta"]), calls, choice["finish_reason"]


def recorded(name: str) -> list[Any]:
    return frames(json.loads((RECORDINGS / f"{name}.json").read_text())["response"]["body"])


async def test_the_frames_of_a_text_come_in_vllms_order() -> None:
    async with ScriptedModel([Answer(("one two three",), finish="length")]) as server:
        _, body = await chat(server, stream=True, stream_options={"include_usage": True})

    theirs = recorded("tools/chat-stream-usage")
    ours = [shape(frame) for frame in frames(body)]
    assert ours[:2] == [shape(frame) for frame in theirs[:2]]
    assert ours[-3:] == [shape(frame) for frame in theirs[-3:]]


async def test_the_frames_of_a_tool_call_come_in_vllms_order() -> None:
    async with ScriptedModel([Call("c", "get_weather", {"city": "Paris"})]) as server:
        _, body = await chat(server, stream=True, stream_options={"include_usage": True})

    theirs = [shape(frame) for frame in recorded("tools/tools-hermes-text-stream")]
    ours = [shape(frame) for frame in frames(body)]
    assert ours[:3] == theirs[:3]
    assert ours[-3:] == theirs[-3:]


async def test_usage_is_streamed_only_when_it_is_asked_for() -> None:
    async with ScriptedModel(["a"]) as server:
        _, body = await chat(server, stream=True)

    assert "usage" not in body


async def test_without_streaming_the_reply_is_whole() -> None:
    async with ScriptedModel([[Thought("hm"), "yes", Call("c", "read", '{"x": 1}')]]) as server:
        _, body = await chat(server)

    choice = json.loads(body)["choices"][0]
    assert choice["message"]["content"] == "yes"
    assert choice["message"]["reasoning"] == "hm"
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "read", "arguments": '{"x": 1}'}
    assert choice["finish_reason"] == "tool_calls"


async def test_after_the_script_the_last_text_is_said_again() -> None:
    async with ScriptedModel(["first", "last", Call("c", "read")]) as server:
        said = [json.loads((await chat(server))[1])["choices"][0]["message"]["content"] for _ in range(5)]

    assert said == ["first", "last", None, "last", "last"]


async def test_an_empty_script_says_ok() -> None:
    async with ScriptedModel() as server:
        assert json.loads((await chat(server))[1])["choices"][0]["message"]["content"] == "ok"


async def test_every_request_is_remembered_with_its_bytes() -> None:
    async with ScriptedModel() as server, Http() as http:
        await http.request("GET", f"{server.base_url}/models")
        await http.request("POST", f"{server.base_url}/chat/completions", json=b'{ "model": "scripted" }')

        assert [(request.method, request.path) for request in server.requests] == [
            ("GET", "/v1/models"),
            ("POST", "/v1/chat/completions"),
        ]
        assert server.chats[0].raw == b'{ "model": "scripted" }'
        assert server.chats[0].body == {"model": "scripted"}


@pytest.mark.parametrize(
    "name", ["chat-none", "health-none", "version-none", "models-none", "tokenize-none", "tokenize-wrong"]
)
async def test_the_key_is_wanted_where_vllm_wants_it(name: str) -> None:
    recording = json.loads((RECORDINGS / "key" / f"{name}.json").read_text())
    asked, answered = recording["request"], recording["response"]
    body = json.loads(asked["body"]) if asked["body"] else None

    async with ScriptedModel(model="smollm2", api_key="sekret") as server, Http() as http:
        answer = await http.request(
            asked["method"], server.root_url + asked["path"], headers=asked["headers"], json=body
        )

    assert answer.status == answered["status"]
    if answer.status == 401:
        assert json.loads(answer.body) == json.loads(answered["body"])


@pytest.mark.parametrize("name", ["error-model", "unknown-route"])
async def test_errors_are_vllms_own(name: str) -> None:
    recording = json.loads((RECORDINGS / "tools" / f"{name}.json").read_text())
    asked, answered = recording["request"], recording["response"]
    body = json.loads(asked["body"]) if asked["body"] else None

    async with ScriptedModel(model="smollm2") as server, Http() as http:
        answer = await http.request(asked["method"], server.root_url + asked["path"], json=body)

    assert (answer.status, json.loads(answer.body)) == (answered["status"], json.loads(answered["body"]))


async def test_the_models_route_tells_the_window() -> None:
    async with ScriptedModel(model="m", max_model_len=123) as server, Http() as http:
        rows = json.loads((await http.request("GET", f"{server.base_url}/models")).body)["data"]

    assert [(row["id"], row["max_model_len"]) for row in rows] == [("m", 123)]


async def test_a_server_that_caches_tells_how_much_of_a_prompt_it_had_seen_before() -> None:
    begun = [{"role": "system", "content": "word " * 100}, {"role": "user", "content": "hi " * 20}]
    more = [*begun, {"role": "assistant", "content": "ok"}, {"role": "user", "content": "and more " * 20}]
    other = [{"role": "system", "content": "another " * 100}]
    cached: list[int] = []
    prompts: list[int] = []
    async with ScriptedModel(caches=True) as server, Http() as http:
        for messages in (begun, more, more, other):
            usage = json.loads((await chat(server, messages=messages))[1])["usage"]
            cached.append(usage["prompt_tokens_details"]["cached_tokens"])
            prompts.append(usage["prompt_tokens"])
        metrics = (await http.request("GET", f"{server.root_url}/metrics")).body.decode()

    assert all(count % 16 == 0 for count in cached)
    assert cached[0] == cached[3] == 0
    assert prompts[0] - 32 < cached[1] < prompts[0]
    assert prompts[2] - 17 <= cached[2] < prompts[2]
    assert f'vllm:prefix_cache_queries_total{{engine="0",model_name="scripted"}} {float(sum(prompts))}' in metrics
    assert f'vllm:prefix_cache_hits_total{{engine="0",model_name="scripted"}} {float(sum(cached))}' in metrics
    assert 'vllm:num_requests_running{engine="0",model_name="scripted"} 0.0' in metrics


async def test_a_server_that_caches_nothing_has_no_metrics_and_tells_of_none() -> None:
    async with ScriptedModel() as server, Http() as http:
        answer = await http.request("GET", f"{server.root_url}/metrics")
        usage = json.loads((await chat(server))[1])["usage"]

    assert answer.status == 404
    assert "prompt_tokens_details" not in usage


async def test_a_failure_is_sent_as_it_is_written() -> None:
    async with ScriptedModel([Failure(418, "short and stout", {"x-pot": "tea"})]) as server, Http() as http:
        answer = await http.request("POST", f"{server.base_url}/chat/completions", json={"model": "scripted"})

    assert (answer.status, answer.body, answer.headers["x-pot"]) == (418, b"short and stout", "tea")


@pytest.mark.parametrize("text", ["", "a", " a  b\nc ", "\n\n", "one two", "é \U0001f99e"])
def test_words_joined_are_the_text(text: str) -> None:
    assert "".join(words(text)) == text


async def test_the_instant_server_runs_on_its_own() -> None:
    command = [sys.executable, "-m", "garra.testing", "--port", "0", "--reply", "at once"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:\d+/v1", await asyncio.to_thread(process.stdout.readline))
            assert found
            request = urllib.request.Request(
                f"{found[0]}/chat/completions", b'{"messages": []}', {"content-type": "application/json"}
            )
            reply = await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=20).read())
        finally:
            process.terminate()

    assert json.loads(reply)["choices"][0]["message"]["content"] == "at once"
