"""A turn that is stopped, at any moment: what is stored, and how the next one goes on."""

import asyncio
import gc
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import pytest

from garra.agent.events import TurnFinished
from garra.agent.loop import run_turn
from garra.errors import StepLimit, TimeLimit
from garra.sessions.entries import Said
from garra.sessions.transcript import open_calls
from garra.testing import Answer, Call, ScriptedModel, Silence, Step, Thought
from garra.tools.approval import ApprovalRequest, Decision
from garra.wire.messages import Assistant, ToolResult
from tests.agent.conftest import KEY, Desk, Sit

pytestmark = pytest.mark.anyio

# asyncio drops the socket of a connection that is cancelled in the moment in which it has been made
forgotten_sockets = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

MOMENTS = (*range(0, 24, 2), *range(24, 200, 16), *range(200, 1400, 100))
WIDE = 1_000_000


def steps(count: int) -> list[Step]:
    """Replies with two calls and replies without, in turns, so that any of them may come next."""
    made: list[Step] = []
    for number in range(count):
        write = Call(f"w{number}", "write", {"path": "a.txt", "content": str(number)})
        made.append([Thought("Hm. "), "I will. ", write, Call(f"e{number}", "exec", {"command": "echo hi"})])
        made.append(f"Done with {number}.")
    return made


async def yes(_: ApprovalRequest) -> Decision:
    return Decision.ALLOW_ONCE


async def check(desk: Desk) -> None:
    """Every stored call has its one answer, and the last turn ended with a reply."""
    entries = await desk.entries()
    assert open_calls(entries) == ()
    done = [entry.item for entry in entries if isinstance(entry.item, Said) and entry.item.status == "done"]
    called = Counter(call.id for said in done if isinstance(said.message, Assistant) for call in said.message.calls)
    answered = Counter(said.message.call_id for said in done if isinstance(said.message, ToolResult))
    assert answered == called


def check_prefix(bodies: Sequence[dict[str, Any]]) -> None:
    for before, after in pairwise(bodies):
        assert after["tools"] == before["tools"]
        assert after["messages"][: len(before["messages"])] == before["messages"]


@forgotten_sockets
async def test_a_turn_cancelled_at_any_moment_leaves_a_transcript_on_which_the_next_one_goes_on(sit: Sit) -> None:
    stopped = 0
    async with ScriptedModel(steps(len(MOMENTS) * 3), max_model_len=WIDE) as server, sit(server) as desk:
        for moment in MOMENTS:
            task = asyncio.create_task(desk.say(f"until {moment}", approve=yes))
            for _ in range(moment):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            stopped += task.cancelled()
            await check(desk)
        events = await desk.say("and now whole", approve=yes)

        assert isinstance(events[-1], TurnFinished)
        await check(desk)
        check_prefix(desk.sent())
    gc.collect()
    assert stopped > len(MOMENTS) // 2


async def test_a_watcher_that_goes_away_after_any_event_leaves_a_transcript_on_which_the_next_turn_goes_on(
    sit: Sit,
) -> None:
    async with ScriptedModel(steps(60), max_model_len=WIDE) as server, sit(server) as desk:
        for count in range(1, 13):
            toolbox = desk.room.toolbox(KEY, yes)
            seen = 0
            async with aclosing(run_turn(await desk.room.turn(KEY, toolbox), f"{count} events")) as events:
                async for _ in events:
                    seen += 1
                    if seen == count:
                        break
            await toolbox.close()
            await check(desk)
        await desk.say("and now whole", approve=yes)

        await check(desk)
        check_prefix(desk.sent())


async def test_a_turn_that_is_cancelled_while_it_is_being_stopped_is_mended_by_the_next_one(sit: Sit) -> None:
    script: list[Step] = [Call("c1", "exec", {"command": "trap '' TERM; sleep 30"}), "Fine."]
    async with ScriptedModel(script) as server, sit(server) as desk:
        task = asyncio.create_task(desk.say("go", approve=yes))
        while not any(type(event).__name__ == "ToolStarted" for event in desk.events):
            await asyncio.sleep(0.01)
        for _ in range(4):
            task.cancel()
            await asyncio.sleep(0.02)
        await asyncio.wait([task])
        await desk.say("and now?")

        await check(desk)


async def test_a_new_session_in_the_middle_of_a_turn_leaves_the_turn_where_it_began(sit: Sit) -> None:
    slow = Answer(tuple(f"w{number} " for number in range(20)), delay_s=0.01)
    async with ScriptedModel([[Call("c1", "read", {"path": "."})], slow]) as server, sit(server) as desk:
        task = asyncio.create_task(desk.say("go"))
        while len(desk.sent()) < 2:
            await asyncio.sleep(0.01)
        begun = (await desk.entries())[0].session_id
        await desk.room.store.reset(KEY)
        await task

        assert await desk.entries() == ()
        kinds = [
            type(e.item.message).__name__
            for e in await desk.room.store.entries(KEY, session_id=begun)
            if isinstance(e.item, Said)
        ]
        assert kinds == ["User", "Assistant", "ToolResult", "Assistant"]


async def test_a_limit_that_ends_the_turn_leaves_no_call_open(sit: Sit) -> None:
    async with ScriptedModel([[Call("c1", "exec", {"command": "sleep 60"})]]) as server, sit(server) as desk:
        with pytest.raises(TimeLimit):
            await desk.say("go", approve=yes, timeout_s=0.7)
        await check(desk)
        results = [message for message in await desk.stored() if isinstance(message, ToolResult)]
        assert [result.call_id for result in results] == ["c1"]


async def test_the_time_limit_also_holds_a_server_that_says_nothing(sit: Sit) -> None:
    async with ScriptedModel([Silence()]) as server, sit(server) as desk:
        with pytest.raises(TimeLimit):
            await desk.say("go", timeout_s=0.5)


async def test_a_step_limit_leaves_a_session_that_goes_on(sit: Sit) -> None:
    script: list[Step] = [*(Call(f"c{n}", "read", {"path": "."}) for n in range(3)), "Done."]
    async with ScriptedModel(script, max_model_len=WIDE) as server, sit(server) as desk:
        with pytest.raises(StepLimit):
            await desk.say("go", max_steps=3)
        await desk.say("go on")

        await check(desk)
        check_prefix(desk.sent())
