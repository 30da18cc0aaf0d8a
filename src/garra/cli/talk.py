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
from garra.models.models import Models
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
        return default_toolbox(configuration, workspace=self.workspace(), session_key=key, approve=approve)

    def workspace(self) -> Path:
        """The working folder, made where it is not there yet."""
        from garra.config.paths import private_folder

        folder = self.app.configuration.workspace()
        if not folder.is_dir():
            private_folder(folder)
        return folder

    async def turn(self, key: str, toolbox: Toolbox, model: "str | Chosen | None" = None) -> Turn:
        """A turn in a session, on the model asked for or else the configured one."""
        configuration = self.app.configuration
        defaults = configuration.config.agents.defaults
        chosen = await self.models.choose(model) if model is None or isinstance(model, str) else model
        return Turn(
            store=self.store,
            models=self.models,
            http=self.http,
            chosen=chosen,
            toolbox=toolbox,
            key=key,
            workspace=self.workspace(),
            state=configuration.paths.state,
            limits=Limits(defaults.bootstrap_max_chars, defaults.bootstrap_total_max_chars),
            max_steps=defaults.max_steps,
            timeout_s=defaults.timeout_seconds,
        )


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
