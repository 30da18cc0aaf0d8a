"""V21: a turn goes on when its server is busy, broken or gone: it waits, moves to a replica, or asks the next model."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from garra.agent.events import Notice, Retrying, ToolStarted, TurnEvent, TurnFinished
from garra.agent.loop import run_turn
from garra.cli.app import App
from garra.cli.talk import open_room
from garra.errors import (
    AuthRejected,
    ContextOverflow,
    ModelError,
    ModelNotFound,
    ModelUnreachable,
    RequestRefused,
    ServerBusy,
)
from garra.models.replicas import ordered
from garra.models.slots import slot, taken
from garra.sessions.entries import Failed, Said, Setting
from garra.sessions.store import NewEntry
from garra.testing import Answer, Call, Failure, HangUp, ScriptedModel
from garra.wire.messages import Assistant, User
from tests.agent.conftest import KEY, Desk

pytestmark = pytest.mark.anyio
BUSY = {"error": {"message": "Too many requests", "type": "rate_limit_error", "code": 429}}
TOO_LONG = {
    "error": {
        "message": "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.",
        "type": "BadRequestError",
        "code": 400,
    }
}


class NoTag(ScriptedModel):
    """May be told to refuse structural tags, as a server that was started with another backend."""

    takes_tag = True

    def _refusal(self, body: dict[str, Any]) -> str:
        tagged = "structural_tag" in (body.get("structured_outputs") or {})
        return "structural_tag is not supported" if tagged and not self.takes_tag else super()._refusal(body)


class Patient(Desk):
    """A desk at which an error that passes by itself is waited out, as it is for a person."""

    async def say(self, text: str, **limits: Any) -> list[TurnEvent]:
        return await super().say(text, **{"retries": True, **limits})


class Open(Protocol):
    """Sit down with these providers and this `agents.defaults.model`."""

    def __call__(
        self, model: Any, providers: Mapping[str, Any], server: ScriptedModel
    ) -> AbstractAsyncContextManager[Desk]: ...


@pytest.fixture
def sit_with(tmp_path: Path) -> Open:
    @asynccontextmanager
    async def at(model: Any, providers: Mapping[str, Any], server: ScriptedModel) -> AsyncIterator[Desk]:
        config = tmp_path / "home" / "garra.json"
        config.parent.mkdir(mode=0o700, exist_ok=True)
        workspace = tmp_path / "workspace"
        defaults = {"model": model, "workspace": str(workspace)}
        config.write_text(json.dumps({"agents": {"defaults": defaults}, "models": {"providers": providers}}))
        env = {**os.environ, "GARRA_HOME": str(config.parent)}
        async with AsyncExitStack() as stack:
            room = await stack.enter_async_context(open_room(App(env, config_file=str(config))))
            yield Patient(room, server, workspace)

    return at


def at(server: ScriptedModel, **settings: Any) -> dict[str, Any]:
    return {"baseUrl": server.base_url, "apiKey": "local", "models": [], **settings}


def two(first: ScriptedModel, second: ScriptedModel) -> dict[str, Any]:
    return {"vllm": at(first), "spare": at(second)}


WITH_SPARE = {"primary": "vllm/scripted", "fallbacks": ["spare/scripted"]}


def told(events: Sequence[TurnEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice | Retrying)]


def finished(events: Sequence[TurnEvent]) -> TurnFinished:
    last = events[-1]
    assert isinstance(last, TurnFinished)
    return last


def streamed(server: ScriptedModel) -> int:
    """How many of a turn's own requests came."""
    return sum(bool(chat.body.get("stream")) for chat in server.chats)


async def models_that_answered(desk: Desk) -> list[str]:
    said = [entry.item for entry in await desk.entries() if isinstance(entry.item, Said)]
    return [item.model for item in said if isinstance(item.message, Assistant)]


async def test_a_429_is_waited_out_as_long_as_the_server_says(sit_with: Open) -> None:
    async with ScriptedModel([Failure(429, BUSY, {"retry-after": "1"}), "Here."]) as server:
        async with sit_with("vllm/scripted", {"vllm": at(server)}, server) as desk:
            began = time.monotonic()
            events = await desk.say("hi")

    assert finished(events).text == "Here."
    assert time.monotonic() - began >= 1
    assert [line for line in told(events) if "HTTP 429" in line and "(2 of 10)" in line and "Ctrl-C" in line]


