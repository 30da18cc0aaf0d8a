"""Who is in a Unix session, and how to signal all of it.

A session rather than a process group, since programs such as timeout(1), or a shell with job control, put what they
start into groups of their own. On systems without /proc only the first group is known.
"""

import contextlib
import os
import signal
from pathlib import Path

_PROC = Path("/proc")


def living_members(session: int) -> list[int]:
    """The processes of the session that are neither its leader nor dead."""
    try:
        names = os.listdir(_PROC)  # noqa: PTH208 (a third of the time of iterdir, and this is asked again and again)
    except OSError:
        return []
    pids = (int(name) for name in names if name.isdigit())
    return [pid for pid in pids if pid != session and _is_living_member(pid, session)]


def signal_session(session: int, number: signal.Signals) -> None:
    """Signal every process of the session. Its leader must not have been reaped yet."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(session, number)
    for pid in living_members(session):
        _signal_member(pid, session, number)


def _signal_member(pid: int, session: int, number: signal.Signals) -> None:
    """Through a pidfd, looking again once it is open: the id may have gone to somebody else since it was listed."""
    try:
        fd = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return
    try:
        if _group(pid) != session and _is_living_member(pid, session):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(fd, number)
    finally:
        os.close(fd)


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _is_living_member(pid: int, session: int) -> bool:
    try:
        if os.getsid(pid) != session:
            return False
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return False
    return stat[stat.rfind(b")") + 2 :][:1] not in (b"Z", b"X")  # "PID (NAME) STATE …"; the name may hold anything
