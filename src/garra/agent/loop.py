"""One turn: ask, run what was asked for, ask again, until the model asks for nothing.

The request is built from the stored transcript and from nothing else. The person's message is stored before it is
acknowledged, each reply and each tool result before the next request. Whatever ends a turn early (an error, Ctrl-C, a
limit) keeps what had arrived, marked. How a reply is had is in `asking`; nothing here prints or knows where the person
sits.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import TypeAlias

import msgspec

from garra.agent.asking import Asking
from garra.agent.budget import result_limit
from garra.agent.calling import run_call
from garra.agent.clock import Deadline
from garra.agent.ending import cut_result, notice_of
from garra.agent.events import Accepted, Notice, ToolFinished, ToolProgress, ToolStarted, TurnEvent, TurnFinished
from garra.agent.holding import hold_session
from garra.agent.prompt import stamped
from garra.agent.record import Record
from garra.agent.turn import Turn
from garra.errors import (
    AuthRejected,
    ContextOverflow,
    GarraError,
    ModelError,
    ModelNotFound,
    ModelUnreachable,
    RequestRefused,
    StepLimit,
)
from garra.sessions.entries import Failed, Said, Status
from garra.wire.events import Reply
from garra.wire.messages import Assistant, ToolCall, ToolResult, User

TurnEvents: TypeAlias = AsyncGenerator[TurnEvent]
_NOT_READ = (ContextOverflow, ModelUnreachable, AuthRejected, ModelNotFound, RequestRefused)


async def run_turn(turn: Turn, text: str) -> TurnEvents:
    """Take one message of the person's to its reply. Close the generator to cancel: what had arrived is kept."""
    async with AsyncExitStack() as stack:
        async with aclosing(hold_session(turn, stack)) as waiting:
            async for notice in waiting:
                yield notice
        running = _Running(turn, Record(turn, await turn.store.entries(turn.key)))
        async with aclosing(running.run(text)) as events:
            async for event in events:
                yield event


class _Running:
    """The turn under way: what is stored of it, and the model that is asked."""

    def __init__(self, turn: Turn, record: Record) -> None:
        self._turn, self._record = turn, record
        self._deadline = Deadline(turn.timeout_s)
        self._asking = Asking(turn, record, self._deadline)

    async def run(self, text: str) -> TurnEvents:
        """The whole turn. Every way out but the normal one stores why."""
        try:
            async with aclosing(self._steps(text)) as events:
                async for event in events:
                    yield event
        except (asyncio.CancelledError, GeneratorExit):
            await self._keep_partial("interrupted", "stopped by the person")
            raise
        except GarraError as error:
            await self._keep_partial("failed", str(error))  # first: what comes now may be cancelled
            unread = isinstance(error, _NOT_READ) and not self._asking.was_read
            dropped = unread and self._record.awaits_first_reply()
            if isinstance(error, ModelError):
                error = await self._turn.models.explain(error, self._asking.candidates.chosen)
            error = self._asking.whole(error)
            await self._record.add(Failed(str(error), dropped=dropped))
            raise error from None

    async def _steps(self, text: str) -> TurnEvents:
        [accepted] = await self._record.add(Said(User(stamped(text))))
        yield Accepted(self._turn.key, accepted.seq)
        for notice in self._turn.notices:
            yield Notice(notice)
        for step in range(1, self._turn.max_steps + 1):
            async with aclosing(self._asking.ask()) as events:
                async for event in events:
                    yield event
            reply, said = await self._keep_reply()
            if not said.calls:
                if notice := notice_of(said, reply.finish_reason):
                    yield Notice(notice)
                yield TurnFinished(said.text, self._model, step, reply.usage, reply.finish_reason or "")
                return
            for call in said.calls:
                async with aclosing(self._call(call, cut_result(call, reply.finish_reason))) as events:
                    async for event in events:
                        yield event
        raise StepLimit(
            f"The turn stopped after {self._turn.max_steps} steps, as agents.defaults.maxSteps says. "
            "Send another message to go on, or raise it: garra config set agents.defaults.maxSteps NUMBER"
        )

    async def _keep_reply(self) -> tuple[Reply, Assistant]:
        """Store the reply, with arguments that can be read in one way only repaired."""
        reply, self._asking.reply = self._asking.reply, Reply()
        message = reply.message()
        if message.calls and reply.finish_reason != "length":  # what a cut call lacks is not known
            message = msgspec.structs.replace(message, calls=self._repaired(message.calls))
        replica = self._asking.candidates.replica
        await self._record.add(Said(message, model=self._model, usage=reply.usage, replica=replica))
        return reply, message

    def _repaired(self, calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
        from garra.agent.calls.repair import repaired

        specs = {spec.name: spec for spec in self._turn.toolbox.callable_specs()}
        return tuple(repaired(call, specs.get(call.name)) for call in calls)

    async def _call(self, call: ToolCall, cut: ToolResult | None) -> TurnEvents:
        """Run one call, unless the reply was cut in it, and store its one result."""
        yield ToolStarted(call)
        limit = result_limit(self._asking.used, self._asking.candidates.chosen.window)
        result = cut
        async with aclosing(run_call(self._turn.toolbox, call, limit, self._deadline)) as events:
            while result is None:
                event = await anext(events)
                if isinstance(event, ToolProgress):
                    yield event
                else:
                    result = event
        await self._record.add(Said(result))
        yield ToolFinished(result)

    async def _keep_partial(self, status: Status, note: str) -> None:
        """Store what had arrived, and answers for the calls that are still open."""
        partial, model = self._asking.partial()
        if partial != Assistant():
            await self._record.add(Said(partial, status, model, note=note))
        await self._record.mend()

    @property
    def _model(self) -> str:
        return str(self._asking.candidates.chosen.ref)
