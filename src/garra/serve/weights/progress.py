"""Progress on a stream: a bar that is drawn over on a terminal, plain lines elsewhere."""

import sys
import time
from typing import TextIO

_BAR_WIDTH = 30
_DRAW_EVERY_S = 0.1
_LINE_EVERY_PERCENT = 10


class ConsoleProgress:
    """Writes to `stream`, standard error unless told otherwise."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._drawn_at = 0.0
        self._bar_open = False
        self._last_line = -1

    def say(self, line: str) -> None:
        """One sentence on a line of its own."""
        self._close_bar()
        print(line, file=self._stream, flush=True)

    def advance(self, label: str, done: int, total: int) -> None:
        """Show how far it is; the last call has `done == total`."""
        if self._stream.isatty():
            self._draw(label, done, total)
        else:
            self._print(label, done, total)

    def _draw(self, label: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._drawn_at < _DRAW_EVERY_S and done != total:
            return
        self._drawn_at = now
        full = round(_BAR_WIDTH * done / total) if total else 0
        bar = "#" * full + "." * (_BAR_WIDTH - full)
        self._stream.write(f"\r{label} [{bar}] {_amount(done, total)}\x1b[K")
        self._stream.flush()
        self._bar_open = True
        if done == total:
            self._close_bar()

    def _print(self, label: str, done: int, total: int) -> None:
        percent = 100 * done // total if total else 0
        if percent // _LINE_EVERY_PERCENT != self._last_line:
            self._last_line = percent // _LINE_EVERY_PERCENT
            print(f"{label}: {percent}%, {_amount(done, total)}", file=self._stream, flush=True)

    def _close_bar(self) -> None:
        if self._bar_open:
            self._stream.write("\n")
            self._stream.flush()
        self._bar_open = False


def _amount(done: int, total: int) -> str:
    return f"{done / 1e6:,.0f}" + (f" of {total / 1e6:,.0f} MB" if total else " MB")
