"""The doubles that are shipped: a scripted model server, real down to the socket.

Needs nothing but the standard library and msgspec. Knows no test framework and no room but the wire's values.
"""

from garra.testing.protocol import Received
from garra.testing.script import Answer, Call, Failure, HangUp, Raw, Silence, Step, Thought
from garra.testing.server import ScriptedModel

__all__ = ["Answer", "Call", "Failure", "HangUp", "Raw", "Received", "ScriptedModel", "Silence", "Step", "Thought"]
