"""How often a model calls a tool, where its server has no place for `tools`: by itself, and when it is asked to choose.

Forty messages that need a tool and forty that do not, each sent as the first of a session with the default tools, at
temperature 0. Run it against a server without tool flags, or with a model whose template shows no tools.

    .venv/bin/python bench/calls.py --url http://127.0.0.1:8000/v1 --model NAME
"""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from garra.agent.calls import described
from garra.agent.calls.hermes import OPEN
from garra.agent.prompt import INTRODUCTION
from garra.cli.app import App
from garra.tools.approval import nobody
from garra.tools.toolbox import Toolbox, default_toolbox
from garra.wire.chat import ChatCompletions
from garra.wire.events import Reply
from garra.wire.http import Http
from garra.wire.messages import System, User
from garra.wire.request import ChatRequest, Endpoint

AT_ONCE, TOKENS = 8, 12
FOLDER = "/home/ana/.garra/workspace"
STAMP = "[Mon 2026-11-23 09:30 UTC] "
NEED = (
    "Open report.md.",
    "What files are here?",
    "Run make test.",
    "Add a line saying done to log.txt.",
    "Tell me what is inside package.json.",
    "Check the memory use of this machine.",
    "Change port 80 to 8080 in server.conf.",
    "Print the last lines of app.log.",
    "Make a new file hello.py that prints hello.",
    "Start the server with npm start.",
    "Is git installed? Check.",
    "Read chapter1.txt and summarise it.",
    "Rename a.txt to b.txt.",
    "Look at Dockerfile.",
    "How many files are in src?",
    "Store my phone number 555 in contacts.txt.",
    "Which user am I? Run whoami.",
    "Search for TODO in the code.",
    "Remove the folder tmp.",
    "Show the network interfaces.",
    "Read notes.txt.",
    "List this folder.",
    "Run ls -l.",
    "Write hello to a.txt.",
    "What does config.json say?",
    "How much disk is free?",
    "Replace foo by bar in main.py.",
    "Show me README.md.",
    "Create todo.md with three tasks.",
    "Run the tests.",
    "Which version of Python is installed here?",
    "Read data.csv and count its rows.",
    "Move x.log to old.log.",
    "What is in the file ideas.txt?",
    "Find all Python files.",
    "Save this poem to poem.txt: roses are red.",
    "Tell me the date with the date command.",
    "Find the word error in server.log.",
    "Delete old.txt.",
    "Show the running processes.",
)
NOT = (
    "Good morning!",
    "What is 7 times 8?",
    "Who painted the Mona Lisa?",
    "You are great.",
    "Write a haiku.",
    "What is photosynthesis?",
    "Can you help me?",
    "Which planet is largest?",
    "Say something nice.",
    "What rhymes with cat?",
    "How do you say thanks in French?",
    "What does HTML stand for?",
    "Is water wet?",
    "Define courage.",
    "What comes after Monday?",
    "Who are you?",
    "Give me a tip for sleeping well.",
    "What is the boiling point of water?",
    "Recommend a book.",
    "Bye.",
    "Hello.",
    "What is the capital of France?",
    "Tell me a joke.",
    "Thank you.",
    "Who wrote Hamlet?",
    "What is 2 plus 2?",
    "Explain gravity.",
    "How are you?",
    "Translate dog to Spanish.",
    "What colour is the sky?",
    "Name three fruits.",
    "What is love?",
    "Good night.",
    "How many days has a week?",
    "Who was Einstein?",
    "What is the opposite of hot?",
    "Sing a song.",
    "What is a verb?",
    "Spell banana.",
    "Say yes.",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="the base URL of a running server")
    parser.add_argument("--model", required=True, help="the id that it serves")
    given = parser.parse_args()
    asyncio.run(measure(given.url, given.model))


async def measure(url: str, model: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        configuration = App({"HOME": home, "GARRA_HOME": home}).configuration
        toolbox = default_toolbox(configuration, workspace=Path(home), session_key="x", approve=nobody)
        print(f"{'calls where the message':24}needs a tool   needs none")
        async with Http() as http:
            asked = Asked(ChatCompletions(http, Endpoint(url)), model, toolbox)
            for name, choosing in (("by itself", False), ("asked to choose", True)):
                need, no = [await asked.calls(texts, choosing) for texts in (NEED, NOT)]
                print(f"{name:24}{need:>5} of {len(NEED)}   {no:>6} of {len(NOT)}", flush=True)


class Asked:
    """One model, asked many things at once."""

    def __init__(self, chat: ChatCompletions, model: str, toolbox: Toolbox) -> None:
        self._chat, self._model, self._specs = chat, model, toolbox.specs()
        self._room = asyncio.Semaphore(AT_ONCE)

    async def calls(self, texts: Sequence[str], choosing: bool) -> int:
        """For how many of the messages a call is what comes first."""
        said = await asyncio.gather(*(self._said(text, choosing) for text in texts))
        return sum(OPEN in text for text in said)

    async def _said(self, text: str, choosing: bool) -> str:
        told = described.description(self._specs, choosing=choosing)
        system = System(f"{INTRODUCTION.format(workspace=FOLDER)}\n\n{told}")
        choice = {"structured_outputs": {"choice": [OPEN, described.ANSWER]}}
        params: dict[str, Any] = {"temperature": 0} | (choice if choosing else described.constraint(self._specs))
        request = ChatRequest(self._model, (system, User(STAMP + text)), max_tokens=TOKENS, params=params)
        reply = Reply()
        async with self._room, aclosing(self._chat.stream(request)) as events:
            async for event in events:
                reply.add(event)
        return reply.text


if __name__ == "__main__":
    main()
