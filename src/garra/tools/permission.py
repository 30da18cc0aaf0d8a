"""May this command run, may this file be written: by the configuration, by what was allowed before, or by asking.

Raises ToolRefused with words for the model, and for the person who reads along, that say how to allow it.
"""

import asyncio
from pathlib import Path

from garra.errors import ToolRefused
from garra.tools.approval import HOW, ApprovalRequest, Decision
from garra.tools.approvals import AllowedCommand, Approvals, load_approvals, save_approvals
from garra.tools.base import ToolContext
from garra.tools.environment import command_environment


async def permit_command(ctx: ToolContext, command: str, folder: Path) -> None:
    """Return if the command may run in the folder; raise ToolRefused if not."""
    mode = ctx.settings.exec.mode
    if mode == "full":
        return
    if mode == "deny":
        raise ToolRefused(
            "Commands are switched off (tools.exec.mode is deny). Do it without exec, or say what to run."
        )
    if await asyncio.to_thread(_command_allowed, ctx, command, folder):
        return
    if mode == "allowlist":
        raise ToolRefused(f"Not on the list of allowed commands (tools.exec.mode is allowlist): {command}. {HOW}")
    request = ApprovalRequest("exec", command, str(folder), "not on the list of commands that run unasked")
    if await _asked(ctx, request) is Decision.ALLOW_ALWAYS:
        await _remember(ctx, request)


async def permit_write(ctx: ToolContext, tool: str, path: Path) -> None:
    """Return if the file, which lies outside the workspace, may be written; raise ToolRefused if not."""
    mode = ctx.settings.exec.mode
    if mode == "full":
        return
    if mode == "deny":
        raise ToolRefused(f"{path} is outside the workspace {ctx.workspace}, and tools.exec.mode is deny.")
    approvals = await asyncio.to_thread(load_approvals, ctx.settings.approvals_file)
    if str(path) in approvals.paths:
        return
    if mode == "allowlist":
        raise ToolRefused(f"{path} is outside the workspace {ctx.workspace} and was not allowed before. {HOW}")
    request = ApprovalRequest(tool, str(path), str(ctx.workspace), "outside the workspace")
    if await _asked(ctx, request) is Decision.ALLOW_ALWAYS:
        await _remember(ctx, request)


def _command_allowed(ctx: ToolContext, command: str, folder: Path) -> bool:
    from garra.tools.allowlist import Bounds, is_allowed  # many expressions to compile: only when a command comes

    settings = ctx.settings
    approvals = load_approvals(settings.approvals_file)
    if AllowedCommand(command, str(folder)) in approvals.commands:
        return True
    workspace = ctx.workspace.resolve()
    search = command_environment(ctx.env, settings.exec.path_prepend)["PATH"]
    bounds = Bounds(folder, workspace, search, settings.guarded, workspace if settings.workspace_only else None)
    return is_allowed(command, safe_bins=settings.exec.safe_bins, patterns=approvals.patterns, bounds=bounds)


async def _asked(ctx: ToolContext, request: ApprovalRequest) -> Decision:
    decision = await ctx.approve(request)
    if decision is Decision.DENY:
        raise ToolRefused(f"The person said no to: {request.tool} {request.action}. Do not try it another way; ask.")
    return decision


async def _remember(ctx: ToolContext, request: ApprovalRequest) -> None:
    file = ctx.settings.approvals_file
    if file is not None:
        await asyncio.to_thread(_add, file, request)


def _add(file: Path, request: ApprovalRequest) -> None:
    """Read again before writing: another process may have added something in the meantime."""
    approvals: Approvals = load_approvals(file)
    if request.tool == "exec":
        save_approvals(file, approvals.with_command(request.action, request.folder))
    else:
        save_approvals(file, approvals.with_path(request.action))
