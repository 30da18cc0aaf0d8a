"""A turn that compacts on its way: before the window is full, and when the server says that it is."""

import pytest

from garra.agent.events import Notice, TurnFinished
from garra.errors import ContextOverflow
from garra.sessions.entries import Compacted, Entry, Head, NewEntry, Said
from garra.testing import Call, Failure, Step
from garra.wire.messages import Assistant, Message, User
from tests.agent.conftest import KEY, Desk, Sit
from tests.agent.strict import Strict

pytestmark = pytest.mark.anyio

SUMMARY = "## Goal\nSort the photos."
PROSE = "The photos of that summer lie in several folders, and some of them twice. "
TOO_LONG = "This model's maximum context length is 8192 tokens. However, your request has 9000 input tokens."
OVERFLOW = Failure(400, {"error": {"message": TOO_LONG, "type": "BadRequestError", "param": None, "code": 400}})


async def told(desk: Desk, turns: int, *, words: int = 20) -> tuple[Entry, ...]:
    """A session of so many long turns."""
    said: list[Message] = []
    for number in range(turns):
        said += [User(f"Question {number}: {PROSE * words}"), Assistant(f"Answer {number}. {PROSE * words}")]
    prefix = Head("You are an assistant.", (), "vllm/scripted")
    await desk.room.store.append(KEY, NewEntry(prefix), *(NewEntry(Said(message)) for message in said))
    return await desk.entries()


def compactions(entries: tuple[Entry, ...]) -> list[Compacted]:
    return [entry.item for entry in entries if isinstance(entry.item, Compacted)]


async def test_a_full_conversation_is_compacted_before_the_next_request(sit: Sit) -> None:
    async with Strict([SUMMARY, "Here."]) as server, sit(server) as desk:
        before = await told(desk, 9)

        events = await desk.say("Where are they?")

        summary, asked = desk.sent()
        assert "Write a summary" in summary["messages"][-1]["content"]
        assert SUMMARY in asked["messages"][1]["content"]
        assert asked["messages"][-1]["content"].endswith("Where are they?")
        assert isinstance(events[-1], TurnFinished)
        assert events[-1].text == "Here."
        entries = await desk.entries()
        assert entries[: len(before)] == before
        assert len(compactions(entries)) == 1


async def test_a_message_that_fits_by_no_means_costs_the_conversation_nothing(sit: Sit) -> None:
    async with Strict([SUMMARY, "Here."]) as server, sit(server) as desk:
        await told(desk, 9)

        with pytest.raises(ContextOverflow, match="The last message alone"):
            await desk.say(PROSE * 2_000)

        assert desk.sent() == []
        assert compactions(await desk.entries()) == []


async def test_what_the_server_finds_too_long_is_compacted_and_sent_again(sit: Sit) -> None:
    async with Strict([OVERFLOW, SUMMARY, "Here."]) as server, sit(server) as desk:
        await told(desk, 5)

        events = await desk.say("Where are they?")

        refused, _, asked = desk.sent()
        assert len(str(asked)) < len(str(refused))
        assert asked["messages"][-1] == refused["messages"][-1]
        assert isinstance(events[-1], TurnFinished)
        assert len(compactions(await desk.entries())) == 1


async def test_the_limit_of_a_reply_holds_again_where_a_summary_has_made_room(sit: Sit) -> None:
    script: list[Step] = [OVERFLOW, OVERFLOW, SUMMARY, "Here."]
    async with Strict(script) as server, sit(server, params={"max_tokens": 300}) as desk:
        await told(desk, 5)

        await desk.say("Where are they?")

        capped, left_to_the_server, _, last = (body.get("max_tokens") for body in desk.sent())
        assert (capped, left_to_the_server, last) == (300, None, 300)


async def test_a_turn_with_many_long_results_goes_on_with_its_request_in_view(sit: Sit) -> None:
    steps: list[Step] = [Call(f"c{number}", "read", {"path": "long.txt"}) for number in range(4)]
    script: list[Step] = [*steps[:3], OVERFLOW, SUMMARY, "Found it."]
    async with Strict(script) as server, sit(server) as desk:
        desk.workspace.mkdir(exist_ok=True)
        (desk.workspace / "long.txt").write_text(PROSE * 40)

        events = await desk.say("Find the twin of may.jpg in /srv/photos.")

        last = desk.sent()[-1]["messages"]
        assert SUMMARY in last[1]["content"]
        assert "Find the twin of may.jpg in /srv/photos." in last[1]["content"]
        assert last[-1]["role"] == "tool"
        calls = [call["id"] for message in last for call in message.get("tool_calls", ())]
        assert calls == [message["tool_call_id"] for message in last if message["role"] == "tool"]
        assert isinstance(events[-1], TurnFinished)
        assert events[-1].text == "Found it."


