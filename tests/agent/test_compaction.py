"""Older turns become a summary: what it must hold, what stays, and what is left as it was when it fails."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from garra.agent.budget import used_tokens
from garra.agent.compaction import CompactionSettings, compact_session, summarise
from garra.agent.events import Notice
from garra.agent.thresholds import compact_at
from garra.agent.turn import Turn, stored_prefix
from garra.cli.app import App
from garra.cli.talk import open_room
from garra.config.schema_compaction import QualityGuard
from garra.errors import GarraError, ModelUnreachable
from garra.sessions.entries import Compacted, Entry, Head, NewEntry, Said
from garra.sessions.transcript import SUMMARY_LEAD, SUMMARY_READ, history, summary_message
from garra.testing import Answer, Call, Failure, ScriptedModel, Silence, Step, Thought
from garra.tools.approval import nobody
from garra.wire.messages import Assistant, Message, ToolCall, ToolResult, User
from tests.agent.conftest import KEY, Desk, Sit

pytestmark = pytest.mark.anyio

PREFIX = Head("You are an assistant.", (), "vllm/scripted")
SUMMARY = "## Goal\nMove the photos.\n\n## Open tasks\n- check /srv/photos/2019 and ticket AB-1234"
PROSE = "The photos of that summer lie in several folders, and some of them twice. "


async def turn_at(desk: Desk, **settings: Any) -> Turn:
    turn = await desk.room.turn(KEY, desk.room.toolbox(KEY, nobody))
    return msgspec.structs.replace(turn, compaction=CompactionSettings(**settings))


async def told(desk: Desk, *messages: Message) -> tuple[Entry, ...]:
    """A session in which this was said."""
    await desk.room.store.append(KEY, NewEntry(PREFIX), *(NewEntry(Said(message)) for message in messages))
    return await desk.entries()


def talk(turns: int, *, words: int = 20) -> list[Message]:
    """So many questions and answers, each of about so many sentences."""
    return [
        message
        for number in range(turns)
        for message in (User(f"Question {number}: {PROSE * words}"), Assistant(f"Answer {number}. {PROSE * words}"))
    ]


def step(number: int, text: str) -> list[Message]:
    """A call and its result."""
    call = ToolCall(f"c{number}", "read", '{"path": "a.txt"}')
    return [Assistant("", (call,)), ToolResult(call.id, "read", text)]


async def summary_of(desk: Desk, entries: Sequence[Entry], *, used: int | None = None, **settings: Any) -> Compacted:
    done = await try_summary(desk, entries, used=used, **settings)
    assert done is not None
    return done


async def try_summary(
    desk: Desk, entries: Sequence[Entry], *, used: int | None = None, **settings: Any
) -> Compacted | None:
    turn = await turn_at(desk, **settings)
    full = compact_at(turn.chosen.window or 0)
    return await summarise(turn, entries, PREFIX, used=full if used is None else used)


async def compact(desk: Desk, instructions: str = "", **settings: Any) -> list[str]:
    """What the person sees of `/compact`."""
    async with aclosing(compact_session(await turn_at(desk, **settings), instructions)) as events:
        return [event.text async for event in events if isinstance(event, Notice)]


def view(entries: Sequence[Entry], done: Compacted) -> tuple[Message, ...]:
    return history((*entries, Entry("s", entries[-1].seq + 1, 0.0, done)))


def asked(desk: Desk, number: int = -1) -> str:
    return str(desk.sent()[number]["messages"][-1]["content"])


async def test_the_older_turns_become_the_summary_and_the_last_ones_stay(sit: Sit) -> None:
    async with ScriptedModel([SUMMARY]) as server, sit(server) as desk:
        said = talk(6)
        entries = await told(desk, *said)

        done = await summary_of(desk, entries)

        first, between, *kept = view(entries, done)
        assert first == summary_message(SUMMARY)
        assert between == SUMMARY_READ
        assert kept == said[-len(kept) :]
        assert isinstance(kept[0], User)
        assert (done.model, done.tokens_before) == ("vllm/scripted", compact_at(8192))
        assert await desk.entries() == entries


LOOK_ALIKE = "<|im_end|> <tool_call> </tool_response>"
"""What a person may paste, and what must not pass for the server's own marks."""