@pytest.mark.parametrize("failure", [Failure(503, "warming up"), Failure(500, "oops"), HangUp()], ids=str)
async def test_what_passes_by_itself_is_tried_again_within_the_turn(sit_with: Open, failure: Any) -> None:
    async with ScriptedModel([failure, "Here."]) as server:
        async with sit_with("vllm/scripted", {"vllm": at(server)}, server) as desk:
            events = await desk.say("hi")
            stored = await desk.stored()

    assert finished(events).text == "Here."
    assert [type(message) for message in stored] == [User, Assistant]
    assert streamed(server) == 2


async def test_a_reply_that_breaks_off_is_asked_for_again_and_only_the_whole_one_is_kept(sit_with: Open) -> None:
    broken = Answer(("one two three four",), ending="cut", stop_after=3)
    async with ScriptedModel([broken, "Whole."]) as server:
        async with sit_with("vllm/scripted", {"vllm": at(server)}, server) as desk:
            events = await desk.say("hi")
            stored = await desk.stored()

    assert finished(events).text == "Whole."
    assert any(isinstance(event, Retrying) for event in events)
    assert [message.text for message in stored if isinstance(message, Assistant)] == ["Whole."]


async def test_a_server_on_this_machine_that_is_gone_fails_at_once(sit_with: Open) -> None:
    async with ScriptedModel(["One."]) as server:
        async with sit_with("vllm/scripted", {"vllm": at(server)}, server) as desk:
            await desk.say("hi")
            await server.stop()
            began = time.monotonic()
            with pytest.raises(ModelUnreachable, match="connection refused"):
                await desk.say("and now?")

            assert not any(isinstance(event, Retrying) for event in desk.events)
            assert time.monotonic() - began < 20


async def test_waiting_for_another_try_can_be_stopped(sit_with: Open) -> None:
    async with ScriptedModel([Failure(429, BUSY, {"retry-after": "50"}), "Never."]) as server:
        async with sit_with("vllm/scripted", {"vllm": at(server)}, server) as desk:
            turn = asyncio.create_task(desk.say("hi"))
            while not any(isinstance(event, Retrying) for event in desk.events):
                await asyncio.sleep(0.01)
            turn.cancel()
            await asyncio.gather(turn, return_exceptions=True)

            assert turn.cancelled()
            assert streamed(server) == 1
            assert taken(desk.room.app.configuration.paths.state / "slots", server.base_url) == 0


@pytest.mark.parametrize(
    "failure",
    [
        Failure(429, BUSY, {"retry-after": "120"}),
        Failure(503, "busy", {"retry-after": "120"}),
        Failure(401, {"error": "Unauthorized"}),
        Failure(404, {"error": {"message": "The model `scripted` does not exist.", "code": 404}}),
    ],
    ids=lambda failure: str(failure.status),
)
async def test_the_next_model_answers_within_the_same_turn(sit_with: Open, failure: Failure) -> None:
    async with ScriptedModel([failure, "First."]) as first, ScriptedModel(["Spare."]) as second:
        async with sit_with(WITH_SPARE, two(first, second), first) as desk:
            events = await desk.say("hi")
            answered = await models_that_answered(desk)
            stored = await desk.stored()

    assert finished(events).text == "Spare."
    assert finished(events).model == "spare/scripted"
    assert answered == ["spare/scripted"]
    assert [type(message) for message in stored] == [User, Assistant]
    assert [line for line in told(events) if "vllm/scripted" in line and "spare/scripted" in line]


async def test_the_next_model_answers_when_the_first_one_is_down_from_the_start(sit_with: Open) -> None:
    async with ScriptedModel() as first, ScriptedModel(["Spare."]) as second:
        await first.stop()
        async with sit_with(WITH_SPARE, two(first, second), first) as desk:
            events = await desk.say("hi")

    assert finished(events).model == "spare/scripted"
    assert [line for line in told(events) if "spare/scripted" in line]


async def test_a_model_that_is_away_from_the_start_is_told_in_one_line(sit_with: Open) -> None:
    async with ScriptedModel(["from the spare"]) as spare:
        gone = {"baseUrl": "http://127.0.0.1:9/v1"}
        async with sit_with(WITH_SPARE, {"vllm": gone, "spare": at(spare)}, spare) as desk:
            events = await desk.say("Hello.")

    assert [event.text for event in events if isinstance(event, Notice)] == [
        "vllm/scripted cannot answer (the server refused the connection); asking spare/scripted instead."
    ]