async def test_a_turn_that_is_compacted_twice_still_has_its_request_in_view(sit: Sit) -> None:
    reads: list[Step] = [Call(f"c{number}", "read", {"path": "long.txt"}) for number in range(6)]
    script: list[Step] = [*reads[:3], OVERFLOW, SUMMARY, *reads[3:], OVERFLOW, "## Goal\nAgain.", "Found it."]
    async with Strict(script) as server, sit(server) as desk:
        desk.workspace.mkdir(exist_ok=True)
        (desk.workspace / "long.txt").write_text(PROSE * 40)

        await desk.say("Find the twin of may.jpg in /srv/photos.")

        last = desk.sent()[-1]["messages"]
        assert "## Goal\nAgain." in last[1]["content"]
        assert last[1]["content"].count("Find the twin of may.jpg in /srv/photos.") == 1
        assert len(compactions(await desk.entries())) == 2


async def test_nothing_is_summarised_for_a_guess_where_the_server_counts_less(sit: Sit) -> None:
    server = Strict(["Here."])
    server.chars_a_token = 9
    async with server, sit(server) as desk:
        await told(desk, 9)  # a guess finds it too much

        events = await desk.say("Where are they?")

        assert isinstance(events[-1], TurnFinished)
        assert len(desk.sent()) == 1
        assert compactions(await desk.entries()) == []


@pytest.mark.parametrize("notify", [True, False])
async def test_the_person_is_told_the_numbers_where_they_want_to(sit: Sit, notify: bool) -> None:
    async with Strict([SUMMARY, "Here."]) as server, sit(server, compaction={"notifyUser": notify}) as desk:
        await told(desk, 9)

        notices = [event.text for event in await desk.say("Where?") if isinstance(event, Notice)]

        assert any("summarising" in text for text in notices)
        assert any(text.startswith("Compacted: ") for text in notices) == notify


async def test_where_nothing_can_be_gained_the_overflow_is_told(sit: Sit) -> None:
    async with Strict([OVERFLOW]) as server, sit(server) as desk:
        with pytest.raises(ContextOverflow):
            await desk.say("Hello?")

        assert not [event for event in desk.events if isinstance(event, Notice)]
        assert len(desk.sent()) == 1
        assert compactions(await desk.entries()) == []


async def test_compaction_at_the_threshold_can_be_switched_off_and_an_overflow_compacts_all_the_same(
    sit: Sit,
) -> None:
    script: list[Step] = ["First.", OVERFLOW, SUMMARY, "Second."]
    async with Strict(script) as server, sit(server, compaction={"enabled": False}) as desk:
        await told(desk, 9)

        await desk.say("Where are they?")
        assert compactions(await desk.entries()) == []
        await desk.say("And now?")
        assert len(compactions(await desk.entries())) == 1


@pytest.mark.parametrize("window", [4_096, 8_192])
async def test_a_long_conversation_goes_on_and_on_in_a_small_window(sit: Sit, window: int) -> None:
    async with Strict([f"It is so. {PROSE * 4}"], max_model_len=window) as server, sit(server) as desk:
        for number in range(25):
            events = await desk.say(f"Question {number}: {PROSE * 24}")
            assert isinstance(events[-1], TurnFinished)

        entries = await desk.entries()
        assert sum(isinstance(entry.item, Said) for entry in entries) == 50
        assert len(compactions(entries)) >= 1


@pytest.mark.parametrize("window", [4_096, 8_192])
async def test_a_turn_of_many_steps_goes_on_in_a_small_window_even_where_the_model_writes_no_summary(
    sit: Sit, window: int
) -> None:
    steps: list[Step] = [Call(f"c{number}", "read", {"path": "long.txt"}) for number in range(40)]
    async with Strict([*steps, "Done."], max_model_len=window) as server, sit(server) as desk:
        desk.workspace.mkdir(exist_ok=True)
        (desk.workspace / "long.txt").write_text(PROSE * 40)

        events = await desk.say("Read long.txt until you know it.")

        assert isinstance(events[-1], TurnFinished)
        done = compactions(await desk.entries())
        assert len(done) >= 1
        assert all(not each.model for each in done[:-1])  # the last one may have had the "Done."
        assert not done[0].model
        last = desk.sent()[-1]["messages"]
        assert "Read long.txt until you know it." in last[1]["content"]
        assert len(str(last).split()) < window  # as the scripted server counts