@pytest.mark.parametrize("takes_tools", [True, False])
async def test_the_request_is_what_was_sent_last_cut_off_with_one_message_behind_it(
    sit: Sit, takes_tools: bool
) -> None:
    script: list[Step] = []
    for number in range(4):
        path = {"path": f"{number}.txt", "content": PROSE * 8}
        call = f'<tool_call>\n{{"name": "write", "arguments": {msgspec.json.encode(path).decode()}}}\n</tool_call>'
        script += [[Call(f"c{number}", "write", path)] if takes_tools else call, f"Written. {PROSE * 6}"]
    async with ScriptedModel([*script, SUMMARY], takes_tools=takes_tools) as server, sit(server) as desk:
        for number in range(4):
            await desk.say(f"Write file {number}, please. {LOOK_ALIKE} {PROSE * 4}")
        await compact(desk)

        last, summary = desk.sent()[-2:]
        assert "Write a summary" in asked(desk)
        count = len(summary["messages"]) - 1
        assert summary["messages"][:count] == last["messages"][:count]
        assert summary.get("tools") == last.get("tools")
        assert summary.get("tool_choice", "none") == "none"
        assert "structured_outputs" not in summary
        assert summary["max_tokens"] <= 1_024


async def test_after_a_compaction_the_next_request_begins_with_the_summary_and_the_next_with_that(sit: Sit) -> None:
    async with ScriptedModel([*["Answer. " + PROSE * 10] * 4, SUMMARY, "Later.", "Last."]) as server:
        async with sit(server) as desk:
            for number in range(4):
                await desk.say(f"Question {number}. {PROSE * 10}")
            await compact(desk)
        async with sit(server) as desk:
            await desk.say("And then?")
            await desk.say("And now?")
        before, after, last = (desk.server.chats[place].body["messages"] for place in (-4, -2, -1))

        assert after[0] == before[0]
        assert SUMMARY_LEAD in after[1]["content"]
        assert SUMMARY in after[1]["content"]
        assert len(str(after)) < len(str(before)) * 0.7
        assert last[: len(after)] == after


async def test_the_persons_instructions_stand_in_the_request(sit: Sit) -> None:
    async with ScriptedModel([SUMMARY]) as server, sit(server) as desk:
        await told(desk, *talk(4))

        notices = await compact(desk, "keep every price")

        assert "keep every price" in asked(desk)
        assert notices[0].startswith("Compacting")
        assert notices[-1].startswith("Compacted: ")


async def test_the_instruction_names_what_must_be_kept(sit: Sit) -> None:
    async with ScriptedModel([SUMMARY]) as server, sit(server) as desk:
        await summary_of(desk, await told(desk, *talk(6)))

        for word in ("Goal", "Decisions", "Open tasks", "Facts to keep", "paths", "ids", "numbers", "exactly"):
            assert word in asked(desk)


IDS = User(f"Ship order AB-1234 from /srv/photos/2019/may.jpg to https://example.org/x?id=7, or/and wait. {PROSE * 20}")


async def test_a_summary_that_lost_an_id_is_asked_for_again_with_its_name(sit: Sit) -> None:
    whole = "Order AB-1234, /srv/photos/2019/may.jpg, https://example.org/x?id=7."
    async with ScriptedModel(["It was about an order.", whole]) as server, sit(server) as desk:
        done = await summary_of(desk, await told(desk, IDS, Assistant("Yes."), *talk(5)))

        assert done.summary == whole
        assert "AB-1234" not in asked(desk, 0)
        assert "AB-1234" in asked(desk, 1)
        assert "or/and" not in asked(desk, 1)


@pytest.mark.parametrize(("retries", "requests"), [(0, 1), (1, 2), (2, 3)])
async def test_ids_that_are_lost_again_and_again_are_added_to_the_summary(
    sit: Sit, retries: int, requests: int
) -> None:
    async with ScriptedModel(["It was about an order."] * 4) as server, sit(server) as desk:
        guard = QualityGuard(max_retries=retries)
        done = await summary_of(desk, await told(desk, IDS, Assistant("Yes."), *talk(5)), quality_guard=guard)

        assert len(desk.sent()) == requests
        for name in ("AB-1234", "/srv/photos/2019/may.jpg", "https://example.org/x?id=7"):
            assert name in done.summary
        assert done.summary.startswith("It was about an order.")


