"""Taking hold of a session, for whoever changes it: one at a time, over all processes, and with nothing left open."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

from garra.agent.events import Notice
from garra.agent.turn import Turn
from garra.errors import SessionError, StoreError
from garra.sessions.lease import turn_lease
from garra.sessions.transcript import mend


async def hold_session(turn: Turn, stack: AsyncExitStack) -> AsyncGenerator[Notice]:
    """Hold the turn's session until the stack is left, and mend what a crash left open in it. Says when it waits."""
    try:
        await stack.enter_async_context(turn_lease(turn.state, turn.key, wait=False))
    except StoreError:
        raise  # nobody holds it: it cannot be had
    except SessionError as held:
        yield Notice(f"Waiting for the turn that is under way in this session ({held}).")
        await stack.enter_async_context(turn_lease(turn.state, turn.key))
    await mend(turn.store, turn.key)
