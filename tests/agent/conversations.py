"""Conversations to be played on scripted servers: turns that end in every way there is, and what they left on the wire.

Two servers, each with a model of its own; one takes tools as such, the other has them described where it is told to.
"""

import json
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Self

import msgspec

from garra.agent.events import Retrying, ToolProgress, TurnEvent
from garra.agent.loop import run_turn
from garra.cli.app import App
from garra.cli.talk import Room, open_room
from garra.errors import GarraError
from garra.testing import Answer, Call, Failure, HangUp, Received, ScriptedModel, Step, Thought
from garra.tools.approval import ApprovalRequest, Decision
from garra.wire.events import TextDelta

KEY, OTHER = "agent:main:explicit:test", "agent:main:explicit:other"
WIDE = 1_000_000
_NAMES = ("alpha", "beta")
_TOO_LONG = "This model's maximum context length is 9 tokens. However, your prompt contains at least 10 input tokens"
_ERROR = {"error": {"message": "boom", "type": "InternalServerError", "code": 500}}
_OVERFLOW = {"error": {"message": _TOO_LONG, "type": "BadRequestError", "code": 400}}
_REFUSED = {"error": {"message": "not like this", "type": "BadRequestError", "code": 400}}

SMOOTH = ("plain", "thought", "tools", "failing tool", "malformed arguments", "thought before a call")
FAILED = ("500", "cut", "refused", "hung up", "500 after a tool", "refused after a tool", "error in stream")
OVERFLOW = "overflow"
"""Fails only where there is nothing to compact yet; later a summary takes the place of what was said."""
STOPPED = ("stopped in the text", "stopped in a tool", "stopped before trying again")
TRIED_AGAIN = ("500, then good", "cut, then good", "cut, then refused")
_FAILING = (*FAILED, OVERFLOW, "cut, then refused")


def steps_of(kind: str, number: int) -> list[Step]:
    """What the server answers in a turn of this kind."""
    write = Call(f"w{number}", "write", {"path": f"é{number % 5}.txt", "content": f"{number}\n\u2028\U0001f600"})
    read = Call(f"r{number}", "read", {"path": f"é{number % 5}.txt"})
    text = f"Answer \u201c{number}\u201d, with <b>marks</b>\tand \U0001f600."
    cut = Answer((Thought("Hm, "), text), ending="cut", stop_after=5)
    scripts: dict[str, list[Step]] = {
        "plain": [text],
        "thought": [[Thought("Let me see."), text]],
        "tools": [["I will.", write, read], text],
        "failing tool": [[Call(f"g{number}", "read", {"path": "gone.txt"})], text],
        "malformed arguments": [[Call(f"m{number}", "read", '{"path": '), Call(f"n{number}", "read", "[1]")], text],
        "thought before a call": [[Thought("A file.", "reasoning_content"), write], [Thought("Good."), read], text],
        "500": [Failure(500, _ERROR)],
        "cut": [cut],
        "overflow": [Failure(400, _OVERFLOW)],
        "refused": [Failure(400, _REFUSED)],
        "hung up": [HangUp()],
        "500 after a tool": [[write], Failure(500, _ERROR)],
        "refused after a tool": [[write], Failure(400, _REFUSED)],
        "error in stream": [Answer((text,), ending="reset", stop_after=4)],
        "stopped in the text": [Answer((text,), ending="silence", stop_after=3)],
        "stopped in a tool": [[write, Call(f"e{number}", "exec", {"command": "echo begun; sleep 60"}), read]],
        "stopped before trying again": [cut],
        "500, then good": [Failure(500, _ERROR), text],
        "cut, then good": [cut, text],
        "cut, then refused": [cut, Failure(400, _REFUSED)],
    }
    return scripts[kind]


class Planned(msgspec.Struct, frozen=True):
    """One turn to come: how it goes, at which server, and whether the process is a new one."""

    kind: str
    server: int = 0
    restart: bool = False


class Request(msgspec.Struct, frozen=True):
    """One request as it was sent, byte for byte. `accepted`: the server began to work on it."""

    tools: bytes
    messages: bytes
    accepted: bool

    @property
    def open_end(self) -> bytes:
        """The messages without the bracket that closes them."""
        assert self.messages.endswith(b"]")
        return self.messages[:-1]


