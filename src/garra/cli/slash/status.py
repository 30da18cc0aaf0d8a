"""`/status`."""

from typing import TYPE_CHECKING

from garra.cli.show import tools_in_words, window_in_words
from garra.sessions.entries import Said, setting

if TYPE_CHECKING:
    from garra.cli.chat import Chat


async def run(chat: "Chat", argument: str) -> None:
    """Say which model answers, and how full the conversation is."""
    from garra.agent.context import cuts, prefix_share
    from garra.agent.turn import stored_prefix
    from garra.models.thinking import label, with_thinking

    chosen = await chat.choose()
    able = await chat.room.models.capabilities(chosen)
    entries = await chat.room.store.entries(chat.key)
    usage = next((e.item.usage for e in reversed(entries) if isinstance(e.item, Said) and e.item.usage), None)
    chat.say(f"model     {chosen.ref} at {chosen.endpoint.base_url}{window_in_words(chosen.window)}")
    chat.say(f"tools     {tools_in_words(able)}")
    if level := with_thinking(chosen, setting(entries, "thinking") or None).thinking.level:
        chat.say(f"thinking  {label(chosen, level)}")
    chat.say(f"session   {chat.key}, {sum(isinstance(e.item, Said) for e in entries)} messages")
    if usage:
        used = usage.prompt_tokens + usage.completion_tokens
        share = f" ({100 * used / chosen.window:.0f}% of the window)" if chosen.window else ""
        cached = f", {usage.cached_tokens:,} of them cached" if usage.cached_tokens is not None else ""
        chat.say(f"tokens    {used:,}{share}; the last prompt had {usage.prompt_tokens:,}{cached}")
    if told := prefix_share(entries):
        of = f"{told.cached_tokens:,} of {told.prompt_tokens:,} prompt tokens since the first request"
        chat.say(f"cache     {100 * told.share:.1f}% came from the server's prefix cache ({of})")
    if prefix := stored_prefix(entries, able):
        for cut in cuts(prefix):
            chat.say(f"cut       {cut}; the whole file did not fit the prompt")
    chat.say(f"folder    {chat.room.workspace(chat.key)}")
