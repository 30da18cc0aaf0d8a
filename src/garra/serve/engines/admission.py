"""Who may run: first come, first served, within the engine's places and its cache.

Two requests that begin alike and arrive together would both be computed from the start, so that the later one waits
until the first has its prompt in the cache. Nothing here talks to the engine.
"""

from collections.abc import Iterator

from msgspec import Struct

from garra.serve.engines.prefix import BLOCK_TOKENS, PrefixMirror, shared_blocks

# A reply is rarely as long as it may be. When replies outgrow the cache together the engine puts some of them aside and
# computes them again, so that this guess costs time at worst.
EXPECTED_REPLY_TOKENS = 512
WORTH_WAITING_BLOCKS = 4


class Ticket(Struct, eq=False):
    """One request on its way through the queue."""

    id: int
    prompt_tokens: int
    max_tokens: int
    hashes: list[int]
    cached_tokens: int = 0
    prefilled: bool = False

    @property
    def blocks(self) -> int:
        """The cache that it will probably need."""
        tokens = self.prompt_tokens + min(self.max_tokens, EXPECTED_REPLY_TOKENS)
        return -(-tokens // BLOCK_TOKENS)


class Admission:
    """The queue and the places. `hold_back` makes requests with a common beginning wait for each other."""

    def __init__(self, max_num_seqs: int, kv_blocks: int, *, hold_back: bool = True) -> None:
        self.mirror = PrefixMirror(kv_blocks)
        self._max_num_seqs = max_num_seqs
        self._kv_blocks = kv_blocks
        self._hold_back = hold_back
        self._waiting: dict[int, Ticket] = {}
        self._running: dict[int, Ticket] = {}
        self._reserved_blocks = 0

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def used(self) -> float:
        """The share of the cache that is reserved."""
        return min(1.0, self._reserved_blocks / self._kv_blocks)

    def enter(self, ticket: Ticket) -> None:
        """Stand at the end of the queue."""
        self._waiting[ticket.id] = ticket

    def admit(self) -> Iterator[Ticket]:
        """Those who may start now, in their order. Nobody overtakes one who waits for room."""
        for ticket in list(self._waiting.values()):
            if not self._has_room(ticket):
                return
            if self._held_back(ticket):
                continue
            del self._waiting[ticket.id]
            self._running[ticket.id] = ticket
            self._reserved_blocks += ticket.blocks
            ticket.cached_tokens = self.mirror.cached_tokens(ticket.hashes, ticket.prompt_tokens)
            yield ticket

    def has_prefilled(self, ticket: Ticket) -> None:
        """The first token is there: the prompt is in the cache."""
        ticket.prefilled = True
        self.mirror.add(ticket.hashes)

    def leave(self, ticket: Ticket) -> None:
        """Done, or gone, from wherever it was. May be called twice."""
        self._waiting.pop(ticket.id, None)
        if self._running.pop(ticket.id, None):
            self._reserved_blocks -= ticket.blocks

    def _has_room(self, ticket: Ticket) -> bool:
        """One who is alone always has room: that it fits at all was checked before."""
        if not self._running:
            return True
        fits = self._reserved_blocks + ticket.blocks <= self._kv_blocks
        return fits and len(self._running) < self._max_num_seqs

    def _held_back(self, ticket: Ticket) -> bool:
        if not self._hold_back or len(ticket.hashes) < WORTH_WAITING_BLOCKS:
            return False
        known = self.mirror.known_blocks(ticket.hashes)
        return any(
            shared_blocks(ticket.hashes, other.hashes) - known >= WORTH_WAITING_BLOCKS
            for other in self._running.values()
            if not other.prefilled
        )
