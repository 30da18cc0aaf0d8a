"""A reply that nobody sees while it comes."""

import asyncio

import pytest

from garra.agent.quiet import quiet_reply
from garra.models.slots import taken
from garra.testing import Failure, ScriptedModel
from garra.wire.messages import User
from garra.wire.request import ChatRequest
from tests.agent.conftest import KEY, Sit

pytestmark = pytest.mark.anyio


async def test_the_pause_before_another_try_holds_no_place_in_line(sit: Sit) -> None:
    async with ScriptedModel([Failure(503, "busy", {"retry-after": "1"}), "Here."]) as server, sit(server) as desk:
        toolbox = desk.room.toolbox(KEY)
        turn = await desk.room.turn(KEY, toolbox)
        await toolbox.close()
        request = ChatRequest("scripted", (User("Sum up."),))
        asked = asyncio.create_task(quiet_reply(turn, turn.chosen, request, limit_s=30))
        held: list[tuple[int, int]] = []
        while not asked.done():
            await asyncio.sleep(0.01)
            held.append((server.played, taken(turn.state / "slots", server.base_url)))

        assert (await asked).text == "Here."
        assert (1, 0) in held
        assert held[-1] == (2, 0)
