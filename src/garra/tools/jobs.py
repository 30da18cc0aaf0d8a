"""Commands that run in the background of a session: started, listed, read and stopped.

They live as long as the toolbox. Of the ended ones the latest are kept, with the output that nobody has read yet.
"""

import asyncio
import contextlib
import time

from garra.tools.process import Process

KEPT_ENDED = 50
MOST_RUNNING = 20
_LOOK_S = 0.2


class Job:
    """One command in the background."""

    def __init__(self, id: str, command: str, process: Process) -> None:
        self.id = id
        self.command = command
        self.process = process
        self.reason = ""
        self.over = asyncio.Event()
        self._started = time.monotonic()

    @property
    def running(self) -> bool:
        """Whether any of it is still running."""
        return self.process.alive

    def state(self) -> str:
        """How it stands, for people and models: `running for 12 s`, `ended, exit code 0`."""
        if self.running:
            return f"running for {time.monotonic() - self._started:.0f} s"
        return f"ended{self.reason}, {exit_text(self.process.exit_code)}"

    async def wait(self, limit_s: float) -> None:
        """Wait until it has ended, or for this long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self.over.wait()

    async def stop(self, reason: str) -> None:
        """End it, whatever of it is still running."""
        if self.running:
            self.reason = f" ({reason})"
        await self.process.stop()


class Jobs:
    """The background jobs of one session."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._count = 0

    @property
    def full(self) -> bool:
        """Whether no more can be started now."""
        return sum(job.running for job in self._jobs.values()) >= MOST_RUNNING

    def add(self, command: str, process: Process, *, limit_s: float | None = None) -> Job:
        """Take a running command in. It is stopped when it runs longer than `limit_s`."""
        self._count += 1
        job = Job(str(self._count), command, process)
        self._jobs[job.id] = job
        self._watchers[job.id] = asyncio.create_task(self._watch(job, limit_s))
        return job

    def get(self, id: str) -> Job | None:
        """The job of that number."""
        return self._jobs.get(id.strip().removeprefix("job").strip())

    def all(self) -> tuple[Job, ...]:
        """The jobs in the order in which they were started."""
        return tuple(self._jobs.values())

    async def close(self) -> None:
        """Stop all that is running."""
        watchers = list(self._watchers.values())
        for watcher in watchers:
            watcher.cancel()
        stops = (job.stop("stopped at the end of the session") for job in self._jobs.values())
        await asyncio.gather(*stops, *watchers, return_exceptions=True)
        self._watchers.clear()

    async def _watch(self, job: Job, limit_s: float | None) -> None:
        """Let an ended job's process go, and hold it to its time."""
        try:
            async with asyncio.timeout(limit_s):
                await job.process.ended()
                while not await job.process.settled():  # noqa: ASYNC110 (what the shell left behind ends unannounced)
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            await job.stop(f"stopped after {limit_s:g} s")
        job.over.set()
        self._watchers.pop(job.id, None)
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        ended = [job.id for job in self._jobs.values() if not job.running]
        for id in ended[:-KEPT_ENDED]:
            del self._jobs[id]


def exit_text(code: int | None) -> str:
    """How a process ended, in words."""
    if code is None or code >= 0:
        return f"exit code {code}"
    import signal

    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
