"""`exec`: a shell command, in the foreground with a time limit or in the background as a job.

A command that is stopped, by the limit or because the turn is cancelled, is stopped with everything it started.
"""

import asyncio
from pathlib import Path
from typing import Any

from garra.tools.base import Outcome, ToolContext
from garra.tools.environment import command_environment
from garra.tools.jobs import MOST_RUNNING, exit_text
from garra.tools.locate import expanded
from garra.tools.output import CAP_CHARS, Output
from garra.tools.permission import permit_command
from garra.tools.process import Process, start
from garra.tools.progress import Progress
from garra.wire.messages import ToolSpec


class Exec:
    """Runs shell commands."""

    spec = ToolSpec(
        "exec",
        "Run a shell command in the workspace; returns its output and exit code.",
        {
            "type": "object",
            "properties": {
                "command": {"type": "string"},
                "timeout_s": {"type": "number", "minimum": 0.1},
                "background": {"type": "boolean", "description": "Return a job id at once."},
                "cwd": {"type": "string"},
            },
            "required": ["command"],
        },
    )
    carried = True

    async def run(self, args: dict[str, Any], ctx: ToolContext) -> Outcome:
        command: str = args["command"]
        if not command.strip():
            return Outcome("exec: the command is empty.", failed=True)
        folder = await asyncio.to_thread(_folder, ctx, args.get("cwd", ""))
        if not folder.is_dir():
            return Outcome(f"exec: the folder {folder} does not exist.", failed=True)
        await permit_command(ctx, command, folder)
        if args.get("background", False) and ctx.jobs.full:
            return Outcome(f"exec: {MOST_RUNNING} jobs are running already; stop one first.", failed=True)
        progress = Progress(ctx.progress)
        try:
            env = command_environment(ctx.env, ctx.settings.exec.path_prepend)
            output = Output(min(CAP_CHARS, ctx.room_chars or CAP_CHARS))
            process = start(command, folder=folder, env=env, output=output, on_text=progress.add)
        except (OSError, ValueError) as wrong:
            return Outcome(f"exec: the command cannot be started: {wrong}", failed=True)
        if args.get("background", False):
            return _in_background(ctx, command, process, args.get("timeout_s"))
        limit_s = min(args.get("timeout_s", ctx.settings.exec.timeout_s), ctx.settings.exec.timeout_s)
        try:
            return await _in_foreground(ctx, command, process, limit_s)
        finally:
            progress.close()


def _folder(ctx: ToolContext, cwd: str) -> Path:
    ctx.workspace.mkdir(parents=True, exist_ok=True)
    return (ctx.workspace / expanded(cwd, ctx.env)).resolve()


def _in_background(ctx: ToolContext, command: str, process: Process, limit_s: float | None) -> Outcome:
    process.on_text = _unwatched
    job = ctx.jobs.add(command, process, limit_s=limit_s)
    return Outcome(
        f'Started as job {job.id}. Its output: jobs {{"action": "read", "job": "{job.id}"}}; '
        f'to end it: jobs {{"action": "stop", "job": "{job.id}"}}.'
    )


async def _in_foreground(ctx: ToolContext, command: str, process: Process, limit_s: float) -> Outcome:
    try:
        async with asyncio.timeout(limit_s):
            await process.ended()
            settled = await process.settled()
    except TimeoutError:
        await _stop(process)
        return _outcome(process, f"stopped after {limit_s:g} s: the time limit; all it started was ended", failed=True)
    except asyncio.CancelledError:
        await _stop(process)
        raise
    if settled:
        return _outcome(process, exit_text(process.exit_code), failed=process.exit_code != 0)
    process.on_text = _unwatched
    text = process.output.take()
    job = ctx.jobs.add(command, process)
    told = f"{exit_text(process.exit_code)}; it left processes running, now job {job.id}"
    return Outcome(_joined(text, told), failed=process.exit_code != 0)


async def _stop(process: Process) -> None:
    """Stop it even if we are cancelled, or cancelled again, while it is being stopped."""
    stopping = asyncio.ensure_future(process.stop())
    try:
        await asyncio.shield(stopping)
    except asyncio.CancelledError:
        stopping.cancel()
        await asyncio.wait([stopping])
        raise


def _outcome(process: Process, told: str, *, failed: bool) -> Outcome:
    return Outcome(_joined(process.output.text(), told), failed)


def _joined(output: str, told: str) -> str:
    line_end = "" if not output or output.endswith("\n") else "\n"
    return f"{output}{line_end}[{told}]"


def _unwatched(text: str) -> None:
    """The output of a job is read when it is asked for."""
