"""The tools of one session: which are shown to the model, and running a call to its one result.

Whatever goes wrong with a call is an answer to the model, in one line that says what was expected. Only cancellation
passes through. Nothing here decides what is allowed (`permission`) or keeps anything.
"""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from garra.errors import GarraError
from garra.tools.approval import Approver
from garra.tools.base import Outcome, Tool, ToolContext, silent
from garra.tools.environment import hide_secrets
from garra.tools.jobs import Jobs
from garra.tools.schema import Mismatch, fit, near_names, parse_arguments, signature
from garra.wire.messages import ToolCall, ToolResult, ToolSpec

if TYPE_CHECKING:
    from garra.config.load import Configuration

_log = logging.getLogger(__name__)


class Toolbox:
    """The tools that a session has. Close it when the session's work is over: background jobs end with it."""

    def __init__(self, tools: Iterable[Tool], context: ToolContext) -> None:
        self._tools = {tool.spec.name: tool for tool in sorted(tools, key=lambda tool: tool.spec.name)}
        self._context = context

    @property
    def context(self) -> ToolContext:
        """What every call is given."""
        return self._context

    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools that every request carries, sorted by name; the same for the whole session."""
        return tuple(tool.spec for tool in self._tools.values() if tool.carried)

    def others(self) -> tuple[ToolSpec, ...]:
        """The tools that `find_tools` finds, sorted by name. They can be called by name all the same."""
        return tuple(tool.spec for tool in self._tools.values() if not tool.carried)

    def callable_specs(self) -> tuple[ToolSpec, ...]:
        """Every tool that a call may name: those that requests carry, then the others."""
        return (*self.specs(), *self.others())

    def directory(self) -> str:
        """One line for the system prompt with the names of the other tools; empty when there are none."""
        names = ", ".join(spec.name for spec in self.others())
        return f"More tools, found with find_tools: {names}" if names else ""

    async def run(
        self, call: ToolCall, progress: Callable[[str], None] | None = None, *, room_chars: int | None = None
    ) -> ToolResult:
        """The one result of this call. Raises nothing but cancellation. What comes in pages is kept to `room_chars`."""
        context = msgspec.structs.replace(self._context, progress=progress or silent, room_chars=room_chars)
        outcome = await self._outcome(call, context)
        text = hide_secrets(outcome.text, self._context.env)
        return ToolResult(call.id, call.name, text, outcome.failed)

    async def close(self) -> None:
        """Stop the background jobs that are still running."""
        await self._context.jobs.close()

    async def aclose(self) -> None:
        """The same, by the name that contextlib.aclosing knows."""
        await self.close()

    async def _outcome(self, call: ToolCall, context: ToolContext) -> Outcome:
        tool = self._tools.get(call.name)
        if tool is None:
            return Outcome(self._unknown(call.name), failed=True)
        try:
            args = fit(parse_arguments(call.arguments), tool.spec.parameters)
            return await tool.run(args, context)
        except Mismatch as wrong:
            usage = signature(call.name, tool.spec.parameters)
            return Outcome(f"{call.name}: {wrong}. Expected: {usage}", failed=True)
        except GarraError as refused:
            return Outcome(str(refused), failed=True)
        except OSError as failed:
            return Outcome(f"{call.name}: {_told(failed)}", failed=True)
        except Exception as broken:  # the tool-call edge: a fault in a tool must not end the turn
            _log.debug("the tool %s raised", call.name, exc_info=True)
            return Outcome(f"{call.name} failed: {type(broken).__name__}: {broken}", failed=True)

    def _unknown(self, name: str) -> str:
        near = near_names(name, self._tools)
        mend = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(self._tools) or 'none'}."
        return f'There is no tool "{name}". {mend}'


def default_toolbox(configuration: "Configuration", *, workspace: Path, session_key: str, approve: Approver) -> Toolbox:
    """Garra's own tools for a session, those that the configuration leaves it."""
    from garra.tools.default import chosen_tools, settings_of  # every tool there is: only for who runs a session

    section, own = configuration.config.tools, configuration.agent(_agent_of(session_key)).tools
    context = ToolContext(
        workspace=workspace,
        session_key=session_key,
        approve=approve,
        jobs=Jobs(),
        env=configuration.env,
        settings=settings_of(section, own, configuration.paths),
    )
    return Toolbox(chosen_tools(section, own), context)


def _agent_of(session_key: str) -> str:
    """The agent's id in `agent:ID:…`."""
    parts = session_key.split(":")
    return parts[1] if len(parts) > 1 and parts[0] == "agent" else "main"


def _told(failed: OSError) -> str:
    where = f": {failed.filename}" if failed.filename else ""
    return f"{failed.strerror or failed}{where}"
