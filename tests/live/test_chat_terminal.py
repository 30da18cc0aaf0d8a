"""`garra chat` as a person at a terminal meets it, on a scripted model."""

import asyncio
import signal
from pathlib import Path

import pytest

from garra.sessions.entries import Said
from garra.sessions.keys import main_key
from garra.sessions.store import Store
from garra.testing import ScriptedModel
from garra.testing.script import Answer, Call, Step
from tests.live.served import config, explicit
from tests.live.terminal import CTRL_C, CTRL_D, ENTER, LIMIT_S, at_a_terminal

pytestmark = [pytest.mark.anyio, pytest.mark.live]

QUESTION = "Allow it? [y]es once, [a]lways this exact one, [N]o: "


def runs(command: str, number: int = 1) -> Call:
    """The model wants to run a command that is asked about."""
    return Call(f"call_{number}", "exec", {"command": command})


def result(server: ScriptedModel) -> str:
    """What the last tool call came to, as the model was told."""
    body = server.chats[-1].body
    assert isinstance(body, dict)
    [*_, last] = [message for message in body["messages"] if message["role"] == "tool"]
    return str(last["content"])


async def appears(file: Path) -> None:
    """Wait until a file is there."""
    async with asyncio.timeout(LIMIT_S):
        while not file.exists():
            await asyncio.sleep(0.02)


async def said(home: Path) -> list[Said]:
    """What is stored of the conversation."""
    async with await Store.open(home / ".garra" / "sessions.sqlite") as store:
        return [entry.item for entry in await store.entries(main_key()) if isinstance(entry.item, Said)]


async def test_a_reply_is_shown_while_it_comes_and_the_person_leaves_with_ctrl_d(home: Path) -> None:
    script: list[Step] = [Answer(("The first half, ", "the rest."), stop_after=4, ending="silence"), "Whole again."]
    async with ScriptedModel(script) as server:
        config(home, f"{{ {explicit(server.base_url)} }}")
        async with at_a_terminal(home, "chat") as terminal:
            await terminal.says("Hello?")
            await terminal.sees("The first half")  # the server holds the rest back for good
            terminal.press(CTRL_C)
            await terminal.sees("(stopped; what had arrived is kept)")
            await terminal.says("And now?")
            await terminal.sees("Whole again.")
            await terminal.says("/status")
            await terminal.sees("model     vllm/scripted")
            await terminal.sees("4 messages")
            await terminal.sees("you>")
            terminal.press(CTRL_D)

            assert await terminal.ended() == 0

    stopped = (await said(home))[1]
    assert stopped.status == "interrupted"
    assert "The first half" in str(stopped.message)
    assert "the rest" not in str(stopped.message)


async def test_a_command_runs_when_the_person_says_yes_and_not_when_they_say_no(home: Path) -> None:
    script: list[Step] = [
        runs("echo ran > one; echo done", 1),
        "First.",
        runs("echo ran > two; echo done", 2),
        "Second.",
    ]
    async with ScriptedModel(script) as server:
        config(home, f"{{ {explicit(server.base_url)} }}")
        async with at_a_terminal(home, "chat") as terminal:
            await terminal.says("Do it")
            await terminal.sees("The assistant wants to use exec:")
            await terminal.sees("echo ran > one; echo done")
            await terminal.sees(QUESTION)
            terminal.press("y" + ENTER)
            await terminal.sees("First.")
            assert "done" in result(server)
            await terminal.says("Once more")
            await terminal.sees(QUESTION)
            terminal.press(ENTER)
            await terminal.sees("Second.")
            assert "said no" in result(server)

    workspace = home / ".garra" / "workspace"
    assert (workspace / "one").exists()
    assert not (workspace / "two").exists()


async def test_what_is_always_allowed_is_not_asked_again(home: Path) -> None:
    script: list[Step] = [
        runs("echo again > f; echo done", 1),
        "First.",
        runs("echo again > f; echo done", 2),
        "Second.",
    ]
    async with ScriptedModel(script) as server:
        config(home, f"{{ {explicit(server.base_url)} }}")
        async with at_a_terminal(home, "chat") as terminal:
            await terminal.says("Do it")
            await terminal.sees(QUESTION)
            terminal.press("a" + ENTER)
            await terminal.sees("First.")
        async with at_a_terminal(home, "chat") as terminal:
            await terminal.says("Once more")
            await terminal.sees("Second.")
            assert QUESTION not in terminal.shown
            assert "done" in result(server)


