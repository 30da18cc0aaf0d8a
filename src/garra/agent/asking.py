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
from garra.agent.budget import prefix_tokens, used_tokens
from garra.agent.calls.reading import read_calls
from garra.agent.candidates import Candidates
from garra.agent.clock import Deadline
from garra.agent.events import Notice, Retrying, TurnEvent
from garra.agent.record import Record
from garra.agent.sending import messages_of, next_request
from garra.agent.thresholds import compact_at
from garra.agent.turn import Turn, make_prefix, new_prefix
from garra.errors import (
    ContextOverflow,
    GarraError,
    ModelError,
    RequestRefused,
    ServerFailed,
    ServerSilent,
    StreamBroken,
)
from garra.models import failover, retry
from garra.models.catalogue import Capabilities
from garra.models.slots import cap_of, slot
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

_ABOUT_TOOLS = ("tool", "structured", "structural", "guided", "grammar", "schema", "response_format")
"""Words of a refusal that may be about how the tools were given."""

_NO_TOOLS = "This server takes no tools as it was started; they are described in the prompt instead."
_OTHERWISE = "This server was started otherwise than it was; it is asked in the way that it takes now."


class Asking:
    """The model of one turn: which one answers now, and what has come of its reply."""

    def __init__(self, turn: Turn, record: Record, deadline: Deadline) -> None:
        self._turn, self._record, self._deadline = turn, record, deadline
        self.candidates = Candidates(turn, record.entries)
        self.reply = Reply()
        self._lost = (Assistant(), "")  # what came of the last attempt that failed, and of which model
        self.capabilities: Capabilities | None = None
        self.was_read = False  # whether a server failed while it worked on a request, and may have kept what it read
        self._retries = self._new_retries()
        self._compactions = 0
        self._capped = True  # whether a configured limit of the reply is sent
        self._first_trouble = next(iter(turn.notices), "")
        self._adapted = self._narrowed = self._refitted = self._cannot_shrink = False
        self._must_answer = self._swallowed = False

    @property
    def turn(self) -> Turn:
        """The turn, on the model that answers now."""
        chosen = self.candidates.chosen
        limit = chosen.max_tokens if self._capped else None
        return msgspec.structs.replace(self._turn, chosen=msgspec.structs.replace(chosen, max_tokens=limit))

    @property
    def used(self) -> int:
        """The tokens that the conversation takes so far, as far as is known without asking."""
        prefix = self._record.prefix(self.capabilities)
        return used_tokens(self._record.entries, prefix, str(self.candidates.chosen.ref))

    async def _counted(self) -> int:
        """The same, counted by the server where it does that: before anything is given up for a guess."""
        prefix, turn = self._record.prefix(self.capabilities), self.turn
        messages = messages_of(prefix, self._record.entries)
        counted = await self._deadline.within(turn.models.count_tokens(turn.chosen, messages, prefix.tools))
        return self.used if counted is None else counted

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
                self._lost = self.partial()
                async with aclosing(self._recover(error)) as notices:
                    async for notice in notices:
                        yield notice
            else:
                self._retries.answered()
                self._lost, self._capped = (Assistant(), ""), True
                await self._learn()
                if self._goes_in_circles():
                    continue
                if not await self._was_swallowed():
                    return
                yield Retrying("The server's tool parser lost what the model wrote; tools are described to it instead.")

    def partial(self) -> tuple[Assistant, str]:
        """What had come of the reply, and which model said it. Of an attempt before, where this one said nothing."""
        said, self.reply = self.reply.message(), Reply()
        said, model = (said, str(self.candidates.chosen.ref)) if said != Assistant() else self._lost
        self._lost = (Assistant(), "")
        return said, model

    def whole(self, error: GarraError) -> GarraError:
        """The error that ends the turn, with what kept the first one from answering."""
        if self._first_trouble and isinstance(error, ModelError):
            return failover.with_first(error, self._first_trouble)
        return error

    async def _attempt(self) -> Events:
        """One request. What comes is shown as it comes."""
        async with aclosing(self._prepare()) as notices:
            async for notice in notices:
                yield notice
        assert self.capabilities is not None
        request = await self._deadline.within(next_request(self.turn, self._record, self.capabilities))
        chosen = self.candidates.chosen
        async with AsyncExitStack() as stack:
            async with aclosing(self._wait_in_line(stack)) as waits:
                async for wait in waits:
                    yield wait
            if self.capabilities.chooses_first and choosing.is_open(chosen.params):
                request = await self._deadline.within(self._in_chosen_form(request))
            stream = ChatCompletions(self._turn.http, chosen.endpoint).stream(request)
            thought = split_thinking(stream, opened=chosen.thinking.opens)
            if self.capabilities.chooses_first:
                thought = choosing.without_tag(thought)
            events = read_calls(thought, self._turn.toolbox.callable_specs())
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
        if window and wanted and self.used >= compact_at(window) and await self._counted() >= compact_at(window):
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
        if isinstance(error, ContextOverflow):
            async with aclosing(self._make_room(error)) as notices:
                async for notice in notices:
                    yield notice
        elif isinstance(error, RequestRefused) and (change := await self._adapts(error)):
            yield Retrying(change)
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

    async def _make_room(self, error: ContextOverflow) -> Events:
        """What the server finds too long becomes shorter; where nothing can, raise the error.

        First what costs nothing: the window that the server tells of, the limit of the reply, the fixed prompt.
        """
        if not self._narrowed and self.candidates.narrow(error.limit):
            self._narrowed = True
            return
        if self._capped and self.candidates.chosen.max_tokens is not None:
            self._capped = False  # what is left of the window is less than that
            return
        before = self._record.entries
        for cut in await self._refit():
            yield Notice(cut)
        if self._record.entries == before and self._compactions < COMPACTIONS_A_TURN:
            async with aclosing(self._compact()) as notices:
                async for notice in notices:
                    yield notice
        if self._record.entries == before:
            raise error
        self._capped = True  # there is room for it again

    async def _refit(self) -> tuple[str, ...]:
        """Make the fixed prompt anew where it was made for a larger window than this; a line for each file cut."""
        old, window = self._record.prefix(self.capabilities), self.candidates.chosen.window
        if self._refitted or self.capabilities is None or window is None or prefix_tokens(old) <= window // 2:
            return ()
        self._refitted = True
        new, prompt = make_prefix(self.turn, self.capabilities)
        if prefix_tokens(new) > prefix_tokens(old) * 0.9:
            return ()
        await self._record.add(new)
        return prompt.notices

    async def _adapts(self, refused: RequestRefused) -> str:
        """Ask the server anew what it can do; what is asked otherwise from now on, empty where nothing is."""
        known = self.capabilities
        if known is None or self._adapted or not any(word in str(refused).lower() for word in _ABOUT_TOOLS):
            return ""
        self._adapted = True
        found = await self._deadline.within(self._turn.models.probe(self.candidates.chosen))
        if (found.tools, found.holds_calls) == (known.tools, known.holds_calls):
            return ""
        self.capabilities = found
        prefix, _ = new_prefix(self.turn, self._record.entries, found)
        await self._record.add(*prefix)
        return _NO_TOOLS if found.tools == "refused" != known.tools else _OTHERWISE

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
        words = failover.words(error, before, now)
        self._first_trouble = self._first_trouble or words
        self.capabilities, self._retries = None, self._new_retries()
        self._adapted = self._narrowed = self._refitted = self._cannot_shrink = self._swallowed = False
        yield Retrying(words)

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
