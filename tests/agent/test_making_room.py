"""A turn on a server whose window is not what was thought: it learns of it, makes room, and answers."""

import pytest

from garra.agent.events import Notice, TurnEvent, TurnFinished
from garra.sessions.entries import Compacted
from tests.agent.conftest import Desk, Sit
from tests.agent.strict import Strict

pytestmark = pytest.mark.anyio

PROSE = "The photos of that summer lie in several folders, and some of them twice. "


def write_files(desk: Desk, line: str) -> None:
    """Workspace files of 20,000 characters."""
    desk.workspace.mkdir(exist_ok=True)
    for name in ("AGENTS.md", "SOUL.md", "USER.md", "MEMORY.md"):
        (desk.workspace / name).write_text(line * (20_000 // len(line)))


def answer(events: list[TurnEvent]) -> str:
    assert isinstance(events[-1], TurnFinished)
    return events[-1].text


async def test_a_server_that_came_back_with_a_smaller_window_costs_one_refused_request(sit: Sit) -> None:
    async with Strict([PROSE * 20] * 60, max_model_len=32_768) as server, sit(server) as desk:
        for number in range(25):
            await desk.say(f"{number}: {PROSE * 4}")
        server.max_model_len = 8_192
        events = await desk.say("And now?")

        assert answer(events) == PROSE * 20
        assert server.refused == 1
        assert sum(isinstance(entry.item, Compacted) for entry in await desk.entries()) == 1


async def test_a_server_that_names_no_window_is_believed_when_it_refuses(sit: Sit) -> None:
    server = Strict(["Hello."], max_model_len=8_192)
    server.names_window = False
    async with server, sit(server) as desk:
        write_files(desk, "Remember this line. ")
        events = await desk.say("Hi")
        refused_first = server.refused
        await desk.say("Once more")

    assert answer(events) == "Hello."
    assert refused_first == 1
    assert server.refused == 1
    assert [event.text for event in events if isinstance(event, Notice) and "AGENTS.md" in event.text]


@pytest.mark.parametrize("window", [4_096, 8_192])
@pytest.mark.parametrize("counts", [True, False])
async def test_workspace_files_in_chinese_leave_room_for_the_conversation(sit: Sit, window: int, counts: bool) -> None:
    server = Strict(["好的。"], max_model_len=window)
    server.counts = counts
    async with server, sit(server) as desk:
        write_files(desk, "请记住这一行。")
        events = await desk.say("你好")

    assert answer(events) == "好的。"
    assert server.refused == 0


async def test_a_reply_limit_that_does_not_fit_is_left_to_the_server(sit: Sit) -> None:
    server = Strict(["Hello."], max_model_len=4_096)
    server.chars_a_token, server.counts = 2.5, False
    async with server, sit(server, params={"max_tokens": 2_000}) as desk:
        write_files(desk, "Remember this line. ")
        events = await desk.say("Hi")
        limits = [body.get("max_tokens") for body in desk.sent()]

    assert answer(events) == "Hello."
    assert limits == [2_000, None]


async def test_what_may_fit_is_sent_to_a_server_that_cannot_count(sit: Sit) -> None:
    server = Strict(["好的。"], max_model_len=8_192)
    server.counts = False
    async with server, sit(server) as desk:
        events = await desk.say("请告诉我这些照片在哪里。" * 400)

    assert answer(events) == "好的。"
    assert server.refused == 0