class Conversation:
    """Plays planned turns in one session, in a home of its own."""

    def __init__(self, home: Path, plan: Sequence[Planned], *, described: bool = False, elsewhere: int = 0) -> None:
        self.home, self.plan = home, plan
        self._scripts: list[list[Step]] = [[], []]
        for number, turn in enumerate(plan):
            self._scripts[turn.server] += steps_of(turn.kind, number)
            if elsewhere and number % elsewhere == 0:
                self._scripts[0].append("Heard elsewhere.")
        self._elsewhere = elsewhere
        self._takes_tools = (True, not described)
        self._stack = AsyncExitStack()
        self._order: list[tuple[int, int]] = []
        self.servers: list[ScriptedModel] = []

    async def __aenter__(self) -> Self:
        for name, script, takes_tools in zip(_NAMES, self._scripts, self._takes_tools, strict=True):
            server = ScriptedModel(script, model=name, max_model_len=WIDE, takes_tools=takes_tools, caches=True)
            self.servers.append(await self._stack.enter_async_context(server))
        self._configure()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def play(self) -> None:
        """All turns, in order."""
        room: Room | None = None
        async with AsyncExitStack() as process:
            for number, turn in enumerate(self.plan):
                if room is None or turn.restart:
                    await process.aclose()
                    room = await process.enter_async_context(open_room(self._app()))
                    (room.workspace(KEY) / "AGENTS.md").write_text(f"The file as it was before turn {number}.")
                before = len(self.streamed(turn.server))
                await self._turn(room, KEY, turn, f"turn {number}")
                self._order += [(turn.server, at) for at in range(before, len(self.streamed(turn.server)))]
                if self._elsewhere and number % self._elsewhere == 0:
                    await self._turn(room, OTHER, Planned("plain"), f"elsewhere {number}")
                    if number % 3 == 0:
                        await room.store.reset(OTHER)

    def requests(self) -> list[tuple[int, Request]]:
        """What was sent in the session's turns, in order, each with the number of the server."""
        every = [self._requests(number) for number in range(len(self.servers))]
        return [(number, every[number][at]) for number, at in self._order]

    def reused(self) -> list[float]:
        """The share of all prompt tokens that each server had in its cache."""
        caches = [server.cache for server in self.servers]
        return [cache.hits / cache.queries if cache and cache.queries else 0.0 for cache in caches]

    def elsewhere(self) -> list[Request]:
        """What was sent in the other session's turns."""
        mine = {at for number, at in self._order if number == 0}
        return [request for at, request in enumerate(self._requests(0)) if at not in mine]

    def streamed(self, number: int) -> list[Received]:
        """The requests of turns that a server has seen, which are those that took a step of its script."""
        return [chat for chat in self.servers[number].chats if chat.body.get("stream")]

    def _requests(self, number: int) -> list[Request]:
        found = []
        for chat, step in zip(self.streamed(number), self._scripts[number], strict=True):
            fields = msgspec.json.decode(chat.raw, type=dict[str, msgspec.Raw])
            refused = isinstance(step, HangUp) or (isinstance(step, Failure) and step.status < 500)
            tools, messages = (bytes(fields.get(name, msgspec.Raw())) for name in ("tools", "messages"))
            found.append(Request(tools, messages, not refused))
        return found

    async def _turn(self, room: Room, key: str, turn: Planned, text: str) -> None:
        toolbox = room.toolbox(key, _yes)
        again = turn.kind in (*TRIED_AGAIN, "stopped before trying again")
        ref = f"{('vllm', 'second')[turn.server]}/{_NAMES[turn.server]}"
        try:
            made = msgspec.structs.replace(await room.turn(key, toolbox, ref), retries=again)
            async with aclosing(run_turn(made, f"{text}, “said” at\tonce")) as events:
                async for event in events:
                    if _stops(turn.kind, event):
                        break
        except GarraError:
            assert turn.kind in _FAILING, turn.kind
        else:
            assert turn.kind not in _FAILING, turn.kind
        finally:
            await toolbox.close()

    def _configure(self) -> None:
        self.home.mkdir(mode=0o700, parents=True)
        first, second = self.servers
        rows = [{"id": "beta", "name": "beta", "contextWindow": WIDE}]
        providers = {
            "vllm": {"baseUrl": first.base_url, "apiKey": "local", "models": []},
            "second": {"baseUrl": second.base_url, "apiKey": "local", "models": rows},
        }
        agents = {"defaults": {"model": "vllm/alpha", "workspace": str(self.home / "workspace")}}
        config = {"agents": agents, "models": {"providers": providers}}
        (self.home / "garra.json").write_text(json.dumps(config))

    def _app(self) -> App:
        return App({**os.environ, "GARRA_HOME": str(self.home)}, config_file=str(self.home / "garra.json"))


async def _yes(_: ApprovalRequest) -> Decision:
    return Decision.ALLOW_ONCE


def _stops(kind: str, event: TurnEvent) -> bool:
    """Whether the person presses Ctrl-C at this event."""
    match kind:
        case "stopped in the text":
            return isinstance(event, TextDelta)
        case "stopped in a tool":
            return isinstance(event, ToolProgress)
        case "stopped before trying again":
            return isinstance(event, Retrying)
        case _:
            return False