async def test_ids_are_not_looked_for_where_the_policy_is_off(sit: Sit) -> None:
    async with ScriptedModel(["It was about an order."]) as server, sit(server) as desk:
        entries = await told(desk, IDS, Assistant("Yes."), *talk(5))
        done = await summary_of(desk, entries, identifier_policy="off")

        assert done.summary == "It was about an order."


NO_SUMMARY: list[Step] = [
    Answer(()),
    Call("c1", "read", {"path": "a"}),
    Thought("Let me think about it."),
    "<think>What was said?</think>",
]


@pytest.mark.parametrize("nothing", NO_SUMMARY)
async def test_a_turn_goes_on_with_a_summary_made_without_the_model_where_that_gives_none(
    sit: Sit, nothing: Step
) -> None:
    async with ScriptedModel([nothing, nothing]) as server, sit(server) as desk:
        done = await summary_of(desk, await told(desk, IDS, Assistant("I wait for the key."), *talk(5)))

        assert len(desk.sent()) == 2
        assert done.model == ""
        for word in ("AB-1234", "/srv/photos/2019/may.jpg", "Question"):
            assert word in done.summary


@pytest.mark.parametrize("failure", [Failure(400, {"error": {"message": "no", "code": 400}}), Failure(422, "no")])
async def test_an_error_of_the_server_leaves_the_turn_a_summary_and_the_persons_wish_nothing(
    sit: Sit, failure: Failure
) -> None:
    async with ScriptedModel([failure, failure, failure]) as server, sit(server) as desk:
        entries = await told(desk, *talk(6))

        assert (await summary_of(desk, entries)).model == ""
        with pytest.raises(GarraError):
            await compact(desk)
        assert await desk.entries() == entries


async def test_no_summary_is_stored_for_the_person_where_the_model_gives_none(sit: Sit) -> None:
    async with ScriptedModel([Answer(())]) as server, sit(server) as desk:
        entries = await told(desk, *talk(6))

        with pytest.raises(GarraError, match="nothing was changed"):
            await compact(desk, quality_guard=QualityGuard(enabled=False))
        assert await desk.entries() == entries


async def test_a_server_that_is_gone_costs_nothing_of_the_conversation(sit: Sit) -> None:
    async with ScriptedModel() as server, sit(server) as desk:
        entries = await told(desk, *talk(6))
        turn = await turn_at(desk)
    with pytest.raises(ModelUnreachable):
        async with sit(server) as desk:
            await summarise(msgspec.structs.replace(turn, http=desk.room.http), entries, PREFIX, used=7_000)


async def test_a_compaction_that_is_cancelled_leaves_the_session_as_it_was(sit: Sit) -> None:
    async with ScriptedModel([Silence()]) as server, sit(server) as desk:
        entries = await told(desk, *talk(6))
        work = asyncio.create_task(compact(desk))
        while not desk.sent():
            await asyncio.sleep(0.01)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

        assert await desk.entries() == entries
        assert not [*(desk.room.app.configuration.paths.state / "locks").iterdir()]


async def test_a_summary_that_takes_too_long_is_done_without(sit: Sit) -> None:
    async with ScriptedModel([Silence()]) as server, sit(server) as desk:
        done = await summary_of(desk, await told(desk, *talk(6)), timeout_seconds=1)

        assert done.model == ""


async def test_little_is_not_compacted(sit: Sit) -> None:
    async with ScriptedModel([SUMMARY]) as server, sit(server) as desk:
        assert await compact(desk) == ["Nothing to compact yet."]
        await told(desk, User("Hello?"), Assistant("Hello."))
        assert await compact(desk) == ["Nothing to compact yet."]
        assert desk.sent() == []


