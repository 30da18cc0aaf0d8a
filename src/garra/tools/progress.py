"""A running command's output on its way to whoever watches: not more often, and not more, than an eye can follow."""

import asyncio
from collections.abc import Callable

_INTERVAL_S = 0.1
_KEPT_CHARS = 4_000


class Progress:
    """Collects text and passes its latest part on, ten times a second at most."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._text = ""
        self._timer: asyncio.TimerHandle | None = None

    def add(self, text: str) -> None:
        """More text. The first of a pause is shown at the next turn of the loop's clock."""
        self._text = (self._text + text)[-_KEPT_CHARS:]
        if self._timer is None and text:
            self._timer = asyncio.get_running_loop().call_later(_INTERVAL_S, self._flush)

    def close(self) -> None:
        """Show what is left."""
        if self._timer is not None:
            self._timer.cancel()
        self._flush()

    def _flush(self) -> None:
        self._timer = None
        text, self._text = self._text, ""
        if text:
            self._show(text)
