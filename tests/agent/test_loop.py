"""One turn, from the person's message to the reply."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from garra.agent.events import Accepted, Notice, Retrying, ToolFinished, ToolStarted, TurnFinished
from garra.agent.loop import run_turn
from garra.errors import (
    ContextOverflow,
    ModelError,
    ModelNotFound,
    ModelUnreachable,
    StepLimit,
    StreamBroken,
    TimeLimit,
)
from garra.sessions.entries import Failed, Head, Said, written_text
from garra.testing import Answer, Call, Failure, ScriptedModel, Step, Thought
from garra.tools.approval import ApprovalRequest, Decision
from garra.wire.events import ReasoningDelta, TextDelta
from garra.wire.messages import Assistant, ToolResult, User
from tests.agent.conftest import KEY, Sit

pytestmark = pytest.mark.anyio


async def test_a_plain_question_is_stored_then_answered_then_stored(sit: Sit) -> None:
    async with ScriptedModel(["Hello to you."]) as server, sit(server) as desk:
        events = await desk.say("Hello?")

        assert isinstance(events[0], Accepted)
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hello to you."
        assert isinstance(events[-1], TurnFinished)
        assert (events[-1].text, events[-1].steps, events[-1].model) == ("Hello to you.", 1, "vllm/scripted")
        asked, said = await desk.stored()
        assert isinstance(asked, User)
        assert written_text(str(asked.content)) == "Hello?"
        assert said == Assistant("Hello to you.")


async def test_a_tool_is_run_and_its_result_sent_before_the_model_goes_on(sit: Sit) -> None:
    script: list[Step] = [["I will.", Call("c1", "write", {"path": "a.txt", "content": "hi"})], "Done."]
    async with ScriptedModel(script) as server, sit(server) as desk:
        events = await desk.say("Write hi to a.txt")

        assert (desk.workspace / "a.txt").read_text() == "hi"
        started = next(event for event in events if isinstance(event, ToolStarted))
        finished = next(event for event in events if isinstance(event, ToolFinished))
        assert (started.call.name, finished.result.call_id, finished.result.failed) == ("write", "c1", False)
        second = desk.sent()[1]["messages"]
        assert second[-2]["tool_calls"][0]["id"] == "c1"
        assert second[-1]["role"] == "tool"
        assert second[-1]["tool_call_id"] == "c1"


async def test_every_request_keeps_the_one_before_as_its_beginning_over_tools_restarts_and_errors(sit: Sit) -> None:
    script: list[Step] = [
        [Call("c1", "write", {"path": "a.txt", "content": "1"}), Call("c2", "read", {"path": "a.txt"})],
        "First.",
        Failure(500, "broken"),
        ["Again.", Call("c3", "read", {"path": "gone.txt"})],
        "Second.",
        Answer(("Half a", " reply"), ending="cut", stop_after=3),
        "Third.",
    ]
    async with ScriptedModel(script) as server:
        for text in ("one", "two", "three", "four", "five"):
            async with sit(server) as desk:
                (desk.workspace / "AGENTS.md").parent.mkdir(exist_ok=True)
                (desk.workspace / "AGENTS.md").write_text(f"The file as it was before {text}.")
                try:
                    await desk.say(text)
                except ModelError:
                    continue
        bodies = desk.sent()

    assert len(bodies) == len(script)
    for before, after in pairwise(bodies):
        assert after["tools"] == before["tools"]
        assert after["messages"][: len(before["messages"])] == before["messages"]


async def test_a_failing_tool_is_told_to_the_model_and_the_turn_goes_on(sit: Sit) -> None:
    script: list[Step] = [Call("c1", "read", {"path": "gone.txt"}), "It is not there."]
    async with ScriptedModel(script) as server, sit(server) as desk:
        await desk.say("Read gone.txt")

        result = (await desk.stored())[2]
        assert isinstance(result, ToolResult)
        assert result.failed
        assert desk.sent()[1]["messages"][-1]["content"] == result.text


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (Call("c1", "reed", {"path": "a"}), "read"),
        (Call("c1", "read", '{"path": '), "JSON"),
        (Call("c1", "read", {"pth": "a"}), "path"),
        (Call("c1", "read", "[1]"), "object"),
    ],
)
async def test_a_call_that_makes_no_sense_is_answered_with_what_was_expected(
    sit: Sit, call: Call, expected: str
) -> None:
    async with ScriptedModel([call, "I see."]) as server, sit(server) as desk:
        await desk.say("go")

        result = (await desk.stored())[2]
        assert isinstance(result, ToolResult)
        assert result.failed
        assert expected in result.text
        assert "\n" not in result.text


async def test_a_call_is_run_whatever_text_stands_beside_it_and_whatever_the_finish_reason_says(sit: Sit) -> None:
    call = Call("c1", "write", {"path": "a.txt", "content": "hi"})
    script: list[Step] = [Answer(("Some text. ", call), finish="stop"), "Done."]
    async with ScriptedModel(script) as server, sit(server) as desk:
        await desk.say("go")

        assert (desk.workspace / "a.txt").exists()


async def test_reasoning_is_shown_apart_and_replayed_under_the_name_the_server_used(sit: Sit) -> None:
    script: list[Step] = [[Thought("Hmm.", "reasoning_content"), Call("c1", "read", {"path": "."})], "Done."]
    async with ScriptedModel(script) as server, sit(server) as desk:
        events = await desk.say("look")

        assert ReasoningDelta("Hmm.", "reasoning_content") in events
        replayed = desk.sent()[1]["messages"][-2]
        assert replayed["reasoning_content"] == "Hmm."
        assert "reasoning" not in replayed


async def test_a_reply_cut_short_is_an_error_that_keeps_what_had_arrived(sit: Sit) -> None:
    async with (
        ScriptedModel([Answer(("Half a", " reply"), ending="cut", stop_after=3), "Whole."]) as server,
        sit(server) as desk,
    ):
        with pytest.raises(StreamBroken):
            await desk.say("go")

        said, failed = (entry.item for entry in (await desk.entries())[-2:])
        assert isinstance(said, Said)
        assert isinstance(said.message, Assistant)
        assert said.message.text.startswith("Half a")
        assert said.status == "failed"
        assert isinstance(failed, Failed)


async def test_an_error_names_the_server_and_the_message_stays_stored(sit: Sit) -> None:
    async with ScriptedModel([Failure(500, "out of memory")]) as server, sit(server) as desk:
        with pytest.raises(ModelError, match=server.base_url):
            await desk.say("go")

        [asked] = await desk.stored()
        assert written_text(str(getattr(asked, "content", ""))) == "go"


async def test_a_model_that_vanished_is_named_with_those_that_are_served(sit: Sit) -> None:
    missing = {"error": {"message": "The model `scripted` does not exist.", "type": "NotFoundError", "code": 404}}
    async with ScriptedModel([Failure(404, missing)]) as server, sit(server) as desk:
        with pytest.raises(ModelNotFound) as refused:
            await desk.say("go")

    assert "scripted" in str(refused.value)
    assert "garra models set" in str(refused.value)


async def test_the_step_limit_ends_a_turn_that_never_ends_by_itself(sit: Sit) -> None:
    calls: list[Step] = [Call(f"c{number}", "read", {"path": "."}) for number in range(9)]
    async with ScriptedModel(calls) as server, sit(server, maxSteps=3) as desk:
        with pytest.raises(StepLimit, match="maxSteps"):
            await desk.say("go")

        assert len(desk.sent()) == 3
        assert sum(isinstance(message, ToolResult) for message in await desk.stored()) == 3


async def test_the_time_limit_ends_a_turn_whose_tool_hangs_and_every_call_is_answered(sit: Sit) -> None:
    script: list[Step] = [[Call("c1", "exec", {"command": "sleep 60"})], "Fine."]

    async def yes(_: ApprovalRequest) -> Decision:
        return Decision.ALLOW_ONCE

    async with ScriptedModel(script) as server, sit(server) as desk:
        with pytest.raises(TimeLimit, match="timeoutSeconds"):
            await desk.say("go", approve=yes, timeout_s=1.0)
        await desk.say("and now?")

        roles = [message["role"] for message in desk.sent()[-1]["messages"]]
        assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]


async def test_a_cancelled_reply_ends_at_the_server_and_is_kept_marked(sit: Sit) -> None:
    slow = Answer(tuple(f"word{number} " for number in range(200)), delay_s=0.02)
    async with ScriptedModel([slow]) as server, sit(server) as desk:
        task = asyncio.create_task(desk.say("go"))
        while not any(isinstance(event, TextDelta) for event in desk.events):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        said = (await desk.entries())[-1].item
        assert isinstance(said, Said)
        assert said.status == "interrupted"
        assert isinstance(said.message, Assistant)
        assert said.message.text.startswith("word0")
        while not server.chats[-1].client_left:
            await asyncio.sleep(0.01)


async def test_a_cancelled_tool_is_answered_as_interrupted(sit: Sit) -> None:
    async def yes(_: ApprovalRequest) -> Decision:
        return Decision.ALLOW_ONCE

    script: list[Step] = [[Call("c1", "exec", {"command": "sleep 60"}), Call("c2", "read", {"path": "."})]]
    async with ScriptedModel(script) as server, sit(server) as desk:
        task = asyncio.create_task(desk.say("go", approve=yes))
        while not any(isinstance(event, ToolStarted) for event in desk.events):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        results = [message for message in await desk.stored() if isinstance(message, ToolResult)]
        assert [result.call_id for result in results] == ["c1", "c2"]
        assert all(result.failed and "interrupted" in result.text for result in results)


async def test_a_risky_command_is_refused_where_nobody_can_answer(sit: Sit, tmp_path: Path) -> None:
    script: list[Step] = [Call("c1", "exec", {"command": f"touch {tmp_path}/made"}), "Well."]
    async with ScriptedModel(script) as server, sit(server) as desk:
        await desk.say("go")

        result = (await desk.stored())[2]
        assert isinstance(result, ToolResult)
        assert result.failed
        assert not (tmp_path / "made").exists()


async def test_a_server_that_refuses_tools_has_them_described_and_its_calls_read_from_the_text(sit: Sit) -> None:
    written = '<tool_call>\n{"name": "write", "arguments": {"path": "a.txt", "content": "hi"}}\n</tool_call>'
    async with ScriptedModel([f"Yes.\n{written}", "Done."], takes_tools=False) as server, sit(server) as desk:
        events = await desk.say("Write hi to a.txt")

        assert (desk.workspace / "a.txt").read_text() == "hi"
        assert "<tool_call>" not in "".join(event.text for event in events if isinstance(event, TextDelta))
        first, second = desk.sent()
        assert "tools" not in first
        assert "structural_tag" in first["structured_outputs"]
        assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "user"]
        assert second["messages"][2]["content"] == f"Yes.\n{written}"
        assert second["messages"][: len(first["messages"])] == first["messages"]


async def test_a_reply_that_the_servers_parser_swallowed_is_asked_for_without_its_parser(sit: Sit) -> None:
    written = '<tool_call>\n{"name": "read", "arguments": {"path": "a.txt"}}\n</tool_call>'
    swallowed = Answer(("",), finish="stop", completion_tokens=66)
    async with ScriptedModel([swallowed, written, "It says hi.", "Again."]) as server, sit(server) as desk:
        desk.workspace.mkdir()
        (desk.workspace / "a.txt").write_text("hi")
        events = await desk.say("Read a.txt.")
        await desk.say("And now?")

        assert [event.result.text for event in events if isinstance(event, ToolFinished)] == ["hi"]
        assert any(isinstance(event, Retrying) for event in events)
        assert [bool(body.get("tools")) for body in desk.sent()] == [True, False, False, False]


async def test_an_empty_reply_of_no_length_is_not_asked_for_again(sit: Sit) -> None:
    async with ScriptedModel([Answer(("",), finish="stop")]) as server, sit(server) as desk:
        await desk.say("Hello?")

        assert len(desk.sent()) == 1


async def test_a_server_restarted_without_its_tool_flags_is_noticed_within_the_turn(sit: Sit) -> None:
    async with ScriptedModel(["One.", "Two."]) as server, sit(server) as desk:
        await desk.say("first")
        server.takes_tools = False

        events = await desk.say("second")

        assert any(isinstance(event, Retrying) for event in events)
        assert isinstance(events[-1], TurnFinished)
        assert events[-1].text == "Two."
        heads = [entry.item for entry in await desk.entries() if isinstance(entry.item, Head)]
        assert [bool(head.tools) for head in heads] == [True, False]


async def test_what_cannot_fit_is_refused_with_the_numbers_before_anything_is_sent(sit: Sit) -> None:
    async with ScriptedModel(["never"], max_model_len=2_000) as server, sit(server) as desk:
        with pytest.raises(ContextOverflow, match="2,000"):
            await desk.say("word " * 2_500)

        assert desk.sent() == []


async def test_a_message_too_long_to_send_does_not_stand_in_the_way_of_the_next_one(sit: Sit) -> None:
    async with ScriptedModel(["Fine."], max_model_len=2_000) as server, sit(server) as desk:
        with pytest.raises(ContextOverflow):
            await desk.say("word " * 2_500)
        await desk.say("shorter")

        [sent] = desk.sent()
        assert [message["role"] for message in sent["messages"]] == ["system", "user"]
        assert len(await desk.stored()) == 3  # it is kept all the same


@pytest.mark.parametrize("status", [400, 401, 404, 422])
async def test_a_message_that_was_refused_does_not_spoil_the_session(sit: Sit, status: int) -> None:
    async with ScriptedModel([Failure(status, "no"), "Fine."]) as server, sit(server) as desk:
        with pytest.raises(ModelError):
            await desk.say("refused")
        await desk.say("another")

        roles = [message["role"] for message in desk.sent()[-1]["messages"]]
        assert roles == ["system", "user"]
        assert len(await desk.stored()) == 3


async def test_a_message_without_a_reply_is_followed_by_a_word_that_there_was_none(sit: Sit) -> None:
    async with ScriptedModel([Failure(500, "broken"), "Fine."]) as server, sit(server) as desk:
        with pytest.raises(ModelError):
            await desk.say("first")
        await desk.say("second")

        roles = [message["role"] for message in desk.sent()[-1]["messages"]]
        assert roles == ["system", "user", "assistant", "user"]


async def test_a_message_is_kept_when_the_server_is_gone_before_the_turn_begins(sit: Sit) -> None:
    async with ScriptedModel(["never"]) as server, sit(server) as desk:
        toolbox = desk.room.toolbox(KEY)
        turn = await desk.room.turn(KEY, toolbox)
        await server.stop()
        with pytest.raises(ModelUnreachable, match="curl"):
            [event async for event in run_turn(turn, "do not lose me")]
        await toolbox.close()

        [kept] = await desk.stored()
        assert written_text(str(getattr(kept, "content", ""))) == "do not lose me"


async def test_two_turns_in_one_session_never_overlap(sit: Sit) -> None:
    slow = Answer(("a", "b", "c"), delay_s=0.05)
    async with ScriptedModel([slow, slow]) as server, sit(server) as desk, sit(server) as other:
        await asyncio.gather(desk.say("one"), other.say("two"))

        waited = [event for event in (*desk.events, *other.events) if isinstance(event, Notice)]
        assert len(waited) == 1
        assert "Waiting" in waited[0].text
        roles = [type(message).__name__ for message in await desk.stored()]
        assert roles == ["User", "Assistant", "User", "Assistant"]


async def test_the_session_key_of_another_conversation_shares_nothing(sit: Sit) -> None:
    async with ScriptedModel(["One."]) as server, sit(server) as desk:
        await desk.say("go")

        assert await desk.room.store.entries(KEY + "2") == ()