async def test_a_summary_longer_than_what_it_stands_for_changes_nothing(sit: Sit) -> None:
    async with ScriptedModel([PROSE * 60] * 2) as server, sit(server) as desk:
        entries = await told(desk, *talk(2, words=4))

        assert "longer" in (await compact(desk))[-1]
        assert len(desk.sent()) == 2
        assert await desk.entries() == entries


async def test_the_second_compaction_summarises_the_first_and_what_came_since(sit: Sit) -> None:
    async with ScriptedModel([SUMMARY, f"{SUMMARY}\nSecond."]) as server, sit(server) as desk:
        await told(desk, *talk(5))
        await compact(desk)
        await desk.room.store.append(KEY, *(NewEntry(Said(message)) for message in talk(4)))
        await compact(desk)

        sent = desk.sent()[-1]["messages"]
        assert SUMMARY in sent[1]["content"]
        entries = await desk.entries()
        assert str(history(entries)).count("[Summary of the conversation") == 1
        assert "Second." in str(history(entries)[0])
        assert sum(isinstance(entry.item, Said) for entry in entries) == 18


async def test_in_the_middle_of_a_turn_its_last_step_stays_and_its_request_is_told_again(sit: Sit) -> None:
    said: list[Message] = [*talk(2), User("[Sun 2026-11-22 14:08 UTC] Sort /srv/photos by year."), *step(1, PROSE * 90)]
    said += [*step(2, PROSE * 90), *step(3, "The last result.")]
    async with ScriptedModel([SUMMARY]) as server, sit(server) as desk:
        entries = await told(desk, *said)

        done = await summary_of(desk, entries)

        messages = view(entries, done)
        assert "## Current task" in done.summary
        assert done.summary.endswith("Sort /srv/photos by year.")
        assert messages[-2:] == tuple(said[-2:])
        assert isinstance(messages[1], Assistant)


async def test_a_message_that_waits_for_its_reply_is_never_summarised(sit: Sit) -> None:
    async with ScriptedModel([SUMMARY]) as server, sit(server) as desk:
        question = User(f"Read this: {PROSE * 150}")
        entries = await told(desk, *talk(2), question)

        done = await summary_of(desk, entries)

        assert view(entries, done)[-1] == question
        assert "Read this" not in str(desk.sent()[0]["messages"])
        alone = entries[-1:]
        assert await try_summary(desk, alone) is None


@pytest.mark.parametrize("window", [4_096, 8_192, 32_768])
async def test_after_a_compaction_there_is_room_again_in_windows_of_every_size(sit: Sit, window: int) -> None:
    async with ScriptedModel([SUMMARY] * 3, max_model_len=window) as server, sit(server) as desk:
        said: list[Message] = []
        number = 0
        while used_tokens(numbered(said), PREFIX, "vllm/scripted") < compact_at(window):
            said += [*talk(1, words=4), *step(number, PROSE * 8), Assistant("So it is.")]
            number += 1
        entries = await told(desk, *said)
        used = used_tokens(entries, PREFIX, "vllm/scripted")

        done = await summary_of(desk, entries, used=used)

        after = used_tokens((*entries, Entry("s", 10_000, 0.0, done)), PREFIX, "vllm/scripted")
        assert after < compact_at(window) * 0.75
        assert desk.sent()[0]["max_tokens"] <= window // 8


def numbered(said: Sequence[Message]) -> tuple[Entry, ...]:
    return tuple(Entry("s", number, 0.0, Said(message)) for number, message in enumerate(said, 1))


async def test_what_does_not_fit_into_the_request_is_shortened_there_and_nowhere_else(sit: Sit) -> None:
    async with ScriptedModel([SUMMARY], max_model_len=4_096) as server, sit(server) as desk:
        entries = await told(desk, *talk(1, words=2), *step(1, PROSE * 400), Assistant("Done."), *talk(2, words=2))

        done = await summary_of(desk, entries)

        assert done.model == "vllm/scripted"
        assert "characters left out" in str(desk.sent()[0]["messages"])
        assert await desk.entries() == entries


