"""The engine's own process: one thread that makes every call to the pipeline.

A step does not give up the interpreter's lock, so that nothing else can live beside it. The loop: take what came in,
step, read everybody, send one message for all. It ends when the other side of the pipe is gone.
"""

import ctypes
import os
import select
import signal
import socket
import sys

from garra.serve.engines.batch import Batch
from garra.serve.engines.messages import Failed, Frames, Load, Ready, ToWorker, decode_to_worker, frame
from garra.serve.engines.prover import explained

_PR_SET_PDEATHSIG = 1


def main() -> int:
    parent = int(sys.argv[2])
    _die_with(parent)
    # Ctrl-C in a terminal reaches the whole group: the server decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as pipe:
        try:
            _Worker(pipe).run()
        except (BrokenPipeError, ConnectionResetError, EOFError):
            return 0
        except RuntimeError as error:
            pipe.sendall(frame(Failed(explained(error))))
            return 1
    return 0


def _die_with(parent: int) -> None:
    """When the server is killed nobody else would end this process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


class _Worker:
    def __init__(self, pipe: socket.socket) -> None:
        self._pipe = pipe
        self._frames = Frames()

    def run(self) -> None:
        load = self._first()
        batch = Batch(load)
        batch.warm_up()
        self._pipe.sendall(frame(Ready(batch.version)))
        while True:
            for message in self._inbox(wait=not batch.busy):
                batch.take(message)
            for answer in batch.step():
                self._pipe.sendall(frame(answer))

    def _first(self) -> Load:
        while True:
            for message in self._inbox(wait=True):
                if isinstance(message, Load):
                    return message

    def _inbox(self, *, wait: bool) -> list[ToWorker]:
        """All that has come in. Waits only while there is nothing to compute."""
        messages: list[ToWorker] = []
        while select.select([self._pipe], [], [], None if wait and not messages else 0)[0]:
            data = self._pipe.recv(1 << 20)
            if not data:
                raise EOFError
            messages += map(decode_to_worker, self._frames.feed(data))
        return messages


if __name__ == "__main__":
    sys.exit(main())
