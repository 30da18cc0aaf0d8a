"""Asking the person at the terminal whether a risky call may run. Where nobody can answer, the answer is no."""

import asyncio
import sys
from typing import TYPE_CHECKING

from garra.tools.approval import ApprovalRequest, Approver, Decision, nobody

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

ANSWERS = {
    "y": Decision.ALLOW_ONCE,
    "yes": Decision.ALLOW_ONCE,
    "a": Decision.ALLOW_ALWAYS,
    "always": Decision.ALLOW_ALWAYS,
    "n": Decision.DENY,
    "no": Decision.DENY,
    "": Decision.DENY,
}
QUESTION = "  Allow it? [y]es once, [a]lways this exact one, [N]o: "


def asker() -> Approver:
    """Asks on the terminal where there is one; else refuses."""
    return ask_terminal if sys.stdin.isatty() and sys.stderr.isatty() else nobody


def question(request: ApprovalRequest) -> str:
    """What the person is shown: the exact action, where, and why it is asked. Control characters are made visible,
    so that a command cannot hide a part of itself."""
    shown = "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in request.action)
    shown = shown.replace("\n", "\n    ")
    return f"\nThe assistant wants to use {request.tool}:\n    {shown}\n  in {request.folder} ({request.reason})\n"


async def ask_terminal(request: ApprovalRequest) -> Decision:
    """Ask until the answer is one of those offered. Ctrl-C cancels the turn; the end of input means no."""
    from prompt_toolkit import PromptSession

    session: PromptSession[str] = PromptSession()
    _forget_typed(session)
    sys.stderr.write(question(request))
    while True:
        try:
            # the signal stays with the turn: prompt_toolkit would take it away for good. Here Ctrl-C is a key.
            answer = await session.prompt_async(QUESTION, handle_sigint=False)
        except EOFError:
            return Decision.DENY
        except KeyboardInterrupt:
            raise asyncio.CancelledError from None
        if (decision := ANSWERS.get(answer.strip().lower())) is not None:
            return decision


def _forget_typed(session: "PromptSession[str]") -> None:
    """Drop what was typed before the question was there to be read: it cannot be the answer to it."""
    import termios

    from prompt_toolkit.input.typeahead import clear_typeahead

    clear_typeahead(session.input)
    termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