async def test_a_model_that_is_not_there_is_passed_over_with_what_mends_it(sit_with: Open) -> None:
    async with ScriptedModel(["from the spare"]) as spare:
        model = {"primary": "nope/x", "fallbacks": ["spare/scripted"]}
        async with sit_with(model, {"spare": at(spare)}, spare) as desk:
            events = await desk.say("Hello.")

    [told] = [event.text for event in events if isinstance(event, Notice)]
    assert "garra config set models.providers.nope.baseUrl" in told
    assert told.endswith("nope/x is passed over; asking spare/scripted instead.")


async def test_the_next_model_goes_on_in_the_middle_of_a_turn_with_what_the_tools_found(sit_with: Open) -> None:
    async with ScriptedModel([Call("c1", "read", {"path": "note.txt"})]) as first:
        async with ScriptedModel(["It says hello."]) as second:
            async with sit_with(WITH_SPARE, two(first, second), first) as desk:
                desk.workspace.mkdir()
                (desk.workspace / "note.txt").write_text("hello")
                toolbox = desk.room.toolbox(KEY)
                turn = await desk.room.turn(KEY, toolbox)
                events: list[TurnEvent] = []
                async with aclosing(run_turn(turn, "what does note.txt say?")) as running:
                    async for event in running:
                        events.append(event)
                        if isinstance(event, ToolStarted):
                            await first.stop()
                await toolbox.close()

    assert finished(events).text == "It says hello."
    assert finished(events).model == "spare/scripted"
    assert "hello" in json.dumps(second.chats[-1].body["messages"][-1])


async def test_the_turn_after_it_begins_with_the_sessions_own_model_again(sit_with: Open) -> None:
    busy = Failure(429, BUSY, {"retry-after": "120"})
    async with ScriptedModel([busy, "First."]) as first, ScriptedModel(["Spare."]) as second:
        async with sit_with(WITH_SPARE, two(first, second), first) as desk:
            await desk.say("hi")
            events = await desk.say("and now?")
            settings = [entry.item for entry in await desk.entries() if isinstance(entry.item, Setting)]
            answered = await models_that_answered(desk)

    assert finished(events).text == "First."
    assert answered == ["spare/scripted", "vllm/scripted"]
    assert settings == []


async def test_a_fallback_that_cannot_be_chosen_is_passed_over_with_a_word(sit_with: Open) -> None:
    model = {"primary": "vllm/scripted", "fallbacks": ["nowhere/at-all", "spare/scripted"]}
    rejected = Failure(401, {"error": "Unauthorized"})
    async with ScriptedModel([rejected]) as first, ScriptedModel(["Spare."]) as second:
        async with sit_with(model, two(first, second), first) as desk:
            events = await desk.say("hi")

    assert finished(events).model == "spare/scripted"
    assert [line for line in told(events) if "nowhere/at-all" in line]


async def test_a_model_that_failed_is_not_asked_again_under_another_name(sit_with: Open) -> None:
    async with ScriptedModel([HangUp()] * 3) as first, ScriptedModel(["from the spare"]) as spare:
        model = {"primary": "vllm/scripted", "fallbacks": ["vllm/scripted", "VLLM/scripted", "spare/scripted"]}
        async with sit_with(model, two(first, spare), first) as desk:
            events = await desk.say("Hello.", retries=False)

    told = [event.text for event in events if isinstance(event, Notice | Retrying)]
    assert told == ["vllm/scripted cannot answer (the server hung up); asking spare/scripted instead."]
    assert first.played == 1


async def test_what_was_shown_before_a_pause_is_kept_where_the_turn_is_stopped_in_it(sit_with: Open) -> None:
    cut = Answer(("one two three four",), ending="cut", stop_after=3)
    async with ScriptedModel([cut]) as server:
        async with sit_with("vllm/scripted", {"vllm": at(server)}, server) as desk:
            turn = asyncio.create_task(desk.say("hi"))
            while not any(isinstance(event, Retrying) for event in desk.events):
                await asyncio.sleep(0.01)
            turn.cancel()
            await asyncio.wait([turn])

            kept = [entry.item for entry in await desk.entries() if isinstance(entry.item, Said)]
            assert [(type(said.message), said.status) for said in kept] == [(User, "done"), (Assistant, "interrupted")]
            assert kept[-1].message == Assistant("one two")


