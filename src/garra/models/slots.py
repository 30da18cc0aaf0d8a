"""Places at a server: no more requests at once than it can take, over all processes of one person, first come first.

A folder holds a ticket for each request, numbered in order of arrival and locked by its owner: what the system unlocks
when its owner dies counts no more. A request runs when fewer than `cap` living tickets are before its own. Nothing here
may stop a turn: where the folder cannot be used, it goes ahead without a place.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from garra.config.paths import private_folder
from garra.errors import GarraError
from garra.models.catalogue import Capabilities
from garra.wire.request import Endpoint

if TYPE_CHECKING:
    from garra.wire.http import Http

Waiting = Callable[[int], None]

USUAL_CAP = 4
POLL_S, SLOWEST_POLL_S = 0.05, 0.5
DOOR_POLL_S, DOOR_LIMIT_S = 0.005, 2.0
"""The longest wait for a process that draws a ticket: it takes microseconds, unless it is stopped in the middle."""

_DOOR = "door"


def _silent(position: int) -> None:
    """Tell nobody."""


@asynccontextmanager
async def slot(folder: Path, place: str, cap: int, *, waiting: Waiting = _silent) -> AsyncGenerator[None]:
    """Hold one of the `cap` places at the server `place`, waiting in line for it. A cap below 1 is none.

    `waiting` is told the position in line, 1 for the next one to run, when the wait begins and when it changes.
    """
    ticket = await _draw(folder, place) if cap > 0 else None
    if ticket is None:
        yield
        return
    try:
        await _wait_in_line(ticket, cap, waiting)
        yield
    finally:
        ticket.give_back()


def taken(folder: Path, place: str) -> int:
    """How many hold a place there, or wait for one."""
    queue = _queue(folder, place)
    try:
        names = _names(queue)
        with contextlib.suppress(BlockingIOError), _door(queue):
            return _living(queue, names)
    except OSError:
        return 0
    return len(names)


async def cap_of(http: "Http", endpoint: Endpoint, capabilities: Capabilities | None, folder: Path) -> int:
    """How many requests at once the server there can take.

    Its `max_num_seqs` where that is known. Else four, and the server is only asked for its metrics when four are there
    already, since nobody has to wait before that: where requests wait inside the server, no more are added than it is
    running; where none do, there is room for one more than are there.
    """
    if capabilities is not None and capabilities.max_num_seqs:
        return capabilities.max_num_seqs
    here = taken(folder, endpoint.base_url)
    if here < USUAL_CAP:
        return USUAL_CAP
    from garra.models.load import queue_of

    found = await queue_of(http, endpoint)
    if found is None:
        return USUAL_CAP
    if found.waiting:
        return max(1, found.running)
    return max(USUAL_CAP, min(here, found.running) + 1)


class Ticket(msgspec.Struct, frozen=True):
    """A number in a line. Whoever holds the file locked is alive."""

    queue: Path
    name: str
    handle: int

    def give_back(self) -> None:
        """Leave the line."""
        with contextlib.suppress(OSError):
            (self.queue / self.name).unlink()  # while it is locked, so that it is ours that goes
        os.close(self.handle)


async def _wait_in_line(ticket: Ticket, cap: int, waiting: Waiting) -> None:
    told = 0
    while (position := _position(ticket, cap)) > 0:
        if position != told:
            waiting(position)
            told = position
        # Who is far back looks less often: a place must go through all the others before it is theirs.
        await asyncio.sleep(min(POLL_S * position, SLOWEST_POLL_S))


def _position(ticket: Ticket, cap: int) -> int:
    """How many must leave before this ticket's turn comes; 0 when it may run."""
    try:
        before = [name for name in _names(ticket.queue) if name < ticket.name]
        if len(before) < cap or _living(ticket.queue, before, enough=cap) < cap:
            return 0
        return len(before) - cap + 1
    except OSError:
        return 0


async def _draw(folder: Path, place: str) -> Ticket | None:
    """A ticket with the next number; None where there can be none."""
    queue = _queue(folder, place)
    try:
        private_folder(folder)
        private_folder(queue)
        for _ in range(int(DOOR_LIMIT_S / DOOR_POLL_S)):
            with contextlib.suppress(BlockingIOError):
                return _draw_now(queue)
            await asyncio.sleep(DOOR_POLL_S)
    except (OSError, GarraError):
        return None
    return None


def _draw_now(queue: Path) -> Ticket:
    """Take the next number, and clear away the tickets of the dead."""
    with _door(queue):
        names = _names(queue)
        _living(queue, names)
        name = f"{int(names[-1].partition('-')[0]) + 1 if names else 1:012d}-{os.getpid()}"
        return Ticket(queue, name, _locked(queue / name))


@contextlib.contextmanager
def _door(queue: Path) -> Iterator[None]:
    """Only one at a time is inside: an earlier number must not appear after a later one has looked, and a ticket must
    not be taken for a dead one before its owner has locked it. Raises BlockingIOError where another is inside."""
    door = os.open(queue / _DOOR, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(door)


def _locked(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        path.unlink(missing_ok=True)
        os.close(handle)
        raise
    return handle


def _living(queue: Path, names: list[str], enough: int | None = None) -> int:
    """How many of the tickets have a living owner, counted no further than `enough`; the others' are removed.

    Without the door this may only be asked of tickets before one's own: later ones may be in the making.
    """
    count = 0
    for name in names:
        count += _is_alive(queue / name)
        if count == enough:
            break
    return count


def _is_alive(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(handle)


def _names(queue: Path) -> list[str]:
    """The tickets in order of arrival."""
    return sorted(path.name for path in queue.iterdir() if path.name[:12].isdecimal() and path.name[12:13] == "-")


def _queue(folder: Path, place: str) -> Path:
    """The folder of one server's tickets. A checksum, for an address may be no file name."""
    import binascii

    return folder / f"{binascii.crc32(place.encode()):08x}"
