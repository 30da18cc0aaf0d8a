"""Where the tokens go, what the server had in its cache, and the prompt that is sent ahead."""

import msgspec
import pytest

from garra.agent.context import ContextReport, Part, context_report, cuts, prefix_share
from garra.agent.warm import warm
from garra.cli.show_context import drawn
from garra.models.replicas import ordered
from garra.sessions.entries import Entry, Head, Said
from garra.testing import Call, ScriptedModel
from garra.wire.events import Usage
from garra.wire.messages import Assistant
from tests.agent.conftest import KEY, Desk, Sit

pytestmark = pytest.mark.anyio

READ = Call("c1", "read", {"path": "notes.txt"})


async def report_of(desk: Desk) -> ContextReport:
    toolbox = desk.room.toolbox(KEY)
    try:
        turn = await desk.room.turn(KEY, toolbox)
        return await context_report(turn, await desk.entries(), await desk.room.models.capabilities(turn.chosen))
    finally:
        await toolbox.close()


def replies(*usages: Usage) -> tuple[Entry, ...]:
    return tuple(Entry("s", n, 0.0, Said(Assistant("ok"), usage=usage)) for n, usage in enumerate(usages, 1))


async def test_the_parts_add_up_to_what_the_server_counts(sit: Sit) -> None:
    async with ScriptedModel([READ, "Done."], max_model_len=8192) as server, sit(server) as desk:
        (desk.workspace).mkdir()
        (desk.workspace / "notes.txt").write_text("a line of notes\n" * 40)
        await desk.say("Read the notes.")
        report = await report_of(desk)

        assert report.counted
        assert sum(part.tokens for part in report.parts) == report.total
        assert [part.name for part in report.parts] == [
            "system prompt",
            "tools",
            "your messages",
            "replies and calls",
            "tool results",
        ]
        sizes = {part.name: part.tokens for part in report.parts}
        assert sizes["tool results"] > sizes["your messages"] + sizes["replies and calls"]


async def test_where_nobody_counts_the_total_is_the_last_usage_and_said_to_be_estimated(sit: Sit) -> None:
    server = ScriptedModel(["Hello."], max_model_len=8192)
    async with server, sit(server) as desk:
        await desk.say("Hello?")
        usage = next(e.item.usage for e in await desk.entries() if isinstance(e.item, Said) and e.item.usage)
        await server.stop()
        report = await report_of(desk)

        assert not report.counted
        assert report.total == usage.prompt_tokens + usage.completion_tokens
        assert "estimated; the parts" in "\n".join(drawn(report))


async def test_before_anything_is_said_the_first_request_is_shown(sit: Sit) -> None:
    async with ScriptedModel(["x"], max_model_len=8192) as server, sit(server) as desk:
        desk.workspace.mkdir()
        (desk.workspace / "SOUL.md").write_text("Be kind. " * 30)
        report = await report_of(desk)

        assert [part.name for part in report.parts] == ["system prompt", "SOUL.md", "tools"]
        assert server.chats == [] or all(not chat.body.get("stream") for chat in server.chats)


async def test_a_workspace_file_that_is_cut_is_named_with_what_is_missing(sit: Sit) -> None:
    async with ScriptedModel(["x"], max_model_len=4096) as server, sit(server) as desk:
        desk.workspace.mkdir()
        (desk.workspace / "AGENTS.md").write_text("rule " * 2_000)
        report = await report_of(desk)

        [cut] = report.cuts
        kept = 4096 // 4 * 3
        assert cut == f"AGENTS.md: {len(('rule ' * 2_000).strip()) - kept:,} characters are left out"
        assert f"{cut}." in list(drawn(report))


def test_a_prompt_with_every_file_whole_has_no_cuts() -> None:
    assert cuts(Head("You are.\n\n# AGENTS.md\nrules")) == ()


def test_the_first_request_of_a_session_does_not_count_against_the_cache() -> None:
    told = prefix_share(replies(Usage(600, 5, 0), Usage(650, 5, 600), Usage(700, 5, 640)))

    assert told is not None
    assert (told.requests, told.prompt_tokens, told.cached_tokens) == (2, 1350, 1240)
    assert told.share == pytest.approx(1240 / 1350)


def test_a_server_that_tells_nothing_of_its_cache_gives_no_share() -> None:
    assert prefix_share(replies(Usage(600, 5), Usage(650, 5))) is None


def test_every_part_has_a_bar_and_the_free_room_too() -> None:
    report = ContextReport("vllm/m", 1000, 500, True, 750, (Part("system prompt", 100), Part("tools", 400)))
    system, tools, free, total, compacts = drawn(report)

    assert system.split()[:3] == ["system", "prompt", "100"]
    assert (system.count("█"), tools.count("█"), free.count("·")) == (3, 12, 15)
    assert "500 of 1,000 (50%) tokens for vllm/m, counted by the server" in total
    assert "750" in compacts


async def test_warming_sends_what_the_first_message_will_begin_with(sit: Sit) -> None:
    async with ScriptedModel(["ok", "Hello."], max_model_len=8192) as server, sit(server) as desk:
        toolbox = desk.room.toolbox(KEY)
        assert await warm(await desk.room.turn(KEY, toolbox), await desk.entries())
        await toolbox.close()
        assert await desk.entries() == ()
        await desk.say("Hello?")

        ahead, first = desk.sent()
        assert ahead["max_tokens"] == 1
        assert ahead["tools"] == first["tools"]
        assert ahead["messages"][0] == first["messages"][0]


async def test_the_replica_that_will_answer_is_the_one_that_is_warmed(sit: Sit) -> None:
    async with ScriptedModel() as one, ScriptedModel() as other, sit(one) as desk:
        urls = (one.base_url, other.base_url)
        for number in range(6):
            key = f"{KEY}{number}"
            toolbox = desk.room.toolbox(key)
            turn = await desk.room.turn(key, toolbox)
            await toolbox.close()
            before = [len(server.chats) for server in (one, other)]
            assert await warm(
                msgspec.structs.replace(turn, chosen=msgspec.structs.replace(turn.chosen, replicas=urls)), ()
            )
            warmed = [server for server, seen in zip((one, other), before, strict=True) if len(server.chats) > seen]
            assert ordered(urls, key, "")[0] == next(s.base_url for s in warmed if s.chats[-1].body.get("stream"))


async def test_a_server_that_fails_at_the_warming_is_left_to_the_first_message(sit: Sit) -> None:
    server = ScriptedModel(["never said"])
    async with server, sit(server) as desk:
        toolbox = desk.room.toolbox(KEY)
        turn = await desk.room.turn(KEY, toolbox)
        await toolbox.close()
        await server.stop()

        assert not await warm(turn, ())


def test_the_report_is_json_for_programs() -> None:
    report = ContextReport("vllm/m", 1000, 500, True, 750, (Part("tools", 500),))

    assert msgspec.json.decode(msgspec.json.encode(report))["parts"] == [{"name": "tools", "tokens": 500}]
