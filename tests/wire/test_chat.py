"""Chat completions from end to end, against the scripted server."""

import asyncio
import json
import socket
from contextlib import aclosing

import pytest

from garra.errors import (
    AuthRejected,
    ModelError,
    ModelNotFound,
    ModelUnreachable,
    ServerBusy,
    ServerFailed,
    ServerSilent,
    StreamBroken,
)
from garra.testing import Answer, Call, Failure, HangUp, Raw, ScriptedModel, Silence, Thought
from garra.wire.chat import ChatCompletions, ChatRequest, Endpoint
from garra.wire.events import Event, Finish, Reply, TextDelta
from garra.wire.http import Http, Timeouts
from garra.wire.messages import Assistant, ToolCall, User

pytestmark = pytest.mark.anyio
HI = ChatRequest("scripted", (User("hi"),))
WAIT_S = 10


def endpoint_of(server: ScriptedModel, *, key: str | None = None, gap_s: float = WAIT_S) -> Endpoint:
    return Endpoint(server.base_url, key, timeouts=Timeouts(5, gap_s, gap_s))


async def ask(server: ScriptedModel, *, key: str | None = None, gap_s: float = WAIT_S) -> Reply:
    reply = Reply()
    async with Http() as http:
        async for event in ChatCompletions(http, endpoint_of(server, key=key, gap_s=gap_s)).stream(HI):
            reply.add(event)
    return reply


async def failure(server: ScriptedModel, *, key: str | None = None, gap_s: float = WAIT_S) -> tuple[str, ModelError]:
    """What came before the error, and the error."""
    reply = Reply()
    async with Http() as http:
        try:
            async for event in ChatCompletions(http, endpoint_of(server, key=key, gap_s=gap_s)).stream(HI):
                reply.add(event)
        except ModelError as error:
            return reply.text, error
    raise AssertionError(f"no error, but {reply.message()}")


async def test_a_reply_with_everything_arrives_as_it_was_scripted() -> None:
    answer = Answer((Thought("hm well"), "I will look.", Call("c1", "read", {"path": "a b"})), cached_tokens=3)

    async with ScriptedModel([answer]) as server:
        reply = await ask(server)

    call = ToolCall("c1", "read", '{"path":"a b"}')
    assert reply.message() == Assistant("I will look.", (call,), "hm well", "reasoning")
    assert reply.finish_reason == "tool_calls"
    assert reply.usage is not None
    assert reply.usage.cached_tokens == 3


async def test_what_is_sent_is_a_streamed_request_with_the_key() -> None:
    async with ScriptedModel(api_key="sekret-key") as server:
        await ask(server, key="sekret-key")

    (request,) = server.requests
    assert request.headers["authorization"] == "Bearer sekret-key"
    assert json.loads(request.raw)["messages"] == [{"role": "user", "content": "hi"}]


async def test_configured_headers_are_sent_and_may_replace_the_key() -> None:
    async with ScriptedModel() as server, Http() as http:
        endpoint = Endpoint(server.base_url, "sekret", {"Authorization": "Basic abc", "X-Mine": "1"})
        async for _ in ChatCompletions(http, endpoint).stream(HI):
            pass

    headers = server.requests[0].headers
    assert (headers["authorization"], headers["x-mine"]) == ("Basic abc", "1")


async def test_one_connection_serves_one_step_after_another() -> None:
    async with ScriptedModel(["one", "two", "three"]) as server, Http() as http:
        chat = ChatCompletions(http, endpoint_of(server))
        for _ in range(3):
            async for _ in chat.stream(HI):
                pass

        assert server.connected == 1


async def test_bytes_may_be_cut_anywhere_within_characters_too() -> None:
    text = "Grüße \U0001f99e und 你好"

    async with ScriptedModel([Answer((text,), write_bytes=1)]) as server:
        assert (await ask(server)).text == text


@pytest.mark.parametrize(
    ("step", "text", "kind"),
    [
        (Answer(("one two three",), ending="cut", stop_after=3), "one two", StreamBroken),
        (Answer(("one two three",), ending="reset", stop_after=3), "one two", StreamBroken),
        (Raw(b"<html><title>Proxy</title></html>", "text/html"), "", StreamBroken),
        (Raw(b'data: {"choices": [}\n\n'), "", StreamBroken),
        (Raw(b"data: " + b"x" * 10_000_000), "", StreamBroken),
        (Raw(b"data: {", ending="reset"), "", StreamBroken),
        (HangUp(), "", ModelUnreachable),
        (Failure(500, {"error": {"message": "boom", "type": "InternalServerError", "code": 500}}), "", ServerFailed),
        (Failure(429, "", {"retry-after": "3"}), "", ServerBusy),
        (Failure(401, {"error": "Unauthorized"}), "", AuthRejected),
        (Failure(404, {"error": {"message": "The model `x` does not exist."}}), "", ModelNotFound),
    ],
)
async def test_each_way_to_fail_is_a_typed_error_after_what_had_come(
    step: Answer | Raw | HangUp | Failure, text: str, kind: type[ModelError]
) -> None:
    async with ScriptedModel([step]) as server:
        got, error = await failure(server)

    assert got == text
    assert type(error) is kind
    assert server.base_url in str(error)


