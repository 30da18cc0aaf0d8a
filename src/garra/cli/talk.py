"""What `agent`, `chat` and `up` share: opening the rooms that a turn needs, and closing them again."""

import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from garra.agent.prompt import Limits
from garra.agent.turn import Turn
from garra.cli.app import App
from garra.errors import GarraError, ModelUnreachable, ServerBusy, ServerFailed, ServerSilent
from garra.models.failover import moves_on, with_first
from garra.models.models import Models
from garra.models.trouble import trouble
from garra.sessions.entries import setting
from garra.sessions.keys import agent_of
from garra.sessions.store import Store
from garra.tools.approval import Approver, nobody
from garra.tools.toolbox import Toolbox, default_toolbox
from garra.wire.http import Http

if TYPE_CHECKING:
    from garra.models.catalogue import Chosen


class Room(msgspec.Struct, frozen=True):
    """The rooms of one process: the store, the connections, the models. One for all its turns."""

    app: App
    store: Store
    http: Http
    models: Models

    def toolbox(self, key: str, approve: Approver = nobody) -> Toolbox:
        """The tools for one session. Whoever asks closes it: background jobs live as long as it does."""
        configuration = self.app.configuration
        return default_toolbox(configuration, workspace=self.workspace(key), session_key=key, approve=approve)

    def workspace(self, key: str) -> Path:
        """The working folder of the session's agent, made where it is not there yet."""
        from garra.config.paths import private_folder

        folder = self.app.configuration.workspace(agent_of(key))
        if not folder.is_dir():
            private_folder(folder)
        return folder

    async def turn(self, key: str, toolbox: Toolbox, model: "str | Chosen | None" = None) -> Turn:
        """A turn in a session, on the model asked for, else the one that the person chose in it, else the agent's."""
        configuration, agent = self.app.configuration, agent_of(key)
        own, shared = configuration.agent(agent), configuration.config.agents.defaults
        file_chars = own.bootstrap_max_chars or shared.bootstrap_max_chars
        total_chars = own.bootstrap_total_max_chars or shared.bootstrap_total_max_chars
        timeout_s = shared.timeout_seconds if own.timeout_seconds is None else own.timeout_seconds
        settings = await self.store.settings(key)
        chosen, fallbacks, notices = await self._answers(agent, model or setting(settings, "model") or None)
        return Turn(
            store=self.store,
            models=self.models,
            http=self.http,
            chosen=chosen,
            toolbox=toolbox,
            key=key,
            workspace=self.workspace(key),
            state=configuration.paths.state,
            limits=Limits(file_chars, total_chars),
            max_steps=own.max_steps or shared.max_steps,
            timeout_s=timeout_s,
            thinking=setting(settings, "thinking") or None,
            fallbacks=fallbacks,
            compaction=shared.compaction.over(own.compaction),
            notices=notices,
        )

    async def _answers(
        self, agent: str, wish: "str | Chosen | None"
    ) -> "tuple[Chosen, tuple[str, ...], tuple[str, ...]]":
        """Who answers, who is asked after that, and why it is not the first one. Who is wished for stands alone."""
        if wish is not None:
            return await self.models.choose(wish, agent) if isinstance(wish, str) else wish, (), ()
        name, *fallbacks = self.models.configured(agent) or ("",)
        notices: list[str] = []
        while True:
            try:
                chosen = await self.models.choose(wish, agent)
            except GarraError as error:
                if not fallbacks or not moves_on(error):
                    raise with_first(error, next(iter(notices), "")) from None
                why, wish = _why(name, error), fallbacks.pop(0)
                notices.append(f"{why}; asking {wish} instead.")
                name = wish
            else:
                return chosen, tuple(fallbacks), tuple(notices)


def _why(name: str, error: GarraError) -> str:
    """Why a model is passed over: in a few words where its server is away, else with what mends it."""
    if isinstance(error, ModelUnreachable | ServerBusy | ServerFailed | ServerSilent):
        return f"{name} cannot answer ({trouble(error)})"
    return f"{name} cannot be asked: {error}\n{name} is passed over"


@asynccontextmanager
async def open_room(app: App) -> AsyncGenerator[Room]:
    """Open the store and the connections for one process; closed on leaving, whatever happened."""
    async with AsyncExitStack() as stack:
        configuration = app.configuration
        http = await stack.enter_async_context(Http())
        store = await stack.enter_async_context(await Store.open(configuration.paths.sessions_db))
        yield Room(app, store, http, Models(configuration, http))


def is_terminal() -> bool:
    """Whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()
