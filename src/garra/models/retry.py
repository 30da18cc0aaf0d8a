"""Whether, and when, the same request is sent again to a server that failed at it; and how that is said.

Only what passes by itself is tried again, and only as long as a person would wait for it. Nothing is sent or slept
here: whoever asks the model does that, and shows the line that is made here.
"""

import time
from collections.abc import Callable

from garra.errors import ModelError, ModelUnreachable, ServerBusy, ServerSilent
from garra.models.trouble import trouble
from garra.wire.address import parse_url
from garra.wire.request import Endpoint

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
WINDOW_S = 90.0
"""Trouble that lasts longer is none that passes by itself. A reply that came whole begins a new window."""

TOO_MANY_REQUESTS = 429
BUSY_ATTEMPTS, LOADING_ATTEMPTS, ATTEMPTS = 10, 20, 9
UNREACHED_ATTEMPTS, SILENT_ATTEMPTS = 4, 2
LONGEST_WORD_S, MOVE_ON_AFTER_S = 300.0, 60.0
"""The longest `Retry-After` that is waited for: where nobody else could answer, and where somebody could."""

_NO_CONNECTION = ("refused", "no answer")


class Retries:
    """The attempts at one server since it last gave a whole reply. Another server gets one of its own.

    `may_move_on`: another replica or model could answer instead, so that a long wait is not worth it.
    """

    def __init__(
        self,
        *,
        may_move_on: bool,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] | None = None,
    ) -> None:
        self._may_move_on, self._clock, self._random = may_move_on, clock, random or _chance
        self._failures, self._silences = 0, 0
        self._since_s = 0.0

    @property
    def attempt(self) -> int:
        """The number of the attempt that comes next; 1 after an answer."""
        return self._failures + 1

    def answered(self) -> None:
        """A whole reply came: what failed before is forgotten."""
        self._failures = self._silences = 0

    def wait_s(self, error: ModelError, endpoint: Endpoint) -> float | None:
        """How long to wait before the request is sent again; None where it is not."""
        if not error.retryable:
            return None
        now = self._clock()
        if self._failures == 0:
            self._since_s = now
        self._failures += 1
        self._silences += isinstance(error, ServerSilent)
        if self._gives_up(error, endpoint):
            return None
        pause_s, floor_s = self._pause_s(), _floor_s(error)
        wait_s = max(pause_s, floor_s + self._random() if floor_s else 0.0)
        return wait_s if now + wait_s - self._since_s <= _window_s(error, endpoint, self._may_move_on) else None

    def words(self, error: ModelError, wait_s: float) -> str:
        """What the person is told while `wait_s` passes."""
        return words(error, wait_s, self.attempt)

    def _gives_up(self, error: ModelError, endpoint: Endpoint) -> bool:
        """Whether another attempt is no use, however long the wait."""
        if isinstance(error, ModelUnreachable) and _is_final(error, endpoint):
            return True
        if self._may_move_on and isinstance(error, ModelUnreachable) and error.why in _NO_CONNECTION:
            return True
        if isinstance(error, ServerSilent):  # each has cost minutes already
            return self._may_move_on or self._silences >= SILENT_ATTEMPTS
        longest_s = MOVE_ON_AFTER_S if self._may_move_on else LONGEST_WORD_S
        return self._failures >= attempts(error) or _floor_s(error) > longest_s

    def _pause_s(self) -> float:
        """Twice as long each time, and a little less by chance, so that many who failed at once do not return so."""
        steps = min(self._failures - 1, 10)
        return min(FIRST_PAUSE_S * 2.0**steps, LONGEST_PAUSE_S) * (1 - 0.25 * self._random())


def attempts(error: ModelError) -> int:
    """How often a request is sent at most where this is what goes wrong."""
    match error:
        case ServerBusy(loading=True):
            return LOADING_ATTEMPTS
        case ServerBusy() if error.http_status == TOO_MANY_REQUESTS:
            return BUSY_ATTEMPTS
        case ServerSilent():
            return SILENT_ATTEMPTS
        case ModelUnreachable() if error.why in _NO_CONNECTION:
            return UNREACHED_ATTEMPTS
        case _:
            return ATTEMPTS if error.retryable else 1


def words(error: ModelError, wait_s: float, attempt: int) -> str:
    """The line about an attempt that failed: why, when the next one comes, and how to stop it."""
    shown, most = max(1, round(wait_s)), max(attempt, attempts(error))  # other trouble may have come before
    return f"{_capital(trouble(error))}; trying again in {shown} s ({attempt} of {most}). Ctrl-C stops."


def _is_final(error: ModelUnreachable, endpoint: Endpoint) -> bool:
    """Whether waiting changes nothing: a wrong name or certificate, or nobody on a port of this machine."""
    if error.why in ("unknown host", "untrusted"):
        return True
    return error.why == "refused" and parse_url(endpoint.base_url).loopback


def _floor_s(error: ModelError) -> float:
    """The server's own word for when to come back, 0 where it gave none."""
    return (error.retry_after_s or 0.0) if isinstance(error, ServerBusy) else 0.0


def _window_s(error: ModelError, endpoint: Endpoint, may_move_on: bool) -> float:
    """How long the trouble may last in all. Where nobody else could answer, a model that loads gets as long as a
    silent one, and a 429 or a server that says when to come back as long as its attempts take, within reason."""
    if isinstance(error, ServerSilent):
        return float("inf")
    if isinstance(error, ServerBusy) and not may_move_on:
        if error.loading:
            return max(LONGEST_WORD_S, endpoint.timeouts.first_event_s)
        if error.http_status == TOO_MANY_REQUESTS or error.retry_after_s:
            return 2 * LONGEST_WORD_S
    return WINDOW_S


def _chance() -> float:
    from random import random

    return random()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