@pytest.mark.parametrize(
    ("step", "text"),
    [(Silence(), ""), (Answer(("one two",), ending="silence", stop_after=2), "one"), (Raw(b"", ending="silence"), "")],
)
async def test_silence_is_an_error_and_the_server_sees_the_client_leave(
    step: Silence | Answer | Raw, text: str
) -> None:
    async with ScriptedModel([step]) as server:
        got, error = await failure(server, gap_s=0.3)
        await asyncio.wait_for(server.chats[0].client_left.wait(), WAIT_S)

    assert got == text
    assert type(error) is ServerSilent


async def test_closing_the_generator_is_seen_by_the_server_at_once() -> None:
    async with ScriptedModel([Answer(("word " * 10_000,), delay_s=0.01)]) as server, Http() as http:
        async with aclosing(ChatCompletions(http, endpoint_of(server)).stream(HI)) as events:
            async for event in events:
                assert isinstance(event, TextDelta)
                break

        await asyncio.wait_for(server.chats[0].client_left.wait(), WAIT_S)


async def test_cancelling_the_task_is_seen_by_the_server_at_once() -> None:
    async with ScriptedModel([Silence()]) as server:
        asking = asyncio.create_task(ask(server))
        while not server.chats:
            await asyncio.sleep(0.01)
        asking.cancel()

        await asyncio.wait_for(server.chats[0].client_left.wait(), WAIT_S)
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_a_reply_that_was_read_to_its_end_leaves_nobody_hanging() -> None:
    async with ScriptedModel(["all of it"]) as server:
        await ask(server)

        assert not server.chats[0].client_left.is_set()


async def test_finish_is_the_last_event_though_usage_comes_after_it_on_the_wire() -> None:
    events: list[Event] = []
    async with ScriptedModel(["one two"]) as server, Http() as http:
        async for event in ChatCompletions(http, endpoint_of(server)).stream(HI):
            events.append(event)

    assert [type(event).__name__ for event in events] == ["TextDelta", "TextDelta", "Usage", "Finish"]
    assert events[-1] == Finish("stop")


async def test_a_wrong_key_is_named_as_that_and_never_shown() -> None:
    async with ScriptedModel(api_key="right") as server:
        _, error = await failure(server, key="wrong-key-1")

    assert type(error) is AuthRejected
    assert "VLLM_API_KEY" in str(error)
    assert "wrong-key-1" not in str(error)


@pytest.mark.parametrize("status", [200, 400, 401, 500])
async def test_a_key_that_the_server_echoes_is_in_no_error(status: int) -> None:
    echo = {"error": {"message": "Incorrect API key provided: sekret-key-1", "code": status}}
    step = Failure(status, echo) if status != 200 else Raw(b"data: " + json.dumps(echo).encode() + b"\n\n")

    async with ScriptedModel([step]) as server:
        _, error = await failure(server, key="sekret-key-1")

    chain = [error, error.__cause__, error.__context__]
    assert not any("sekret-key-1" in f"{link!s} {link!r}" for link in chain)
    assert "Incorrect API key provided" in str(error)


async def test_nobody_listening_names_the_command_that_checks_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"

    async with Http() as http:
        with pytest.raises(ModelUnreachable, match=f"curl {base}/models"):
            await anext(ChatCompletions(http, Endpoint(base)).stream(HI))


async def test_an_unknown_model_names_what_is_served() -> None:
    async with ScriptedModel(model="other/model") as server:
        _, error = await failure(server)

    assert isinstance(error, ModelNotFound)
    assert error.served == ("other/model",)


async def test_two_hundred_replies_at_once_arrive_whole() -> None:
    async with ScriptedModel([Answer(("one two three four",), delay_s=0.001)] * 200) as server, Http() as http:
        chat = ChatCompletions(http, endpoint_of(server))

        async def one() -> str:
            reply = Reply()
            async for event in chat.stream(HI):
                reply.add(event)
            return reply.text

        assert set(await asyncio.gather(*(one() for _ in range(200)))) == {"one two three four"}
