"""One turn: ask, run what was asked for, ask again, until the model asks for nothing.

The request is built from the stored transcript and from nothing else. The person's message is stored before it is
acknowledged, each reply and each tool result before the next request. Whatever ends a turn early (an error, Ctrl-C, a
limit) keeps what had arrived, marked. Nothing here retries, prints or knows where the person sits.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import TypeAlias, TypeVar

import msgspec

from garra.agent.budget import estimate_tokens, fitted, reply_limit, result_limit, used_tokens
from garra.agent.calls import described
from garra.agent.calls.reading import read_calls
from garra.agent.ending import cut_result, notice_of
from garra.agent.events import Accepted, Notice, ToolFinished, ToolProgress, ToolStarted, TurnEvent, TurnFinished
from garra.agent.prompt import CHARS_A_TOKEN, stamped
from garra.agent.turn import Turn, is_described, new_prefix, stored_prefix
from garra.errors import (
    AuthRejected,
    ContextOverflow,
    GarraError,
    ModelError,
    ModelNotFound,
    ModelUnreachable,
    RequestRefused,
    SessionError,
    StepLimit,
    StoreError,
    TimeLimit,
)
from garra.models.catalogue import Capabilities
from garra.sessions.lease import turn_lease
from garra.sessions.store import Entry, Failed, Head, NewEntry, Said, Status
from garra.sessions.transcript import history, mend
from garra.wire.chat import ChatCompletions
from garra.wire.events import Event, ReasoningDelta, Reply, TextDelta
from garra.wire.messages import Message, System, ToolCall, ToolResult, User
from garra.wire.request import ChatRequest

T = TypeVar("T")
TurnEvents: TypeAlias = AsyncGenerator[TurnEvent]
_NOT_READ = (ContextOverflow, ModelUnreachable, AuthRejected, ModelNotFound, RequestRefused)


async def run_turn(turn: Turn, text: str) -> TurnEvents:
    """Take one message of the person's to its reply. Close the generator to cancel: what had arrived is kept."""
    async with AsyncExitStack() as stack:
        lease = partial(turn_lease, turn.state, turn.key)
        try:
            await stack.enter_async_context(lease(wait=False))
        except StoreError:
            raise  # nobody holds it: it cannot be had
        except SessionError as held:
            yield Notice(f"Waiting for the turn that is under way in this session ({held}).")
            await stack.enter_async_context(lease())
        await mend(turn.store, turn.key)
        running = _Running(turn, await turn.store.entries(turn.key))
        async with aclosing(running.run(text)) as events:
            async for event in events:
                yield event


