"""A model that begins no call by itself is asked to choose first, and what it chose is what its reply is held to."""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from garra.agent.calls.described import CHOOSING_LEAD, LEAD
from garra.agent.choosing import TRIAL, goes_in_circles, is_untried, tried, without_tag
from garra.agent.events import ToolFinished, TurnFinished
from garra.sessions.entries import Entry, Said
from garra.testing import ScriptedModel
from garra.wire.events import Event, Finish, Reply, TextDelta
from garra.wire.messages import Assistant, Message, ToolCall, ToolResult, User
from tests.agent.conftest import KEY, Desk, Sit

pytestmark = pytest.mark.anyio

CALL = '<tool_call>\n{"name": "read", "arguments": {"path": "notes.txt"}}\n</tool_call>'
READ = ToolCall("c1", "read", '{"path": "notes.txt"}')


def weak(script: Sequence[Any]) -> ScriptedModel:
    return ScriptedModel(script, takes_tools=False, begins_calls=False)


def choices(desk: Desk) -> list[dict[str, Any]]:
    bodies = [chat.body for chat in desk.server.chats]
    return [body for body in bodies if "<tool_call>" in (body.get("structured_outputs") or {}).get("choice", ())]


def form_of(body: dict[str, Any]) -> dict[str, Any]:
    form: dict[str, Any] = json.loads(body["structured_outputs"]["structural_tag"])["format"]
    return form


async def test_it_chooses_a_call_and_its_reply_is_held_to_one(sit: Sit) -> None:
    async with weak([CALL, "It says hi."]) as server, sit(server) as desk:
        desk.workspace.mkdir()
        (desk.workspace / "notes.txt").write_text("hi")
        events = await desk.say("What do the notes say?")

        assert [event.result.text for event in events if isinstance(event, ToolFinished)] == ["hi"]
        first, second = desk.sent()
        assert form_of(first)["at_least_one"] is True
        assert form_of(second)["at_least_one"] is False
        assert len(choices(desk)) == 2


async def test_both_requests_have_the_same_messages(sit: Sit) -> None:
    async with weak(["Hello."]) as server, sit(server) as desk:
        await desk.say("Good morning!")
        [choice], [reply] = choices(desk), desk.sent()

        assert choice["messages"] == reply["messages"]
        assert CHOOSING_LEAD in reply["messages"][0]["content"]


async def test_whether_it_begins_calls_is_tried_once_and_remembered(sit: Sit) -> None:
    async with weak(["One.", "Two."]) as server:
        async with sit(server) as desk:
            await desk.say("first")
        async with sit(server) as desk:
            await desk.say("second")

        tried = [chat for chat in server.chats if chat.body["messages"][-1]["content"] == TRIAL.content]
        assert len(tried) == 1
        assert LEAD in tried[0].body["messages"][0]["content"]


async def test_a_model_that_begins_calls_by_itself_is_never_asked_to_choose(sit: Sit) -> None:
    async with ScriptedModel(["Hello."], takes_tools=False) as server, sit(server) as desk:
        await desk.say("Good morning!")

        assert choices(desk) == []
        assert LEAD in desk.sent()[0]["messages"][0]["content"]


async def test_a_call_whose_result_is_known_is_not_made_again_and_an_answer_is_asked_for(sit: Sit) -> None:
    async with weak([CALL, CALL, "<answer>\nIt says hi.</answer>"]) as server, sit(server) as desk:
        desk.workspace.mkdir()
        (desk.workspace / "notes.txt").write_text("hi")
        events = await desk.say("What do the notes say?")

        assert sum(isinstance(event, ToolFinished) for event in events) == 1
        assert [event.text for event in events if isinstance(event, TurnFinished)] == ["It says hi."]
        assert form_of(desk.sent()[-1])["type"] == "sequence"


async def test_a_server_that_fails_at_the_trial_leaves_it_open(sit: Sit) -> None:
    server = weak(["Hello."])
    async with server, sit(server) as desk:
        toolbox = desk.room.toolbox(KEY)
        turn = await desk.room.turn(KEY, toolbox)
        able = await desk.room.models.capabilities(turn.chosen)
        await server.stop()

        assert is_untried(turn, able)
        assert await tried(turn, able) == able
        await toolbox.close()


def turn(*messages: Message) -> tuple[Entry, ...]:
    return tuple(Entry("s", seq, 0.0, Said(message)) for seq, message in enumerate(messages, 1))


def test_the_same_call_in_another_turn_is_no_circle() -> None:
    before = (User("one"), Assistant("", (READ,)), ToolResult("c1", "read", "hi"), Assistant("hi"))

    assert not goes_in_circles(turn(*before, User("again")), (READ,))
    assert goes_in_circles(turn(*before[:3]), (READ,))
    assert not goes_in_circles(turn(*before[:3]), ())


async def stream(*texts: str) -> AsyncGenerator[Event]:
    for text in texts:
        yield TextDelta(text)
    yield Finish("stop")


async def shown(*texts: str) -> str:
    reply = Reply()
    async for event in without_tag(stream(*texts)):
        reply.add(event)
    return reply.text


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=30), st.sampled_from(["", "<answer>", "<answer>\n", " <answer> "])
)
async def test_the_tags_of_an_answer_are_never_shown_however_it_is_split(sizes: list[int], opening: str) -> None:
    pieces: list[str] = []
    written, at = f"{opening}Yes, < and </b> stay.</answer>", 0
    while at < len(written):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(written[at : at + size])
        at += size

    assert await shown(*pieces) == "Yes, < and </b> stay."


async def test_an_answer_without_tags_is_shown_as_it_is() -> None:
    assert await shown("a < b and ", "</b>", " c") == "a < b and </b> c"
    assert await shown("<ans") == "<ans"