async def test_of_two_attempts_that_failed_the_one_that_said_something_is_kept(sit_with: Open) -> None:
    cut = Answer(("one two three four",), ending="cut", stop_after=3)
    spare = ScriptedModel([Failure(500, "broken")])
    async with ScriptedModel([cut]) as server, spare:
        async with sit_with(WITH_SPARE, two(server, spare), server) as desk:
            with pytest.raises(ModelError):
                await desk.say("hi", retries=False)

            [said] = [e.item for e in await desk.entries() if isinstance(e.item, Said) and e.item.status == "failed"]
            assert (said.message, said.model) == (Assistant("one two"), "vllm/scripted")


async def test_a_server_that_no_longer_takes_the_constraint_is_asked_without_it(sit_with: Open) -> None:
    async with NoTag(["One.", "Two."], takes_tools=False, max_model_len=32_768) as server:
        async with sit_with("vllm/scripted", {"vllm": at(server)}, server) as desk:
            await desk.say("hi")
            server.takes_tag = False
            events = await desk.say("and now?")

    assert finished(events).text == "Two."
    assert [line for line in told(events) if "started otherwise" in line]


async def test_where_nobody_answers_the_error_says_why_the_first_one_did_not(sit_with: Open) -> None:
    async with ScriptedModel() as first, ScriptedModel(api_key="another") as second:
        async with sit_with(WITH_SPARE, two(first, second), first) as desk:
            await desk.say("hi")
            await first.stop()
            with pytest.raises(AuthRejected, match=r"spare/scripted[^\0]*vllm/scripted .*refused the connection"):
                await desk.say("and now?")

            desk.room.app.configuration.paths.catalogue_file.unlink()
            with pytest.raises(AuthRejected, match=r"garra auth set spare[^\0]*vllm/scripted .*refused"):
                await desk.say("and now?")

            await second.stop()
            desk.room.app.configuration.paths.catalogue_file.unlink(missing_ok=True)
            with pytest.raises(ModelUnreachable, match=f"{second.base_url}[^\0]*vllm/scripted .*refused"):
                await desk.say("and now?")


async def test_where_nobody_is_left_the_error_is_the_last_ones(sit_with: Open) -> None:
    refused = Failure(404, {"error": {"message": "The model `scripted` does not exist.", "code": 404}})
    async with ScriptedModel([Failure(401, {"error": "Unauthorized"})]) as first, ScriptedModel([refused]) as second:
        async with sit_with(WITH_SPARE, two(first, second), first) as desk:
            with pytest.raises(ModelNotFound, match="spare/scripted"):
                await desk.say("hi")

            assert [line for line in told(desk.events) if "rejected the key" in line]
            assert isinstance((await desk.entries())[-1].item, Failed)


async def test_a_prompt_that_is_too_long_is_not_taken_elsewhere(sit_with: Open) -> None:
    async with ScriptedModel([Failure(400, TOO_LONG)] * 9) as first, ScriptedModel(["Spare."]) as second:
        async with sit_with(WITH_SPARE, two(first, second), first) as desk:
            with pytest.raises(ContextOverflow):
                await desk.say("hi")

    assert streamed(second) == 0


async def test_a_request_that_is_refused_is_not_taken_elsewhere(sit_with: Open) -> None:
    refused = Failure(400, {"error": {"message": "temperature must be non-negative", "code": 400}})
    async with ScriptedModel([refused]) as first, ScriptedModel(["Spare."]) as second:
        async with sit_with(WITH_SPARE, two(first, second), first) as desk:
            with pytest.raises(RequestRefused):
                await desk.say("hi")

    assert streamed(second) == 0


async def test_a_cancelled_turn_is_not_taken_elsewhere(sit_with: Open) -> None:
    slow = Answer(("one two three",), ending="silence", stop_after=2)
    async with ScriptedModel([slow]) as first, ScriptedModel(["Spare."]) as second:
        async with sit_with(WITH_SPARE, two(first, second), first) as desk:
            turn = asyncio.create_task(desk.say("hi"))
            while streamed(first) == 0:
                await asyncio.sleep(0.01)
            turn.cancel()
            await asyncio.gather(turn, return_exceptions=True)

    assert turn.cancelled()
    assert streamed(second) == 0


