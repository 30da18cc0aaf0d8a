"""`jobs`: the commands that run in the background. Found by `find_tools`, since `exec` names it when it is needed."""

from typing import Any

from garra.tools.base import Outcome, ToolContext
from garra.tools.jobs import Job
from garra.wire.messages import ToolSpec

_SHOWN_COMMAND_CHARS = 100


class JobsTool:
    """Lists, reads and stops background jobs."""

    spec = ToolSpec(
        "jobs",
        "List, read (new output) or stop background jobs started by exec.",
        {
            "type": "object",
            "properties": {
                "action": {"type": "string", "enum": ["list", "read", "stop"]},
                "job": {"type": "string"},
                "wait_s": {"type": "number", "minimum": 0, "maximum": 600, "description": "read: wait for its end."},
            },
            "required": ["action"],
        },
    )
    carried = False

    async def run(self, args: dict[str, Any], ctx: ToolContext) -> Outcome:
        jobs = ctx.jobs.all()
        if args["action"] == "list":
            return Outcome("\n".join(_row(job) for job in jobs) or "There are no background jobs.")
        job = ctx.jobs.get(args.get("job", jobs[0].id if len(jobs) == 1 else ""))
        if job is None:
            known = ", ".join(job.id for job in jobs) or "none"
            return Outcome(f"jobs: give the job's number; there are: {known}.", failed=True)
        if args["action"] == "stop":
            await job.stop("stopped")
        else:
            await job.wait(args.get("wait_s", 0))
        return Outcome(_told(job))


def _row(job: Job) -> str:
    command = " ".join(job.command.split())
    short = command if len(command) <= _SHOWN_COMMAND_CHARS else command[:_SHOWN_COMMAND_CHARS] + "…"
    return f"{job.id}: {job.state()}: {short}"


def _told(job: Job) -> str:
    state = job.state()
    text = job.process.output.take()
    line_end = "\n" if text and not text.endswith("\n") else ""
    return f"{text}{line_end}[job {job.id}: {state}{'' if text else ', no new output'}]"
