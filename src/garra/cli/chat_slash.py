"""The slash commands of the terminal chat: what they are called, and what each does."""

from typing import TYPE_CHECKING

from garra.errors import GarraError, UsageFault

if TYPE_CHECKING:
    from garra.cli.chat import Chat
    from garra.models.catalogue import Chosen

COMMANDS = {
    "/help": "list the commands",
    "/new": "start a new conversation; the old one is kept",
    "/model": "show the models, or switch: /model provider/id",
    "/status": "model, window, and how full this conversation is",
    "/stop": "stop the background jobs (Ctrl-C stops a reply)",
    "/sessions": "list the conversations, or go to one: /sessions NAME",
    "/exit": "leave",
}


WITH_ARGUMENT = ("/model", "/models", "/sessions")


def is_slash(line: str) -> bool:
    """Whether a line is a command. A path at its beginning (`/etc/hosts is odd`) makes it a message."""
    return line.startswith("/") and "/" not in line.split(maxsplit=1)[0][1:]


async def run_slash(chat: "Chat", line: str) -> bool:
    """Run one command; whether the conversation goes on."""
    name, *rest = line.split(maxsplit=1)
    name, argument = name.lower(), rest[0].strip() if rest else ""
    if argument and name in COMMANDS and name not in WITH_ARGUMENT:
        raise UsageFault(f"{name} takes nothing after it; nothing was done.")
    match name:
        case "/exit" | "/quit":
            return False
        case "/help":
            for known, help_line in COMMANDS.items():
                chat.say(f"{known:<10} {help_line}")
        case "/new" | "/reset":
            await _new(chat)
        case "/model" | "/models":
            await _model(chat, argument)
        case "/status":
            await _status(chat)
        case "/stop":
            await _stop(chat)
        case "/sessions":
            await _sessions(chat, argument)
        case _:
            raise UsageFault(f"There is no command {name}. {nearest(name)}/help lists them.")
    return True


def nearest(name: str) -> str:
    """A hint at the command that was probably meant, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(name, COMMANDS, 1)
    return f"Did you mean {close[0]}? " if close else ""


async def _new(chat: "Chat") -> None:
    await chat.room.store.reset(chat.key)
    chat.say("A new conversation. The old one is kept: garra sessions search TEXT finds it.")


async def _model(chat: "Chat", ref: str) -> None:
    if ref:
        chosen = await _choose(chat, ref)
        chat.model = f"{chosen.ref}@{chosen.profile}" if chosen.profile else str(chosen.ref)
        chat.say(f"From here on: {chat.model}{_window(chosen.window)}")
        return
    current = await _current(chat)
    for provider in chat.room.models.providers():
        view = await chat.room.models.view(provider)
        for entry in view.entries:
            chat.say(f"{'*' if str(entry.ref) == current else ' '} {entry.ref}{_window(entry.window)}")
        if view.error:
            chat.say(f"  {view.error}")
    chat.say("Switch with: /model provider/id")


async def _choose(chat: "Chat", ref: str | None) -> "Chosen":
    """The model that answers in this conversation: the one named, else its agent's own."""
    from garra.sessions.keys import agent_of

    return await chat.room.models.choose(ref, agent_of(chat.key))


async def _current(chat: "Chat") -> str | None:
    try:
        return str((await _choose(chat, chat.model)).ref)
    except GarraError:
        return None


async def _status(chat: "Chat") -> None:
    from garra.cli.show import tools_in_words
    from garra.sessions.entries import Said

    chosen = await _choose(chat, chat.model)
    able = await chat.room.models.capabilities(chosen)
    entries = await chat.room.store.entries(chat.key)
    usage = next((e.item.usage for e in reversed(entries) if isinstance(e.item, Said) and e.item.usage), None)
    chat.say(f"model     {chosen.ref} at {chosen.endpoint.base_url}{_window(chosen.window)}")
    chat.say(f"tools     {tools_in_words(able)}")
    chat.say(f"session   {chat.key}, {sum(isinstance(e.item, Said) for e in entries)} messages")
    if usage:
        used = usage.prompt_tokens + usage.completion_tokens
        share = f" ({100 * used / chosen.window:.0f}% of the window)" if chosen.window else ""
        cached = f", {usage.cached_tokens:,} of them cached" if usage.cached_tokens is not None else ""
        chat.say(f"tokens    {used:,}{share}; the last prompt had {usage.prompt_tokens:,}{cached}")
    chat.say(f"folder    {chat.room.workspace(chat.key)}")


async def _stop(chat: "Chat") -> None:
    await chat.stop_jobs()
    chat.say("Background jobs of this conversation are stopped; no reply is running.")


async def _sessions(chat: "Chat", name: str) -> None:
    from garra.sessions.keys import normalise_key

    if name:
        await chat.go_to(normalise_key(name))
        chat.say(f"Now in {chat.key}")
        return
    keys = [info.key for info in await chat.room.store.sessions()]
    if chat.key not in keys:
        chat.say(f"* {chat.key} (nothing said yet)")
    for key in keys:
        chat.say(f"{'*' if key == chat.key else ' '} {key}")
    chat.say("Go to one with: /sessions NAME")


def _window(window: int | None) -> str:
    return f" ({window:,} tokens)" if window else ""
