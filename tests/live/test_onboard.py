"""`garra onboard` with a person at a terminal, and `garra doctor` on the embedded server."""

import json
from pathlib import Path

import pyjson5
import pytest

from garra.testing import ScriptedModel
from tests.live.served import Served, config, explicit, garra
from tests.live.terminal import CTRL_C, ENTER, Terminal, at_a_terminal

pytestmark = [pytest.mark.anyio, pytest.mark.live]

KEY = "sekret-of-the-server"


async def names(terminal: Terminal, url: str) -> None:
    """Whatever other servers this machine has, the person gives the address of theirs."""
    await terminal.sees("URL of")
    terminal.press(url + ENTER)


async def test_a_person_is_led_to_their_first_hello(home: Path) -> None:
    async with (
        ScriptedModel(["Good day to you."], model="Org/Tiny") as server,
        at_a_terminal(home, "onboard") as terminal,
    ):
        await names(terminal, server.base_url)
        await terminal.sees("agents.defaults.model.primary = vllm/Org/Tiny")
        await terminal.sees("Write it?")
        terminal.press(ENTER)
        await terminal.sees("Good day to you.")
        await terminal.sees("garra chat")

        assert await terminal.ended() == 0

    written = pyjson5.loads((home / ".garra" / "garra.json").read_text())
    assert written["models"]["providers"]["vllm"]["baseUrl"] == server.base_url


async def test_the_key_is_asked_for_without_being_shown_and_stored_apart(home: Path) -> None:
    async with (
        ScriptedModel(["Good day to you."], model="Org/Tiny", api_key=KEY) as server,
        at_a_terminal(home, "onboard") as terminal,
    ):
        await names(terminal, server.base_url)
        await terminal.sees("(it is not shown)")
        terminal.press("wrong-one" + ENTER)
        await terminal.sees("does not take this key")
        await terminal.sees("(it is not shown)")
        terminal.press(KEY + ENTER)
        await terminal.sees("Write it?")
        terminal.press(ENTER)
        await terminal.sees("Good day to you.")

        assert await terminal.ended() == 0
        assert KEY not in terminal.shown
        assert "wrong-one" not in terminal.shown

    profiles = json.loads((home / ".garra" / "auth.json").read_text())["profiles"]
    assert profiles["vllm:default"]["key"] == KEY
    assert KEY not in (home / ".garra" / "garra.json").read_text()


@pytest.mark.parametrize("question", ["URL of", "Write it?"])
async def test_ctrl_c_at_a_question_leaves_nothing_behind(home: Path, question: str) -> None:
    async with ScriptedModel(model="Org/Tiny") as server, at_a_terminal(home, "onboard") as terminal:
        if question != "URL of":
            await names(terminal, server.base_url)
        await terminal.sees(question)
        terminal.press(CTRL_C)

        assert await terminal.ended() == 130
        assert "Traceback" not in terminal.shown

    assert not (home / ".garra").exists()


async def test_an_answer_that_names_no_server_is_asked_again(home: Path) -> None:
    async with (
        ScriptedModel(["Good day to you."], model="Org/Tiny") as server,
        at_a_terminal(home, "onboard") as terminal,
    ):
        await names(terminal, "somewhere")
        await terminal.sees("neither a number of the list nor a URL")
        await names(terminal, "http://127.0.0.1:9/v1")
        await terminal.sees("refused")
        await names(terminal, server.root_url)
        await terminal.sees("Org/Tiny")
        terminal.press(CTRL_C)

        assert await terminal.ended() == 130


def test_the_embedded_server_is_well(home: Path, served: Served) -> None:
    (home / ".garra").mkdir(mode=0o700)
    config(home, f"{{ {explicit(served.base_url)} }}").chmod(0o600)

    done = garra(home, "doctor", "--json")

    found = {each["check"]: each for each in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert not [each for each in found.values() if each["state"] == "broken"]
    for check in ("chat", "native tools", "described tools", "structured output", "tokenizer", "prefix cache"):
        assert found[check]["state"] == "ok", found[check]
    assert "Traceback" not in done.stderr
