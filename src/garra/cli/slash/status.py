"""`/status`."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from garra.cli.show import tools_in_words, window_in_words
from garra.sessions.entries import Compacted, Entry, Said, setting

if TYPE_CHECKING:
    from garra.cli.chat import Chat
    from garra.models.catalogue import Capabilities, Chosen


async def run(chat: "Chat", argument: str) -> None:
    """Say which model answers, and how full the conversation is."""
    from garra.models.thinking import label, with_thinking

    entries = await chat.room.store.entries(chat.key)
    chosen = _at_its_replica(await chat.choose(), chat.key, entries)
    able = await chat.room.models.capabilities(chosen)
    for line in _model(chosen, entries):
        chat.say(line)
    chat.say(f"tools     {tools_in_words(able)}")
    if level := with_thinking(chosen, setting(entries, "thinking") or None).thinking.level:
        chat.say(f"thinking  {label(chosen, level)}")
    chat.say(f"session   {chat.key}, {sum(isinstance(e.item, Said) for e in entries)} messages")
    for line in _tokens(chosen, able, entries):
        chat.say(line)
    chat.say(f"folder    {chat.room.workspace(chat.key)}")


def _at_its_replica(chosen: "Chosen", key: str, entries: Sequence[Entry]) -> "Chosen":
    """The model at the one of its servers that this conversation asks first."""
    from garra.models.replicas import at, ordered

    replicas = (entry.item.replica for entry in reversed(entries) if isinstance(entry.item, Said))
    first = ordered(chosen.replicas, key, next(filter(None, replicas), ""))
    return at(chosen, first[0]) if first else chosen


def _model(chosen: "Chosen", entries: Sequence[Entry]) -> Iterator[str]:
    """The model, and who answered last where that was another one."""
    among = f", 1 of {len(chosen.replicas)} servers" if len(chosen.replicas) > 1 else ""
    yield f"model     {chosen.ref} at {chosen.endpoint.base_url}{window_in_words(chosen.window)}{among}"
    models = (entry.item.model for entry in reversed(entries) if isinstance(entry.item, Said))
    last = next(filter(None, models), "")
    if last and last != str(chosen.ref):
        yield f"answered  {last}, the last time"


def _tokens(chosen: "Chosen", able: "Capabilities", entries: Sequence[Entry]) -> Iterator[str]:
    """How full the conversation is, what came from the cache, and what did not fit the prompt."""
    from garra.agent.budget import used_tokens
    from garra.agent.context import cuts, prefix_share
    from garra.agent.turn import stored_prefix

    items = [entry.item for entry in reversed(entries)]
    usage = next((item.usage for item in items if isinstance(item, Said) and item.usage), None)
    prefix = stored_prefix(entries, able)
    last = next(
        (item for item in items if isinstance(item, Compacted) or (isinstance(item, Said) and item.usage)), None
    )
    if prefix and isinstance(last, Compacted):
        used = used_tokens(entries, prefix, str(chosen.ref))
        yield f"tokens    about {used:,}{_share(used, chosen)} since older turns were summarised"
    elif usage:
        used = usage.prompt_tokens + usage.completion_tokens
        cached = f", {usage.cached_tokens:,} of them cached" if usage.cached_tokens is not None else ""
        yield f"tokens    {used:,}{_share(used, chosen)}; the last prompt had {usage.prompt_tokens:,}{cached}"
    if told := prefix_share(entries):
        of = f"{told.cached_tokens:,} of {told.prompt_tokens:,} prompt tokens since the first request"
        yield f"cache     {100 * told.share:.1f}% came from the server's prefix cache ({of})"
    for cut in cuts(prefix) if prefix else ():
        yield f"cut       {cut}; the whole file did not fit the prompt"


def _share(used: int, chosen: "Chosen") -> str:
    return f" ({100 * used / chosen.window:.0f}% of the window)" if chosen.window else ""
