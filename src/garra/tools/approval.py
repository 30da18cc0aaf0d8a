"""Asking a person: the question, the answers, and what stands in where nobody can be asked.

Who is asked is up to the channel; when is up to `permission`.
"""

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeAlias

import msgspec

from garra.errors import ToolRefused

HOW = "To allow all: garra config set tools.exec.mode full; or answer the question in garra chat."


class ApprovalRequest(msgspec.Struct, frozen=True):
    """A person is asked whether this may happen. `action` is the exact command, or the exact path."""

    tool: str
    action: str
    folder: str
    reason: str


class Decision(Enum):
    """What the person said. ALLOW_ALWAYS is remembered for exactly this command and folder, or exactly this path."""

    ALLOW_ONCE = "allow_once"
    ALLOW_ALWAYS = "allow_always"
    DENY = "deny"


# May raise ToolRefused instead of returning DENY; its message then goes to the model as it is.
Approver: TypeAlias = Callable[[ApprovalRequest], Awaitable[Decision]]


async def nobody(request: ApprovalRequest) -> Decision:
    """The approver where no person can be asked: refuses, and says how to allow."""
    raise ToolRefused(f"Not allowed without asking, and nobody is here to ask: {request.tool} {request.action}. {HOW}")
