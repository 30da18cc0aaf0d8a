"""Who may answer a turn, one after the other: the replicas of the chosen model, then the models listed as fallbacks.

The one that answered stays for the rest of the turn; the next turn begins with the session's own model again. No model
is asked a second time, however often it is listed.
"""

from collections.abc import Sequence

import msgspec

from garra.agent.turn import Turn
from garra.errors import GarraError
from garra.models.catalogue import Chosen
from garra.models.replicas import at, ordered
from garra.models.thinking import with_thinking
from garra.sessions.entries import Entry, Said
from garra.sessions.keys import agent_of

LEAST_WINDOW = 512
"""A refusal that names less says something else."""


class Candidates:
    """`chosen` is the one that is asked now; `entries` tell which replica answered this session last."""

    def __init__(self, turn: Turn, entries: Sequence[Entry]) -> None:
        said = (entry.item for entry in reversed(entries) if isinstance(entry.item, Said))
        self._turn, self._last_replica = turn, next((item.replica for item in said if item.replica), "")
        self._asked = {turn.chosen.ref}
        self._fallbacks = [ref for ref in dict.fromkeys(turn.fallbacks) if ref != str(turn.chosen.ref)]
        self._replicas: list[str] = []
        self.chosen = self._begin(turn.chosen)

    @property
    def has_more(self) -> bool:
        """Whether anybody is left to ask."""
        return bool(self._replicas or self._fallbacks)

    async def move_on(self) -> list[str]:
        """Go to the next one that can be asked at all; a line for each that cannot. `chosen` stays where none can."""
        skipped: list[str] = []
        if self._replicas:
            self.chosen = at(self.chosen, self._replicas.pop(0))
            return skipped
        while self._fallbacks:
            ref = self._fallbacks.pop(0)
            try:
                chosen = await self._turn.models.choose(ref, agent_of(self._turn.key))
            except GarraError as error:
                skipped.append(f"{ref} cannot be asked: {error}")
                continue
            if chosen.ref in self._asked:  # under another name: an alias, another key, the server's own spelling
                continue
            self._asked.add(chosen.ref)
            self.chosen = self._begin(chosen)
            break
        return skipped

    def narrow(self, window: int | None) -> bool:
        """For the rest of the turn, believe a server that takes less than was known of it; whether this one does."""
        known = self.chosen.window
        if window is None or window < LEAST_WINDOW or (known is not None and known <= window):
            return False
        self.chosen = msgspec.structs.replace(self.chosen, window=window)
        return True

    @property
    def replica(self) -> str:
        """The base URL that is asked, where the provider has several; else empty."""
        return self.chosen.endpoint.base_url if len(self.chosen.replicas) > 1 else ""

    def _begin(self, chosen: Chosen) -> Chosen:
        """The model for the level of thinking that is wished for, at the replica that holds the session's prefix."""
        if self._turn.thinking is not None:
            chosen = with_thinking(chosen, self._turn.thinking)
        first, *self._replicas = ordered(chosen.replicas, self._turn.key, self._last_replica) or ("",)
        return at(chosen, first) if first else chosen