async def test_what_was_typed_before_the_question_does_not_answer_it(home: Path) -> None:
    async with ScriptedModel([runs("echo ran > ran"), "As you wish."]) as server:
        config(home, f"{{ {explicit(server.base_url)} }}")
        async with at_a_terminal(home, "chat") as terminal:
            await terminal.says(f"Do it{ENTER}y")
            await terminal.sees(QUESTION)
            terminal.press("n" + ENTER)
            await terminal.sees("As you wish.")

            assert "said no" in result(server)


async def test_what_is_typed_and_sent_during_a_reply_is_the_next_message(home: Path) -> None:
    async with ScriptedModel([Answer(("one two three four five",), delay_s=0.4), "The second reply."]) as server:
        config(home, f"{{ {explicit(server.base_url)} }}")
        async with at_a_terminal(home, "chat") as terminal:
            await terminal.says("First")
            await terminal.sees("one")
            terminal.press("Second" + ENTER)
            await terminal.sees("The second reply.")

    texts = [str(item.message) for item in await said(home)]
    assert "Second" not in texts[0]
    assert "Second" in texts[2]


async def test_ctrl_c_stops_a_command_that_was_allowed(home: Path) -> None:
    async with ScriptedModel([runs("echo $$ > running; sleep 600"), "Back again."]) as server:
        config(home, f"{{ {explicit(server.base_url)} }}")
        async with at_a_terminal(home, "chat") as terminal:
            await terminal.says("Do it")
            await terminal.sees(QUESTION)
            terminal.press("y" + ENTER)
            await appears(home / ".garra" / "workspace" / "running")
            terminal.press(CTRL_C)
            await terminal.sees("(stopped; what had arrived is kept)")
            await terminal.says("Still there?")
            await terminal.sees("Back again.")


async def test_ctrl_c_at_the_question_stops_the_turn_and_the_conversation_goes_on(home: Path) -> None:
    async with ScriptedModel([runs("echo ran > ran"), "Something else."]) as server:
        config(home, f"{{ {explicit(server.base_url)} }}")
        async with at_a_terminal(home, "chat") as terminal:
            await terminal.says("Do it")
            await terminal.sees(QUESTION)
            terminal.press(CTRL_C)
            await terminal.sees("(stopped; what had arrived is kept)")
            await terminal.says("Then something else")
            await terminal.sees("Something else.")

    assert not (home / ".garra" / "workspace" / "ran").exists()


async def test_ctrl_c_at_the_question_of_a_single_turn_is_an_interruption(home: Path) -> None:
    async with ScriptedModel([runs("echo ran > ran")]) as server:
        config(home, f"{{ {explicit(server.base_url)} }}")
        async with at_a_terminal(home, "agent", "-m", "Do it") as terminal:
            await terminal.sees(QUESTION)
            terminal.press(CTRL_C)

            assert await terminal.ended() == 128 + signal.SIGINT


async def test_ctrl_c_stops_a_slash_command_that_waits_for_a_silent_server(home: Path) -> None:
    async with asyncio.timeout(LIMIT_S):
        asked = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.set()
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        config(home, f"{{ {explicit(f'http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1')} }}")
        async with at_a_terminal(home, "chat") as terminal:
            await terminal.says("/status")
            await asked.wait()
            terminal.press(CTRL_C)
            await terminal.sees("(stopped)")
            await terminal.says("/exit")

            assert await terminal.ended() == 0
        server.close()


async def test_a_pinned_key_stays_pinned_after_a_switch_of_model(home: Path) -> None:
    async with ScriptedModel(["Hello."], api_key="right") as server:
        config(home, f"{{ {explicit(server.base_url)} }}")
        async with at_a_terminal(home, "auth", "set", "vllm", "--profile", "work") as terminal:
            await terminal.sees(":")
            terminal.press("right" + ENTER)
            assert await terminal.ended() == 0
        async with at_a_terminal(home, "chat") as terminal:
            await terminal.says("/model vllm/scripted@vllm:work")
            await terminal.sees("From here on in this conversation: vllm/scripted@vllm:work")
            await terminal.says("Hi")
            await terminal.sees("Hello.")
