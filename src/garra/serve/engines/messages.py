"""What crosses the pipe between the server and the engine's process: values in MessagePack, each after its length."""

import struct
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from garra.serve.engines.base import Finish, Sampling

LENGTH = struct.Struct("<I")


class Load(Struct, frozen=True, tag="load"):
    """The first message to the worker. `prover` is a tiny model with the same tokens, to try grammars on; may be ''."""

    path: str
    tokenizer: str
    prover: str
    kv_blocks: int
    properties: dict[str, str | int | bool]
    eos_token_ids: tuple[int, ...]


class Add(Struct, frozen=True, tag="add"):
    """Start this request. Its id was never used before."""

    id: int
    prompt: list[int]
    sampling: Sampling


class Cancel(Struct, frozen=True, tag="cancel"):
    """Nobody wants this one any more."""

    id: int


class Ready(Struct, frozen=True, tag="ready"):
    """The model is loaded and warm."""

    version: str


class Piece(Struct, frozen=True, array_like=True):
    """What one request got in one step."""

    id: int
    ids: list[int]
    logprobs: list[float] | None
    finish: Finish | None


class Step(Struct, frozen=True, tag="step"):
    """What one step brought, for everyone."""

    pieces: list[Piece]


class Refused(Struct, frozen=True, tag="refused"):
    """This request gets nothing more. `at_fault`: it was wrong, in `param`; otherwise it may be sent again."""

    id: int
    message: str
    at_fault: bool
    param: str | None = None


class Failed(Struct, frozen=True, tag="failed"):
    """The worker cannot go on, and ends."""

    message: str


ToWorker = Load | Add | Cancel
FromWorker = Ready | Step | Refused | Failed

encode = msgspec.msgpack.Encoder().encode
decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_from_worker = msgspec.msgpack.Decoder(FromWorker).decode


def frame(message: ToWorker | FromWorker) -> bytes:
    """The message as it is written to the pipe."""
    body = encode(message)
    return LENGTH.pack(len(body)) + body


class Frames:
    """Bytes in any split, messages' bodies out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._buffer += data
        while len(self._buffer) >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self._buffer)
            end = LENGTH.size + size
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[LENGTH.size : end])
            del self._buffer[:end]
            yield body
