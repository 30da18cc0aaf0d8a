"""A home, a workspace and a scripted server, put together as the terminal's commands do it."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest

from garra.agent.events import TurnEvent
from garra.agent.loop import run_turn
from garra.agent.turn import Turn
from garra.cli.app import App
from garra.cli.talk import Room, open_room
from garra.sessions.entries import Entry, Said
from garra.testing import ScriptedModel
from garra.tools.approval import Approver, nobody
from garra.wire.messages import Message

KEY = "agent:main:explicit:test"


class Desk:
    """One person's assistant, on a scripted server: say something, and look at what was stored and sent."""

    def __init__(self, room: Room, server: ScriptedModel, workspace: Path) -> None:
        self.room, self.server, self.workspace = room, server, workspace
        self.events: list[TurnEvent] = []

    async def say(self, text: str, *, approve: Approver = nobody, **limits: Any) -> list[TurnEvent]:
        """One whole turn; its events. What had come before an error is in `events`. An error is not waited out, but
        where `retries` says so."""
        self.events = []
        toolbox = self.room.toolbox(KEY, approve)
        try:
            turn: Turn = msgspec.structs.replace(await self.room.turn(KEY, toolbox), **{"retries": False, **limits})
            async with aclosing(run_turn(turn, text)) as events:
                async for event in events:
                    self.events.append(event)
        finally:
            await toolbox.close()
        return self.events

    async def entries(self) -> tuple[Entry, ...]:
        return await self.room.store.entries(KEY)

    async def stored(self) -> list[Message]:
        return [entry.item.message for entry in await self.entries() if isinstance(entry.item, Said)]

    def sent(self) -> list[dict[str, Any]]:
        """The bodies of the turns' own requests: those that were streamed."""
        return [chat.body for chat in self.server.chats if chat.body.get("stream")]


class Sit(Protocol):
    """Sit down at a desk with a server; sitting down again is a restart with the same home."""

    def __call__(self, server: ScriptedModel, **defaults: Any) -> AbstractAsyncContextManager[Desk]: ...


@pytest.fixture
def sit(tmp_path: Path) -> Sit:
    """Desks in one home. `defaults` are keys of agents.defaults."""

    @asynccontextmanager
    async def at(server: ScriptedModel, **defaults: Any) -> AsyncIterator[Desk]:
        config = tmp_path / "home" / "garra.json"
        config.parent.mkdir(mode=0o700, exist_ok=True)
        workspace = tmp_path / "workspace"
        agents = {"defaults": {"model": "vllm/scripted", "workspace": str(workspace), **defaults}}
        providers = {"vllm": {"baseUrl": server.base_url, "apiKey": "local", "models": []}}
        config.write_text(json.dumps({"agents": agents, "models": {"providers": providers}}))
        env = {**os.environ, "GARRA_HOME": str(config.parent)}
        async with AsyncExitStack() as stack:
            room = await stack.enter_async_context(open_room(App(env, config_file=str(config))))
            yield Desk(room, server, workspace)

    return at
