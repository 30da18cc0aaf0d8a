"""Where the lines of a conversation come from: a person at a terminal, or a pipe."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from garra.config.paths import write_private

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer, Completion
    from prompt_toolkit.document import Document


class Lines(Protocol):
    """Gives what is typed, message by message. `EOFError` is the end; `KeyboardInterrupt` a Ctrl-C on the prompt."""

    interactive: bool

    async def next(self) -> str: ...


class PipedLines:
    """One message a line, from a pipe or a file. Nobody sits there: no prompt, no questions."""

    interactive = False

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    async def next(self) -> str:
        line = await asyncio.to_thread(self._stream.readline)
        if not line:
            raise EOFError
        return line.rstrip("\n")


class TerminalLines:
    """A prompt with history, several lines (Alt-Enter), and completion of slash commands."""

    interactive = True

    def __init__(self, history_file: Path) -> None:
        if not history_file.exists():
            write_private(history_file, b"")
        self._history_file = history_file
        self._session: PromptSession[str] | None = None

    async def next(self) -> str:
        from prompt_toolkit.formatted_text import ANSI

        self._session = self._session or self._make_session()
        return await self._session.prompt_async(ANSI("\x1b[1;36myou>\x1b[0m "))

    def _make_session(self) -> "PromptSession[str]":
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import FileHistory
        from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

        keys = KeyBindings()

        @keys.add("escape", "enter")
        @keys.add("c-j")
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        return PromptSession(
            history=FileHistory(str(self._history_file)),
            completer=_slash_completer(),
            complete_while_typing=True,
            key_bindings=keys,
            prompt_continuation="...> ",
            mouse_support=False,
        )


@contextmanager
def quiet_keys() -> Iterator[None]:
    """Keep keys that are typed meanwhile from showing between the words of a reply. Ctrl-C still acts.

    They are the next message: Enter stays the key that sends it, instead of becoming the start of a new line.
    """
    import sys
    import termios

    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    silent = termios.tcgetattr(handle)
    silent[0] &= ~termios.ICRNL
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(handle, termios.TCSANOW, silent)
    try:
        yield
    finally:
        termios.tcsetattr(handle, termios.TCSANOW, before)


def _slash_completer() -> "Completer":
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion

    from garra.cli.slash.table import COMMANDS

    class SlashCompleter(Completer):
        def get_completions(self, document: "Document", complete_event: CompleteEvent) -> "Iterable[Completion]":
            typed = document.text_before_cursor
            if typed.startswith("/") and " " not in typed and "\n" not in typed:
                for name, command in COMMANDS.items():
                    if name.startswith(typed):
                        yield Completion(name, start_position=-len(typed), display_meta=command.summary)

    return SlashCompleter()