async def test_a_model_that_the_person_pinned_has_no_fallback(sit_with: Open) -> None:
    busy = Failure(429, BUSY, {"retry-after": "3600"})
    async with ScriptedModel([busy]) as first, ScriptedModel(["Spare."]) as second:
        async with sit_with(WITH_SPARE, two(first, second), first) as desk:
            await desk.room.store.append(KEY, NewEntry(Setting("model", "vllm/scripted")))
            with pytest.raises(ServerBusy, match="3600 s"):
                await desk.say("hi")

    assert streamed(second) == 0


def replicated(*servers: ScriptedModel) -> dict[str, Any]:
    return {"vllm": {"baseUrls": [server.base_url for server in servers], "apiKey": "local", "models": []}}


def first_asked(*servers: ScriptedModel) -> tuple[ScriptedModel, ScriptedModel]:
    """The two servers in the order in which the session tries them."""
    order = ordered(tuple(server.base_url for server in servers), KEY, "")
    one, other = sorted(servers, key=lambda server: order.index(server.base_url))
    return one, other


async def test_a_session_stays_on_its_replica_and_moves_when_that_is_down(sit_with: Open) -> None:
    async with ScriptedModel() as a, ScriptedModel() as b:
        async with sit_with("vllm/scripted", replicated(a, b), a) as desk:
            mine, other = first_asked(a, b)
            await desk.say("one")
            await desk.say("two")
            assert (streamed(mine), streamed(other)) == (2, 0)

            port = mine.port
            await mine.stop()
            events = await desk.say("three")
            assert streamed(other) == 1
            assert finished(events).model == "vllm/scripted"

            mine.port = port
            await mine.start()
            await desk.say("four")

            said = [entry.item for entry in await desk.entries() if isinstance(entry.item, Said)]
            served = [item.replica for item in said if isinstance(item.message, Assistant)]

    assert served == [mine.base_url, mine.base_url, other.base_url, other.base_url]
    assert [line for line in told(events) if mine.base_url in line and other.base_url in line]


async def test_replicas_go_before_fallbacks(sit_with: Open) -> None:
    async with ScriptedModel() as a, ScriptedModel() as b, ScriptedModel(["Spare."]) as spare:
        async with sit_with(WITH_SPARE, {**replicated(a, b), "spare": at(spare)}, a) as desk:
            await desk.say("one")
            mine, other = first_asked(a, b)
            await mine.stop()
            on_the_other = finished(await desk.say("two"))
            await other.stop()
            on_the_spare = finished(await desk.say("three"))

    assert on_the_other.model == "vllm/scripted"
    assert on_the_spare.model == "spare/scripted"


async def test_the_fifth_turn_at_a_server_waits_and_the_person_sees_it(sit_with: Open) -> None:
    async with ScriptedModel(["Here."]) as server:
        async with sit_with("vllm/scripted", {"vllm": at(server)}, server) as desk:
            folder = desk.room.app.configuration.paths.state / "slots"
            async with AsyncExitStack() as others:
                for _ in range(4):
                    await others.enter_async_context(slot(folder, server.base_url, 100))
                turn = asyncio.create_task(desk.say("hi"))
                while not [line for line in told(desk.events) if "in line" in line]:
                    await asyncio.sleep(0.01)
                assert streamed(server) == 0
            events = await turn
            assert taken(folder, server.base_url) == 0

    assert finished(events).text == "Here."


async def test_a_turn_that_waits_in_line_can_be_stopped_and_leaves_it(sit_with: Open) -> None:
    async with ScriptedModel(["Here."]) as server:
        async with sit_with("vllm/scripted", {"vllm": at(server)}, server) as desk:
            folder = desk.room.app.configuration.paths.state / "slots"
            async with AsyncExitStack() as others:
                for _ in range(4):
                    await others.enter_async_context(slot(folder, server.base_url, 100))
                turn = asyncio.create_task(desk.say("hi"))
                while taken(folder, server.base_url) < 5:
                    await asyncio.sleep(0.01)
                turn.cancel()
                await asyncio.gather(turn, return_exceptions=True)
                left = taken(folder, server.base_url)

    assert left == 4
    assert streamed(server) == 0
