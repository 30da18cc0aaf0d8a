"""Stop strings: the text ends before the first one that is complete, and nothing of it is ever shown.

What could still become a stop string is held back until it cannot. Of several that are complete, the one that was
complete first counts; of those complete at once, the one that was named first.
"""

from collections.abc import Sequence


class StopScanner:
    """One reply's text on its way out. Feed it, release what `feed` returns, stop when `hit` is set."""

    def __init__(self, stops: Sequence[str], *, include: bool = False) -> None:
        self._stops = tuple(stops)
        self._include = include
        self._heads = frozenset(stop[:size] for stop in stops for size in range(1, len(stop)))
        self._longest = max(map(len, stops), default=1)
        self._held = ""
        self.hit: str | None = None

    def feed(self, text: str, *, armed: bool = True) -> str:
        """Take more text in; the text that may be shown. Not `armed`: a stop string may not end in this text."""
        if not self._stops:
            return text
        before = len(self._held)
        whole = self._held + text
        if armed and (found := self._first(whole, before)) is not None:
            self.hit, place = found
            self._held = ""
            return whole[: place + len(self.hit)] if self._include else whole[:place]
        keep = self._kept(whole)
        self._held = whole[len(whole) - keep :]
        return whole[: len(whole) - keep]

    def flush(self) -> str:
        """The reply ended without a stop string: what was held back after all."""
        held, self._held = self._held, ""
        return held

    def _first(self, text: str, before: int) -> tuple[str, int] | None:
        """The stop string that is complete first, with its place; it must end in the new part of the text."""
        ends = []
        for order, stop in enumerate(self._stops):
            place = text.find(stop, max(0, before + 1 - len(stop)))
            if place >= 0:
                ends.append((place + len(stop), order, place))
        if not ends:
            return None
        _, order, place = min(ends)
        return self._stops[order], place

    def _kept(self, text: str) -> int:
        """How many characters at the end may be the beginning of a stop string."""
        sizes = range(min(self._longest - 1, len(text)), 0, -1)
        return next((size for size in sizes if text[-size:] in self._heads), 0)