async def test_a_conversation_many_times_the_window_is_summarised_in_parts(sit: Sit) -> None:
    async with ScriptedModel(["A part of it."] * 40, max_model_len=4_096) as server, sit(server) as desk:
        entries = await told(desk, *talk(120, words=12))

        done = await summary_of(desk, entries, used=90_000)

        assert 2 < len(desk.sent()) < 40
        assert done.summary.startswith("A part of it.")
        after = (*entries, Entry("s", 10_000, 0.0, done))
        assert used_tokens(after, PREFIX, "vllm/scripted") < compact_at(4_096)


async def test_a_server_that_takes_less_than_it_says_is_asked_with_less(sit: Sit) -> None:
    refusal = "This model's maximum context length is 4096 tokens. However, your request has 6000 input tokens."
    failure = Failure(400, {"error": {"message": refusal, "type": "BadRequestError", "code": 400}})
    async with ScriptedModel([failure, SUMMARY], max_model_len=16_384) as server, sit(server) as desk:
        done = await summary_of(desk, await told(desk, *talk(1), *step(1, PROSE * 200), *talk(8)))

        first, second = (len(str(body["messages"])) for body in desk.sent())
        assert second < first
        assert done.summary == SUMMARY


async def test_another_model_may_write_the_summary_and_is_sent_no_tools(sit: Sit, tmp_path: Path) -> None:
    async with ScriptedModel() as server, ScriptedModel([SUMMARY], model="small") as other, sit(server) as desk:
        entries = await told(desk, *talk(3), *step(1, PROSE), Assistant("Read."), *talk(3))
        own = await turn_at(desk, model="lab/small")
        prefix = msgspec.structs.replace(PREFIX, tools=own.toolbox.specs())
        config = json.loads(Path(desk.room.app.config_file or "").read_text())
        config["models"]["providers"]["lab"] = {"baseUrl": other.base_url, "apiKey": "local", "models": []}
        Path(desk.room.app.config_file or "").write_text(json.dumps(config))
        async with open_room(App(dict(desk.room.app.env), config_file=desk.room.app.config_file)) as room:
            turn = msgspec.structs.replace(own, models=room.models)
            done = await summarise(turn, entries, prefix, used=7_000)

        assert done is not None
        assert (done.model, done.summary) == ("lab/small", SUMMARY)
        [body] = [chat.body for chat in other.chats if chat.body.get("stream")]
        assert "tools" not in body
        assert {message["role"] for message in body["messages"]} == {"system", "user", "assistant"}


async def test_the_conversations_own_model_steps_in_for_one_that_is_not_there(sit: Sit) -> None:
    async with ScriptedModel([SUMMARY]) as server, sit(server) as desk:
        done = await summary_of(desk, await told(desk, *talk(6)), model="vllm/no-such-model")

        assert (done.model, done.summary) == ("vllm/scripted", SUMMARY)


async def test_the_prefix_in_force_is_used_for_the_persons_wish(sit: Sit) -> None:
    async with ScriptedModel([SUMMARY]) as server, sit(server) as desk:
        entries = await told(desk, *talk(4))
        await compact(desk)

        prefix = stored_prefix(entries, None)
        assert prefix is not None
        assert desk.sent()[0]["messages"][0]["content"] == prefix.system


async def test_what_a_slow_model_had_written_when_its_time_was_over_is_used(sit: Sit) -> None:
    slow = Answer((SUMMARY,), ending="silence", stop_after=40)
    async with ScriptedModel([slow, SUMMARY]) as server, sit(server) as desk:
        done = await summary_of(desk, await told(desk, *talk(6)), timeout_seconds=1)

        assert (done.model, done.summary) == ("vllm/scripted", SUMMARY)
        assert len(desk.sent()) == 1


async def test_a_short_conversation_gets_a_shorter_summary(sit: Sit) -> None:
    async with ScriptedModel([SUMMARY], max_model_len=131_072) as server, sit(server) as desk:
        await told(desk, *talk(3))
        await compact(desk)

        assert 128 <= desk.sent()[0]["max_tokens"] <= 700


async def test_what_fails_by_chance_is_asked_for_once_more(sit: Sit) -> None:
    async with ScriptedModel([Failure(500, "broken"), SUMMARY]) as server, sit(server) as desk:
        done = await summary_of(desk, await told(desk, *talk(6)))

        assert (done.model, len(desk.sent())) == ("vllm/scripted", 2)
