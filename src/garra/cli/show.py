"""How a turn looks in the terminal: the reply as it comes, tool calls as short lines. Plain text in a pipe."""

import json
import os
import sys
from typing import TextIO

from garra.agent.events import Notice, Retrying, ToolFinished, ToolStarted, TurnEvent, TurnFinished
from garra.cli.screen import harmless, wrapped
from garra.cli.show_reasoning import ReasoningView
from garra.models.catalogue import Capabilities
from garra.wire.events import ReasoningDelta, TextDelta
from garra.wire.messages import ToolCall, ToolResult

DIM, RED, RESET = "\x1b[2m", "\x1b[31m", "\x1b[0m"
LINE_LIMIT_CHARS = 160


class Printer:
    """Prints a turn's events. The answer goes to `out`; everything about it to `aside`, so that a pipe gets the
    answer alone."""

    def __init__(self, out: TextIO | None = None, aside: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.aside = aside or sys.stderr
        self._at_line_start = True
        self._colours = takes_colours(self.aside)
        self.show_reasoning("off")

    def show_reasoning(self, mode: str) -> None:
        """How the model's thinking is shown from here on: off, on (after the reply) or stream."""
        begin, end = (DIM, RESET) if self._colours else ("", "")
        self._reasoning = ReasoningView(self.aside, mode, begin=begin, end=end)

    def event(self, event: TurnEvent) -> None:
        """Show one event."""
        match event:
            case TextDelta(text):
                self._reasoning.pause()
                self._text(text)
            case ReasoningDelta(text):
                if self._reasoning.mode == "stream":
                    self._end_answer()
                self._reasoning.take(harmless(text, self.aside))
            case ToolStarted(call):
                self._reasoning.settle()
                self.line(f"· {describe(call)}", DIM)
            case ToolFinished(result):
                self.line(f"  {summary(result)}", RED if result.failed else DIM)
            case Retrying(text):
                self._reasoning.void()
                self.line(f"· {text}", DIM)
            case Notice(text):
                self.line(f"· {text}", DIM)
            case TurnFinished():
                self._end_answer()
                self._reasoning.finish()
            case _:
                pass

    def _text(self, text: str) -> None:
        self.out.write(harmless(text, self.out))
        self.out.flush()
        self._at_line_start = text.endswith("\n")

    def line(self, text: str, colour: str = "") -> None:
        """A line beside the answer."""
        self._reasoning.pause()
        self._end_answer()
        text = wrapped(harmless(text, self.aside), self.aside)
        self.aside.write(f"{colour}{text}{RESET}\n" if colour and self._colours else f"{text}\n")
        self.aside.flush()

    def end(self) -> None:
        """Finish what was left open."""
        self._reasoning.finish()
        self._end_answer()

    def _end_answer(self) -> None:
        """Finish the line that the answer left open."""
        if not self._at_line_start:
            self.out.write("\n")
            self.out.flush()
            self._at_line_start = True


def takes_colours(stream: TextIO) -> bool:
    """Whether a person sees the stream, on a terminal that can show colours, and wants them."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def tools_in_words(able: Capabilities) -> str:
    """How tools are called on this server, as found out by trying."""
    if able.tools == "native":
        return "yes: the server takes `tools` (tried)"
    if able.tools == "refused":
        how = "held to their schemas" if able.holds_calls else "read from the text"
        how = f"asked for before each reply, {how}" if able.chooses_first else how
        unseen = able.parser and able.template_has_tools is False
        why = "the model's chat template has no place for `tools`" if unseen else "the server refuses `tools`"
        return f"yes: described in the prompt and {how}; {why} (tried)"
    return f"not known: {able.reason}"


def window_in_words(window: int | None) -> str:
    """The window in brackets, or nothing where nobody said."""
    return f" ({window:,} tokens)" if window else ""


def describe(call: ToolCall) -> str:
    """A call in one line: its name, and its first argument or all of them."""
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError:
        arguments = call.arguments
    if isinstance(arguments, dict) and arguments:
        shown = str(next(iter(arguments.values())))
    else:
        shown = arguments if isinstance(arguments, str) else ""
    return _one_line(f"{call.name} {shown}".strip())


def summary(result: ToolResult) -> str:
    """A result in one line: its first, and how many more there are."""
    lines = result.text.strip().splitlines() or ["(nothing)"]
    more = f"  (+{len(lines) - 1} lines)" if len(lines) > 1 else ""
    return _one_line(lines[0]) + more


def _one_line(text: str) -> str:
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat if len(flat) <= LINE_LIMIT_CHARS else flat[: LINE_LIMIT_CHARS - 1] + "…"
