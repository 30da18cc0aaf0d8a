"""A model's thinking over whole turns: apart from the answer, sent back as it came, as much as the person wants."""

import json
from itertools import pairwise
from typing import Any

import pytest

from garra.sessions.entries import NewEntry, Setting
from garra.testing import Call, ScriptedModel, Step, Thought
from garra.wire.messages import Assistant
from tests.agent.conftest import KEY, Sit

pytestmark = pytest.mark.anyio


def prompts(bodies: list[dict[str, Any]]) -> list[str]:
    """The messages of each request, as far as the next one can repeat them."""
    return [json.dumps(body["messages"])[:-1] for body in bodies]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "reasoning_text"])
async def test_thinking_goes_back_under_the_servers_name_in_the_loop_and_after_a_restart(sit: Sit, field: str) -> None:
    script: list[Step] = [
        [Thought("First the folder.", field), Call("c1", "read", {"path": "."})],
        [Thought("Once more.", field), "Again.", Call("c2", "read", {"path": "."})],
        [Thought("Enough.", field), "Done."],
        "Nothing new.",
    ]
    async with ScriptedModel(script) as server:
        async with sit(server) as desk:
            await desk.say("Look around.")
            sent = desk.sent()
        async with sit(server) as desk:
            await desk.say("And now?")
            sent = desk.sent()

    *before, last = sent
    thoughts = [message.get(field) for message in last["messages"] if message["role"] == "assistant"]
    assert thoughts == ["First the folder.", "Once more.", "Enough."]
    assert [message.get(field) for message in before[1]["messages"]][-2:] == ["First the folder.", None]
    for one, following in pairwise(prompts(sent)):
        assert following.startswith(one)


async def test_thinking_in_the_text_is_kept_apart_and_not_sent_back(sit: Sit) -> None:
    script: list[Step] = [
        ["<think>I should look.</think>\n\n", Call("c1", "read", {"path": "."})],
        "<think>That was it.</think>\n\nDone.",
        "Yes.",
    ]
    async with ScriptedModel(script) as server, sit(server) as desk:
        await desk.say("Look around.")
        await desk.say("Sure?")
        stored, sent = await desk.stored(), desk.sent()

    replies = [message for message in stored if isinstance(message, Assistant)]
    assert [(reply.text.strip(), reply.reasoning) for reply in replies] == [
        ("", "I should look."),
        ("Done.", "That was it."),
        ("Yes.", ""),
    ]
    assert "I should look" not in json.dumps(sent)
    assert "think>" not in json.dumps(sent[-1]["messages"][1:])


async def test_a_reply_whose_thinking_began_in_the_prompt_is_stored_as_its_answer(sit: Sit) -> None:
    async with ScriptedModel(["I add.\n</think>\n\nFour."]) as server, sit(server) as desk:
        events = await desk.say("2 + 2?")

        assert (await desk.stored())[-1] == Assistant("Four.", (), "I add.\n")
        assert getattr(events[-1], "text", None) == "Four."


async def test_the_level_that_the_person_chose_for_the_session_is_sent_and_taken_back(sit: Sit) -> None:
    async with ScriptedModel(["a", "b", "c"], model="Qwen/Qwen3-8B") as server:
        async with sit(server, model="vllm/Qwen/Qwen3-8B") as desk:
            await desk.say("1")
            await desk.room.store.append(KEY, NewEntry(Setting("thinking", "off")))
            await desk.say("2")
            await desk.room.store.append(KEY, NewEntry(Setting("thinking", "")))
            await desk.say("3")
            sent = desk.sent()

    assert [body.get("chat_template_kwargs") for body in sent] == [None, {"enable_thinking": False}, None]
    assert prompts(sent)[2].startswith(prompts(sent)[1])
