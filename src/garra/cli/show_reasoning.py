"""A model's thinking in the terminal: hidden, shown after the reply, or shown as it comes.

It goes beside the answer (standard error), so that a pipe gets the answer alone. Nothing here changes how much the
model thinks: that is `/think`.
"""

from collections.abc import Sequence
from typing import TextIO

from garra.config.load import Configuration
from garra.sessions.entries import Entry, setting

MODES = {"off": "hidden", "on": "shown after the reply", "stream": "shown as it comes"}
LEAD = "thinking: "


def shown_reasoning(configuration: Configuration, agent: str, entries: Sequence[Entry]) -> str:
    """How thinking is shown in a session: as the person said there, else as configured, else not at all."""
    own, shared = configuration.agent(agent), configuration.config.agents.defaults
    wish = setting(entries, "reasoning")
    return wish if wish in MODES else own.reasoning_default or shared.reasoning_default or "off"


class ReasoningView:
    """Draws the thinking of one turn. `begin` and `end` are written around it: dim and back again, on a screen."""

    def __init__(self, aside: TextIO, mode: str = "off", *, begin: str = "", end: str = "") -> None:
        self.mode = mode
        self._aside, self._begin, self._end = aside, begin, end
        self._kept: list[str] = []
        self._thoughts: list[str] = []
        self._settled: list[str] = []
        self._open = self._at_line_start = False

    def take(self, text: str) -> None:
        """More of it. The answer's line must have been ended before."""
        if self.mode == "on":
            self._kept.append(text)
        elif self.mode == "stream" and (self._open or text.strip()):
            lead = "" if self._open else f"{self._begin}{LEAD}"
            self._aside.write(lead + (text if self._open else text.lstrip()))
            self._aside.flush()
            self._open, self._at_line_start = True, text.endswith("\n")

    def pause(self) -> None:
        """Something else is written next: end the line that was left open."""
        if self._open:
            self._aside.write(self._end if self._at_line_start else f"{self._end}\n")
            self._aside.flush()
            self._open = False
        if self._kept:
            self._thoughts.append("".join(self._kept).strip())
            self._kept = []

    def settle(self) -> None:
        """The reply that all of it belongs to is stored."""
        self.pause()
        self._settled += self._thoughts
        self._thoughts = []

    def void(self) -> None:
        """What came since then belongs to an attempt that failed."""
        self._kept, self._thoughts = [], []

    def finish(self) -> None:
        """The turn is over: show what was kept for now."""
        self.settle()
        text = "\n".join(filter(None, self._settled))
        self._settled = []
        if text:
            self._aside.write(f"{self._begin}{LEAD}{text}{self._end}\n")
            self._aside.flush()
