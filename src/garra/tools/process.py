"""A shell command in a session of its own, watched from the event loop, and stopped with everything it started.

The shell is reaped last: as long as it is a zombie its id cannot be given to anybody else, so that a signal to its
session reaches only what this command started. A process that leaves the session on purpose (setsid) is not ours any
more. Nothing here knows of policy, caps on time or who reads the output.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from garra.tools.output import Output
from garra.tools.session_members import living_members, signal_session

STOP_GRACE_S = 2.0
_DRAIN_GRACE_S = 0.3  # what the shell's children may still print after it has ended
_LOOK_S = 0.05
_READ_BYTES = 64 * 1024
_LAST_READS = 16
_DEATH_S = 2.0
_REAP_S = 0.5


class Process:
    """One running command. Its output goes into `output` and to `on_text` as it comes."""

    def __init__(self, shell: "subprocess.Popen[bytes]", read_fd: int, output: Output, on_text: Callable[[str], None]):
        self.output = output
        self.on_text = on_text
        self._shell = shell
        self._loop = asyncio.get_running_loop()
        self._read_fd: int | None = read_fd
        self._exit_fd: int | None = None
        self._exit_code: int | None = None
        self._exited = asyncio.Event()
        self._drained = asyncio.Event()
        os.set_blocking(read_fd, False)
        self._loop.add_reader(read_fd, self._readable)
        self._watch_exit()

    @property
    def pid(self) -> int:
        """The shell's process id, which is also its session's."""
        return self._shell.pid

    @property
    def exit_code(self) -> int | None:
        """How the shell ended: its exit code, minus a signal's number, or None while it runs."""
        return self._exit_code

    @property
    def alive(self) -> bool:
        """Whether the shell, or anything that it left behind in its session, is running."""
        if self._shell.returncode is not None:
            return False
        return self._exit_code is None or bool(living_members(self.pid))

    async def ended(self) -> None:
        """Wait until the shell has ended and its output is read, but not for children that keep the pipe open."""
        await self._exited.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_GRACE_S):
                await self._drained.wait()

    async def settled(self) -> bool:
        """Whether nothing of it is left, after a moment for children that are just ending. If so it is let go."""
        if not await self._gone_within(_DRAIN_GRACE_S):
            return False
        self.release()
        return True

    async def _gone_within(self, limit_s: float) -> bool:
        deadline = self._loop.time() + limit_s
        while self.alive and self._loop.time() < deadline:  # noqa: ASYNC110 (no event tells of processes we did not start)
            await asyncio.sleep(_LOOK_S)
        return not self.alive

    async def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """End all of it: TERM, then KILL after a moment. Being cancelled only makes it quicker."""
        try:
            if self.alive:
                signal_session(self.pid, signal.SIGTERM)
                signal_session(self.pid, signal.SIGCONT)
            await self._gone_within(grace_s)
            self._kill()
            await self._gone_within(_DEATH_S)  # a process in a dead disk's hands dies when it can
        finally:
            self._kill()
            self.release()

    def _kill(self) -> None:
        """KILL whatever is left, until nothing new turns up: a process may start another while it is being killed."""
        for _ in range(10):
            if not self.alive:
                return
            signal_session(self.pid, signal.SIGKILL)

    def release(self) -> None:
        """Read what is left in the pipe, close it, and reap the shell, once nothing is running any more."""
        for _ in range(_LAST_READS):
            if self._drained.is_set():
                break
            self._readable()
        self._close_pipe()
        self._close_exit()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._shell.wait(_REAP_S)
        if self._exit_code is None:
            self._exit_code = self._shell.returncode
        self._exited.set()

    def _readable(self) -> None:
        if self._read_fd is None:
            return
        try:
            data = os.read(self._read_fd, _READ_BYTES)
        except BlockingIOError:
            return
        if data:
            self.on_text(self.output.feed(data))
        else:
            self._close_pipe()

    def _close_pipe(self) -> None:
        if self._read_fd is not None:
            self._loop.remove_reader(self._read_fd)
            os.close(self._read_fd)
            self._read_fd = None
            self.on_text(self.output.feed(b"", last=True))  # a character that the end of the output cut off
        self._drained.set()

    def _close_exit(self) -> None:
        if self._exit_fd is not None:
            self._loop.remove_reader(self._exit_fd)
            os.close(self._exit_fd)
            self._exit_fd = None

    def _watch_exit(self) -> None:
        try:
            self._exit_fd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # no Linux, or one too old
            self._poll_exit()
        else:
            self._loop.add_reader(self._exit_fd, self._see_exit)

    def _poll_exit(self) -> None:
        self._see_exit()
        if self._exit_code is None:
            self._loop.call_later(_LOOK_S, self._poll_exit)

    def _see_exit(self) -> None:
        self._exit_code = self._seen_exit_code()
        if self._exit_code is not None:
            self._exited.set()
            self._close_exit()

    def _seen_exit_code(self) -> int | None:
        """How the shell ended, learnt without reaping it where the system can do that."""
        if self._shell.returncode is not None or not hasattr(os, "waitid"):
            return self._shell.poll()
        seen = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if seen is None:
            return None
        return seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status


def start(
    command: str, *, folder: Path, env: Mapping[str, str], output: Output, on_text: Callable[[str], None]
) -> Process:
    """Start the command in bash, or sh where there is none. Raises OSError or ValueError if it cannot be started."""
    read_fd, write_fd = os.pipe()
    try:
        shell = subprocess.Popen(
            [_shell(), "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=write_fd,
            stderr=write_fd,
            cwd=folder,
            env=env,
            start_new_session=True,
        )
    except BaseException:
        os.close(read_fd)
        raise
    finally:
        os.close(write_fd)
    return Process(shell, read_fd, output, on_text)


def _shell() -> str:
    return next((shell for shell in ("/bin/bash", "/usr/bin/bash") if os.access(shell, os.X_OK)), "/bin/sh")
