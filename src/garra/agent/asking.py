"""One reply from the model, whatever it takes: waiting in line, trying again, making room, asking another.

The order in which trouble is met: a prompt that does not fit is compacted; a server that takes no tools, or no
constraint, is asked in another way; what passes by itself is tried again after a pause; then the next replica is asked,
then the next model that the person listed. What was shown of an attempt that failed is void: `Retrying` says so.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Any, TypeAlias

import msgspec

from garra.agent import choosing
from garra.agent.budget import used_tokens
from garra.agent.calls.reading import read_calls
from garra.agent.candidates import Candidates
from garra.agent.clock import Deadline
from garra.agent.events import Notice, Retrying, TurnEvent
from garra.agent.record import Record
from garra.agent.sending import next_request
from garra.agent.thresholds import compact_at
from garra.agent.turn import Turn, new_prefix
from garra.errors import ContextOverflow, ModelError, RequestRefused, ServerFailed, ServerSilent, StreamBroken
from garra.models import failover, retry
from garra.models.catalogue import Capabilities
from garra.models.slots import cap_of, slot
from garra.sessions.entries import Said
from garra.wire.chat import ChatCompletions
from garra.wire.events import Event, ReasoningDelta, Reply, TextDelta, ThoughtSoFar
from garra.wire.inline_thinking import split_thinking
from garra.wire.messages import Assistant
from garra.wire.request import ChatRequest

Events: TypeAlias = AsyncGenerator[TurnEvent]

COMPACTIONS_A_TURN = 3
"""As often as OpenClaw tries (openclaw.md 3.10): what does not fit after that never will."""

SWALLOWED_TOKENS = 8
SWALLOWED = "the server's tool parser loses the calls that the model writes"

_ABOUT_TOOLS = ("tool", "structured", "guided", "grammar", "schema", "response_format")
"""Words of a refusal that may be about how the tools were given."""


class Asking:
    """The model of one turn: which one answers now, and what has come of its reply."""

    def __init__(self, turn: Turn, record: Record, deadline: Deadline) -> None:
        self._turn, self._record, self._deadline = turn, record, deadline
        said = (entry.item for entry in reversed(record.entries) if isinstance(entry.item, Said))
        self.candidates = Candidates(turn, next((item.replica for item in said if item.replica), ""))
        self.reply = Reply()
        self.capabilities: Capabilities | None = None
        self.was_read = False  # whether a server failed while it worked on a request, and may have kept what it read
        self._retries = self._new_retries()
        self._compactions = 0
        self._adapted = self._cannot_shrink = self._must_answer = self._swallowed = False

    @property
    def turn(self) -> Turn:
        """The turn, on the model that answers now."""
        return msgspec.structs.replace(self._turn, chosen=self.candidates.chosen)

    @property
    def used(self) -> int:
        """The tokens that the conversation takes so far, as far as is known without asking."""
        prefix = self._record.prefix(self.capabilities)
        return used_tokens(self._record.entries, prefix, str(self.candidates.chosen.ref))

    async def ask(self) -> Events:
        """One reply, from whoever gives it; what has come of it is in `reply`."""
        while True:
            self.reply = Reply()
            try:
                async with aclosing(self._attempt()) as events:
                    async for event in events:
                        yield event
            except ModelError as error:
                self.was_read |= isinstance(error, ServerFailed | ServerSilent | StreamBroken)
                async with aclosing(self._recover(error)) as notices:
                    async for notice in notices:
                        yield notice
            else:
                self._retries.answered()
                await self._learn()
                if self._goes_in_circles():
                    continue
                if not await self._was_swallowed():
                    return
                yield Retrying("The server's tool parser lost what the model wrote; tools are described to it instead.")

    async def _attempt(self) -> Events:
        """One request. What comes is shown as it comes."""
        async with aclosing(self._prepare()) as notices:
            async for notice in notices:
                yield notice
        assert self.capabilities is not None
        request = await self._deadline.within(next_request(self.turn, self._record, self.capabilities))
        chosen, toolbox = self.candidates.chosen, self._turn.toolbox
        async with AsyncExitStack() as stack:
            async with aclosing(self._wait_in_line(stack)) as waits:
                async for wait in waits:
                    yield wait
            if self.capabilities.chooses_first and "structured_outputs" not in chosen.params:
                request = await self._deadline.within(self._in_chosen_form(request))
            stream = ChatCompletions(self._turn.http, chosen.endpoint).stream(request)
            thought = split_thinking(stream, opened=chosen.thinking.opens)
            if self.capabilities.chooses_first:
                thought = choosing.without_tag(thought)
            events = read_calls(thought, [*toolbox.specs(), *toolbox.others()])
            await stack.enter_async_context(aclosing(events))
            while (event := await self._deadline.within(_next(events))) is not None:
                self.reply.add(event)
                if isinstance(event, TextDelta | ReasoningDelta):
                    yield event
                elif isinstance(event, ThoughtSoFar):
                    yield Notice("What stands above was the model's thinking; its answer follows.")

    async def _prepare(self) -> Events:
        """What has to be known, and to be there, before a request: capabilities, a prefix that fits them, room."""
        if self.capabilities is None:
            self.capabilities = await self._deadline.within(self._turn.models.capabilities(self.candidates.chosen))
            if choosing.is_untried(self.turn, self.capabilities):
                self.capabilities = await self._deadline.within(choosing.tried(self.turn, self.capabilities))
            prefix, prompt = new_prefix(self.turn, self._record.entries, self.capabilities)
            await self._record.add(*prefix)
            for cut in prompt.notices if prompt else ():
                yield Notice(cut)
        window = self.candidates.chosen.window
        wanted = self._turn.compaction.enabled and not self._cannot_shrink
        if window and wanted and self.used >= compact_at(window):
            async with aclosing(self._compact()) as notices:
                async for notice in notices:
                    yield notice

    async def _in_chosen_form(self, request: ChatRequest) -> ChatRequest:
        """The request as a model that has to choose first chose it; or held to an answer, after a call in circles."""
        return choosing.answer_form(request) if self._must_answer else await choosing.chosen_form(self.turn, request)

    def _goes_in_circles(self) -> bool:
        """Whether a model that has to choose first made a call whose result it has; it is asked once more then."""
        asked, able = self._must_answer, self.capabilities
        chooses = able is not None and able.chooses_first and not asked
        self._must_answer = chooses and choosing.goes_in_circles(self._record.entries, self.reply.calls)
        return self._must_answer

    async def _was_swallowed(self) -> bool:
        """Whether the model wrote something and nothing of it arrived: its server's tool parser is the wrong one.

        vLLM's streaming parsers leave out a call that is in another form than theirs. Told without `tools`, no parser
        comes between. It holds for this turn, and for the next ones where a call comes of it.
        """
        able, reply = self.capabilities, self.reply
        assert able is not None
        if self._swallowed and reply.calls:
            await self._turn.models.learn(self.candidates.chosen, tools="refused", reason=SWALLOWED)
        wrote = reply.usage.completion_tokens if reply.usage else 0
        empty = reply.message() == Assistant() and reply.finish_reason in ("stop", "tool_calls")
        if self._swallowed or not empty or wrote < SWALLOWED_TOKENS or not self._record.prefix(able).tools:
            return False
        self._swallowed = True
        self.capabilities = msgspec.structs.replace(able, tools="refused", reason=SWALLOWED)
        prefix, _ = new_prefix(self.turn, self._record.entries, self.capabilities)
        await self._record.add(*prefix)
        return True

    async def _wait_in_line(self, stack: AsyncExitStack) -> Events:
        """Take a place among the turns that the server is working on; while there is none, say so."""
        places: asyncio.Queue[int | None] = asyncio.Queue()
        endpoint = self.candidates.chosen.endpoint
        folder = self._turn.state / "slots"
        cap = await self._deadline.within(cap_of(self._turn.http, endpoint, self.capabilities, folder))
        place = slot(folder, endpoint.base_url, cap, waiting=places.put_nowait)
        work = asyncio.create_task(stack.enter_async_context(place))
        work.add_done_callback(lambda _: places.put_nowait(None))
        try:
            while (before := await self._deadline.within(places.get())) is not None:
                yield Notice(f"The server has as much to do as it takes; number {before} in line. Ctrl-C stops.")
            await work
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait([work])

    async def _recover(self, error: ModelError) -> Events:
        """Change what can be changed, or wait, so that asking again makes sense; else raise the error."""
        if isinstance(error, ContextOverflow) and self._compactions < COMPACTIONS_A_TURN:
            before = self._record.entries
            async with aclosing(self._compact()) as notices:
                async for notice in notices:
                    yield notice
            if self._record.entries == before:
                raise error
        elif isinstance(error, RequestRefused) and await self._adapts(error):
            yield Retrying("This server takes no tools as it was started; they are described in the prompt instead.")
        elif (wait_s := self._pause_s(error)) is not None:
            yield Retrying(self._retries.words(error, wait_s), wait_s)
            await self._deadline.within(asyncio.sleep(wait_s))
        else:
            async with aclosing(self._move_on(error)) as notices:
                async for notice in notices:
                    yield notice

    def _pause_s(self, error: ModelError) -> float | None:
        """How long to wait before the same is asked again; None where it is not."""
        return self._retries.wait_s(error, self.candidates.chosen.endpoint) if self._turn.retries else None

    async def _adapts(self, refused: RequestRefused) -> bool:
        """Ask the server anew what it can do; whether the request is now another one."""
        known = self.capabilities
        if known is None or self._adapted or not any(word in str(refused).lower() for word in _ABOUT_TOOLS):
            return False
        self._adapted = True
        found = await self._deadline.within(self._turn.models.probe(self.candidates.chosen))
        if (found.tools, found.structured) == (known.tools, known.structured):
            return False
        self.capabilities = found
        prefix, _ = new_prefix(self.turn, self._record.entries, found)
        await self._record.add(*prefix)
        return True

    async def _move_on(self, error: ModelError) -> Events:
        """Go to the next who may answer; where there is nobody, raise the error."""
        if not failover.moves_on(error):
            raise error
        before = self.candidates.chosen
        for skipped in await self._deadline.within(self.candidates.move_on()):
            yield Notice(skipped)
        now = self.candidates.chosen
        if now is before:
            raise error
        self.capabilities, self._retries = None, self._new_retries()
        yield Retrying(failover.words(error, before, now))

    async def _compact(self) -> Events:
        """Put a summary in the place of the older turns; nothing happens where there is nothing to summarise."""
        from garra.agent.compaction import can_compact, summarise, told  # rare

        prefix, used, entries = self._record.prefix(self.capabilities), self.used, self._record.entries
        if not can_compact(self.turn, entries, prefix, used=used):
            return
        self._compactions += 1
        yield Notice("The conversation fills the model's window: summarising its older part. Ctrl-C stops.")
        done = await self._deadline.within(summarise(self.turn, entries, prefix, used=used))
        self._cannot_shrink = done is None
        if done is not None:
            await self._record.add(done)
            if self._turn.compaction.notify_user:
                yield Notice(told(done, self.used))

    async def _learn(self) -> None:
        """Remember what only a real reply shows of the server."""
        able, usage, field = self.capabilities, self.reply.usage, self.reply.message().reasoning_field
        assert able is not None
        seen: dict[str, Any] = {}
        if usage is not None and not able.stream_usage:
            seen["stream_usage"] = True
        if usage is not None and usage.cached_tokens is not None and not able.cached_tokens:
            seen["cached_tokens"] = True
        if field and field != able.reasoning_field:
            seen["reasoning_field"] = field
        if seen:
            self.capabilities = msgspec.structs.replace(able, **seen)
            await self._turn.models.learn(self.candidates.chosen, **seen)

    def _new_retries(self) -> retry.Retries:
        return retry.Retries(may_move_on=self.candidates.has_more)


async def _next(events: AsyncGenerator[Event]) -> Event | None:
    return await anext(events, None)
