"""How long to wait for a server, and how to see meanwhile that it is no use.

Bounds silence, never length. Sends nothing: a look is a connection that is opened and closed again.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from garra.wire.address import Target
from garra.wire.connection import is_deserted
from garra.wire.exchange import Deserted, Silent

T = TypeVar("T")


class Timeouts(msgspec.Struct, frozen=True):
    """How long a server may be silent. Nothing here limits how long a reply may take as long as it moves.

    `look_s`: after each such span of silence it is looked whether the server still listens. vLLM, when it is stopped,
    keeps the connections of running replies open for ever and sends nothing on them.
    """

    connect_s: float = 5.0
    first_event_s: float = 300.0
    gap_s: float = 300.0
    look_s: float = 5.0


class Patience(msgspec.Struct, frozen=True):
    """Waiting for a server, with a look now and then whether it is still there. Not through a proxy, which hides it."""

    target: Target
    look_s: float
    direct: bool

    async def wait(self, for_what: Callable[[float], Awaitable[T]], limit_s: float) -> T:
        """What comes within `limit_s`. Raises Silent, or Deserted as soon as that is seen."""
        left_s = limit_s
        while self.direct and left_s > self.look_s:
            try:
                return await for_what(self.look_s)
            except Silent:
                left_s -= self.look_s
                if await is_deserted(self.target, min(self.look_s, left_s)):
                    raise Deserted from None
        try:
            return await for_what(left_s)
        except Silent:
            raise Silent(limit_s) from None
