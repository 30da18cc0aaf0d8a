"""The conversation in the terminal: reads a line, runs a turn, shows it, and again.

A failing turn is shown and the conversation goes on; Ctrl-C while a reply runs stops the reply and nothing else.
"""

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import aclosing, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from garra.agent.loop import run_turn
from garra.agent.turn import Turn
from garra.cli.approve import asker
from garra.cli.chat_input import Lines, quiet_keys
from garra.cli.show import RED, Printer
from garra.cli.show_reasoning import shown_reasoning
from garra.cli.slash.table import is_slash, run_slash
from garra.cli.talk import Room
from garra.errors import GarraError
from garra.sessions.entries import NewEntry, Setting, setting
from garra.sessions.keys import agent_of
from garra.tools.approval import nobody
from garra.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from garra.models.catalogue import Chosen


class Chat:
    """One person's conversation: the session it is in, the model it uses, the tools it has running."""

    def __init__(self, room: Room, key: str, lines: Lines, model: str | None = None) -> None:
        self.room = room
        self.key = key
        self.model = model
        self._lines = lines
        self._printer = Printer()
        self._toolbox = self._make_toolbox()
        self._failed = False
        self._warm: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Talk until the person leaves. In a pipe, the exit code tells whether a turn failed."""
        if self._lines.interactive:
            self.say("Enter sends, Alt-Enter starts a new line, Ctrl-C stops a reply, Ctrl-D leaves. /help for more.")
        interrupted = False
        self._warm = asyncio.create_task(self._warm_up())
        while True:
            try:
                line = (await self._lines.next()).strip()
            except EOFError:
                break
            except KeyboardInterrupt:
                if interrupted:
                    break
                interrupted = True
                self.say("Ctrl-C again, or /exit, leaves.")
                continue
            interrupted = False
            if line and not await self._take(line):
                break
        return 1 if self._failed and not self._lines.interactive else 0

    async def _take(self, line: str) -> bool:
        slash = is_slash(line)
        try:
            goes_on = await self._stoppable(run_slash(self, line) if slash else self._turn(line))
        except GarraError as error:
            self._failed = True
            self._printer.line(f"error: {error}", RED)
            return True
        if goes_on is None:
            self.say("(stopped)" if slash else "(stopped; what had arrived is kept)")
        return goes_on is not False

    async def _stoppable(self, work: Coroutine[Any, Any, bool]) -> bool | None:
        """Do the work as a task of its own, so that Ctrl-C ends it and not the program; None when it was ended."""
        task = asyncio.create_task(work)
        try:
            with _interrupt_cancels(task) if self._lines.interactive else nullcontext():
                await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise
        finally:
            self._printer.end()
        return None if task.cancelled() else task.result()

    async def _turn(self, text: str) -> bool:
        settings = await self.room.store.settings(self.key)
        self._printer.show_reasoning(shown_reasoning(self.room.app.configuration, agent_of(self.key), settings))
        async with aclosing(run_turn(await self.make_turn(), text)) as events:
            async for event in events:
                self._printer.event(event)
        return True

    async def make_turn(self) -> Turn:
        """The next turn of this conversation, as it would be run now."""
        return await self.room.turn(self.key, self._toolbox, self.model)

    def say(self, text: str) -> None:
        """A line that is not the assistant's."""
        self._printer.line(text)

    async def choose(self, ref: str | None = None) -> "Chosen":
        """The model that is named, else the one that answers in this conversation."""
        wish = ref or self.model or setting(await self.room.store.settings(self.key), "model")
        return await self.room.models.choose(wish or None, agent_of(self.key))

    async def choose_for_good(self, ref: str) -> None:
        """Keep the model for this conversation; empty goes back to the configured one."""
        self.model = None
        await self.room.store.append(self.key, NewEntry(Setting("model", ref)))

    async def go_to(self, key: str) -> None:
        """Go on in another session. Background jobs belong to the one that is left: they are stopped."""
        await self._toolbox.close()
        self.key = key
        self._toolbox = self._make_toolbox()

    async def stop_jobs(self) -> None:
        """End the background jobs of this session."""
        await self.go_to(self.key)

    async def _warm_up(self) -> None:
        """Where the configuration wants it, let the server read the prompt while the person is still typing."""
        if self.room.app.configuration.config.agents.defaults.warmup:
            from garra.agent.warm import warm

            with suppress(GarraError):
                await warm(await self.make_turn(), await self.room.store.entries(self.key))

    async def close(self) -> None:
        """End what this conversation has running."""
        if self._warm and not self._warm.done():
            self._warm.cancel()
            await asyncio.wait([self._warm])
        await self._toolbox.close()

    def _make_toolbox(self) -> Toolbox:
        return self.room.toolbox(self.key, asker() if self._lines.interactive else nobody)


@contextmanager
def _interrupt_cancels(task: "asyncio.Task[Any]") -> Iterator[None]:
    """Ctrl-C cancels the task; afterwards it does again what it did before."""
    loop, before = asyncio.get_running_loop(), signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    try:
        with quiet_keys():
            yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