class _Running:
    """The turn under way: the transcript as far as it is stored, and what is known of the server."""

    def __init__(self, turn: Turn, entries: tuple[Entry, ...]) -> None:
        self.turn = turn
        self.entries = entries
        self.reply = Reply()
        self.capabilities: Capabilities | None = None
        self.deadline = time.monotonic() + turn.timeout_s if turn.timeout_s else None

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
            dropped = self._was_never_read(error)
            if isinstance(error, ModelError):
                error = await self.turn.models.explain(error, self.turn.chosen)
            await self._store(NewEntry(Failed(str(error), dropped=dropped)))
            raise error from None

    async def _steps(self, text: str) -> TurnEvents:
        [accepted] = await self._store(NewEntry(Said(User(stamped(text)))))
        yield Accepted(self.turn.key, accepted.seq)
        self.capabilities = await self._in_time(self.turn.models.capabilities(self.turn.chosen))
        prefix, prompt = new_prefix(self.turn, self.entries, self.capabilities)
        await self._store(*prefix)
        for notice in prompt.notices if prompt else ():
            yield Notice(notice)
        for step in range(1, self.turn.max_steps + 1):
            async with aclosing(self._ask()) as events:
                async for event in events:
                    yield event
            said, self.reply = self.reply, Reply()
            model = str(self.turn.chosen.ref)
            await self._store(NewEntry(Said(said.message(), model=model, usage=said.usage)))
            if not said.calls:
                if notice := notice_of(said.message(), said.finish_reason):
                    yield Notice(notice)
                yield TurnFinished(said.text, model, step, said.usage, said.finish_reason or "")
                return
            for call in said.calls:
                async with aclosing(self._call(call, cut_result(call, said.finish_reason))) as events:
                    async for event in events:
                        yield event
        raise StepLimit(
            f"The turn stopped after {self.turn.max_steps} steps, as agents.defaults.maxSteps says. "
            "Send another message to go on, or raise it: garra config set agents.defaults.maxSteps NUMBER"
        )

    async def _ask(self) -> TurnEvents:
        """One request, streamed. A server that turns out to take no `tools` is asked again with them described."""
        try:
            async with aclosing(self._stream()) as events:
                async for event in events:
                    self.reply.add(event)
                    if isinstance(event, TextDelta | ReasoningDelta):
                        yield event
        except RequestRefused as refused:
            if self.reply.message() != Reply().message() or not await self._tools_are_refused(refused):
                raise
            yield Notice("This server takes no tools as it was started; they are described in the prompt instead.")
            async with aclosing(self._ask()) as again:
                async for shown in again:
                    yield shown

    async def _tools_are_refused(self, refused: RequestRefused) -> bool:
        """Ask the server anew what it can do; where it refuses tools, store a prefix that does without."""
        if not self._prefix().tools or "tool" not in str(refused).lower():
            return False
        self.capabilities = await self._in_time(self.turn.models.probe(self.turn.chosen))
        prefix, _ = new_prefix(self.turn, self.entries, self.capabilities)
        await self._store(*prefix)
        return not self._prefix().tools

    async def _stream(self) -> AsyncGenerator[Event]:
        prefix, chosen = self._prefix(), self.turn.chosen
        messages: list[Message] = [System(prefix.system), *history(self.entries)]
        params = dict(chosen.params)
        if is_described(prefix):
            messages = described.as_text(messages)
            if self.capabilities is None or self.capabilities.structured:
                toolbox = self.turn.toolbox
                params |= described.constraint([*toolbox.specs(), *toolbox.others()])
        limit = await self._in_time(
            reply_limit(
                self._used(),
                chosen.window,
                chosen.max_tokens,
                lambda: self.turn.models.count_tokens(chosen, messages, prefix.tools),
                fixed=estimate_tokens(messages[:1], prefix.tools),
            )
        )
        request = ChatRequest(chosen.ref.id, tuple(messages), tools=prefix.tools, max_tokens=limit, params=params)
        events = ChatCompletions(self.turn.http, chosen.endpoint).stream(request)
        if is_described(prefix):
            events = read_calls(events)
        async with aclosing(events):
            while (event := await self._in_time(anext(events, None))) is not None:
                yield event

    async def _call(self, call: ToolCall, cut: ToolResult | None) -> TurnEvents:
        """Run one call, unless the reply was cut in it, and store its one result."""
        yield ToolStarted(call)
        limit = result_limit(self._used(), self.turn.chosen.window)
        result = cut
        async with aclosing(self._run(call, limit)) as events:
            while result is None:
                event = await anext(events)
                if isinstance(event, ToolProgress):
                    yield event
                else:
                    result = msgspec.structs.replace(event, text=fitted(event.text, limit))
        await self._store(NewEntry(Said(result)))
        yield ToolFinished(result)

    async def _run(self, call: ToolCall, limit_tokens: int | None) -> AsyncGenerator[ToolProgress | ToolResult]:
        """What the tool prints while it runs, then its result. Closing the generator ends the tool."""
        printed: asyncio.Queue[str | None] = asyncio.Queue()
        room = None if limit_tokens is None else limit_tokens * CHARS_A_TOKEN
        work = asyncio.create_task(self.turn.toolbox.run(call, printed.put_nowait, room_chars=room))
        work.add_done_callback(lambda _: printed.put_nowait(None))
        try:
            while (text := await self._in_time(printed.get())) is not None:
                yield ToolProgress(call.id, text)
            yield await work
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait([work])

    async def _in_time(self, work: Awaitable[T]) -> T:
        """Wait for something, but no longer than the turn may take."""
        if self.deadline is None:
            return await work
        try:
            async with asyncio.timeout(max(0, self.deadline - time.monotonic())) as limit:
                return await work
        except TimeoutError:
            if not limit.expired():
                raise
            raise TimeLimit(
                f"The turn took longer than the {self.turn.timeout_s:g} s that agents.defaults.timeoutSeconds allows. "
                "Send another message to go on, or raise it: garra config set agents.defaults.timeoutSeconds SECONDS"
            ) from None

    def _prefix(self) -> Head:
        prefix = stored_prefix(self.entries, self.capabilities)
        assert prefix is not None  # stored with the first message of the session
        return prefix

    def _used(self) -> int:
        """The tokens that all of it takes so far, as far as is known without asking."""
        return used_tokens(self.entries, self._prefix(), str(self.turn.chosen.ref))

    def _was_never_read(self, error: GarraError) -> bool:
        """Whether the message that began the turn never came before the model: too long, refused, or nobody there."""
        last = next((entry.item for entry in reversed(self.entries) if isinstance(entry.item, Said)), None)
        return isinstance(error, _NOT_READ) and last is not None and isinstance(last.message, User)

    @property
    def _session_id(self) -> str | None:
        """The session of this turn, always named: a `/new` elsewhere must not move the rest of it into a new one."""
        return self.entries[-1].session_id if self.entries else None

    async def _keep_partial(self, status: Status, note: str) -> None:
        """Store what had arrived, and answers for the calls that are still open."""
        partial, self.reply = self.reply.message(), Reply()
        if partial != Reply().message():
            await self._store(NewEntry(Said(partial, status, str(self.turn.chosen.ref), note=note)))
        self.entries += await mend(self.turn.store, self.turn.key, session_id=self._session_id)

    async def _store(self, *new: NewEntry) -> tuple[Entry, ...]:
        if not new:
            return ()
        stored = await self.turn.store.append(self.turn.key, *new, session_id=self._session_id)
        self.entries += stored
        return stored
