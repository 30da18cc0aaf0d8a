"""Whole turns with calls that come as text, or with arguments that have to be mended."""

import json
from typing import Any

import pytest

from garra.agent.events import ToolFinished, TurnEvent, TurnFinished
from garra.testing import Answer, Call, ScriptedModel
from garra.wire.events import TextDelta
from garra.wire.messages import Assistant
from tests.agent.conftest import Sit

pytestmark = pytest.mark.anyio

FORMS = (
    '<tool_call>\n{"name": "write", "arguments": {"path": "a.txt", "content": "hi"}}\n</tool_call>',
    "<function=write>\n<parameter=path>\na.txt\n</parameter>\n<parameter=content>\nhi\n</parameter>\n</function>",
    '{"name": "write", "parameters": {"path": "a.txt", "content": "hi"}}',
    '[TOOL_CALLS]write[ARGS]{"path": "a.txt", "content": "hi"}',
    "[write(path='a.txt', content='hi')]",
)


def shown(events: list[TurnEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize("takes_tools", [True, False])
@pytest.mark.parametrize("written", FORMS)
async def test_a_call_in_the_text_is_run_once_on_either_rung(sit: Sit, written: str, takes_tools: bool) -> None:
    async with ScriptedModel([written, "Done."], takes_tools=takes_tools) as server, sit(server) as desk:
        events = await desk.say("Write hi into a.txt")

        assert (desk.workspace / "a.txt").read_text() == "hi"
        assert len([event for event in events if isinstance(event, ToolFinished)]) == 1
        assert shown(events) == "Done."
        assert isinstance(events[-1], TurnFinished)


async def test_an_example_of_a_call_in_a_fence_is_an_answer(sit: Sit) -> None:
    text = f"So:\n```\n{FORMS[0]}\n```"
    async with ScriptedModel([text]) as server, sit(server) as desk:
        events = await desk.say("How do you call a tool?")

        assert shown(events) == text
        assert not (desk.workspace / "a.txt").exists()


async def test_mended_arguments_are_run_stored_and_sent_as_they_are_now(sit: Sit) -> None:
    wrong = Call("call_abc", "write", "{'path': 'a.txt', 'content': 'hi'}")
    async with ScriptedModel([[wrong], "Done."]) as server, sit(server) as desk:
        await desk.say("Write hi into a.txt")

        assert (desk.workspace / "a.txt").read_text() == "hi"
        [said] = [message for message in await desk.stored() if isinstance(message, Assistant) and message.calls]
        sent: list[dict[str, Any]] = desk.sent()[1]["messages"]
    assert json.loads(said.calls[0].arguments) == {"path": "a.txt", "content": "hi"}
    assert sent[-2]["tool_calls"][0]["function"]["arguments"] == said.calls[0].arguments
    assert sent[-2]["tool_calls"][0]["id"] == sent[-1]["tool_call_id"] == "call_abc"


async def test_a_cut_call_that_lacks_only_its_brace_is_not_mended(sit: Sit) -> None:
    cut = Answer((Call("c1", "write", '{"path": "a.txt", "content": "hi"'),), finish="length")
    async with ScriptedModel([cut, "I see."]) as server, sit(server) as desk:
        await desk.say("Write hi into a.txt")

        assert not (desk.workspace / "a.txt").exists()
        assert "cut off at its length limit" in desk.sent()[1]["messages"][-1]["content"]
