"""The header of a GGUF file, read with every bound checked: metadata and the table of tensors.

The engine's own reader ends the process with a segmentation fault on a file that was cut short, so that nothing is
given to it which was not read here first. Tensor data is never touched. What an array holds is read only as far as the
file goes: a damaged length is an error, never an endless loop or a huge allocation.
"""

import mmap
import struct
from pathlib import Path
from typing import Any

from msgspec import Struct

from garra.errors import ServeError

# GGML's tensor types: id -> (name, values in a block, bytes of a block)
TENSOR_TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
}
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9


class Tensor(Struct, frozen=True):
    """One row of the tensor table. `offset` counts from the start of the file."""

    name: str
    shape: tuple[int, ...]
    type_id: int
    type_name: str
    offset: int
    size: int


class Header(Struct, frozen=True):
    """What a GGUF file says of itself. `spans` is where each metadata entry stands, so that it can be copied."""

    path: Path
    file_size: int
    metadata: dict[str, Any]
    tensors: tuple[Tensor, ...]
    spans: dict[str, tuple[int, int]]


def read_header(path: Path) -> Header:
    """Read and check `path`. Raises `ServeError` when it is no GGUF file, damaged, or shorter than its tensors."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            if size < 24 or file.read(4) != b"GGUF":
                raise ServeError(f"{path} is not a GGUF file. Give the path of a .gguf file of a Llama or Qwen model.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
                header = _Reader(path, view).header()
    except OSError as error:
        raise ServeError(f"{path} cannot be read: {error.strerror or error}.") from error
    _check_size(header)
    return header


def _check_size(header: Header) -> None:
    needed = max((tensor.offset + tensor.size for tensor in header.tensors), default=0)
    if header.file_size < needed:
        raise ServeError(
            f"{header.path} was cut short: it holds {header.file_size:,} bytes and its tensors need {needed:,}. "
            "Fetch the file again."
        )


class _Reader:
    """A position in the file, and what can be read from there."""

    def __init__(self, path: Path, view: mmap.mmap) -> None:
        self._path = path
        self._view = view
        self._at = 4
        self._spans: dict[str, tuple[int, int]] = {}

    def header(self) -> Header:
        version = self._scalar("<I")
        if version not in (2, 3):
            raise ServeError(f"{self._path} is GGUF version {version}; versions 2 and 3 can be read.")
        tensor_count, metadata_count = self._scalar("<Q"), self._scalar("<Q")
        metadata = dict(self._entry() for _ in self._count(metadata_count, "metadata entries"))
        rows = [self._tensor_row() for _ in self._count(tensor_count, "tensors")]
        return Header(
            path=self._path,
            file_size=len(self._view),
            metadata=metadata,
            tensors=self._placed(rows, metadata.get("general.alignment", 32)),
            spans=self._spans,
        )

    def _entry(self) -> tuple[str, Any]:
        start = self._at
        key = self._string()
        kind = self._scalar("<I")
        value = self._value(kind)
        self._spans[key] = (start, self._at)
        return key, value

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            inner, length = self._scalar("<I"), self._scalar("<Q")
            return self._array(inner, length)
        if kind not in _SCALARS:
            raise self._damaged(f"unknown value type {kind}")
        return self._scalar(_SCALARS[kind])

    def _array(self, inner: int, length: int) -> list[Any]:
        if inner not in _SCALARS:
            return [self._value(inner) for _ in self._count(length, "values of a list")]
        form = _SCALARS[inner]
        size = struct.calcsize(form) * length
        return list(struct.unpack(f"<{length}{form[1]}", self._take(size)))

    def _tensor_row(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self._string()
        dimensions = self._scalar("<I")
        if dimensions > 4:
            raise self._damaged(f"tensor {name!r} has {dimensions} dimensions")
        shape = tuple(self._scalar("<Q") for _ in range(dimensions))
        return name, shape, self._scalar("<I"), self._scalar("<Q")

    def _placed(self, rows: list[tuple[str, tuple[int, ...], int, int]], alignment: Any) -> tuple[Tensor, ...]:
        if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20:
            raise self._damaged(f"an alignment of {alignment!r}")
        data_start = -(-self._at // alignment) * alignment
        return tuple(self._placed_row(row, data_start) for row in rows)

    def _placed_row(self, row: tuple[str, tuple[int, ...], int, int], data_start: int) -> Tensor:
        name, shape, type_id, offset = row
        if type_id not in TENSOR_TYPES:
            raise ServeError(f"{self._path}: tensor {name!r} is of type {type_id}, which is not known here.")
        type_name, block, block_size = TENSOR_TYPES[type_id]
        values = 1
        for length in shape:
            values *= length
        size = -(-values // block) * block_size
        return Tensor(name, shape, type_id, type_name, data_start + offset, size)

    def _string(self) -> str:
        length = self._scalar("<Q")
        return self._take(length).decode("utf-8", "replace")

    def _scalar(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _take(self, size: int) -> bytes:
        if size > len(self._view) - self._at:
            raise self._damaged("it ends within its header")
        self._at += size
        return self._view[self._at - size : self._at]

    def _count(self, count: int, what: str) -> range:
        """Every entry takes a byte at least, so that a count beyond the file's size is damage."""
        if count > len(self._view):
            raise self._damaged(f"it claims {count:,} {what}")
        return range(count)

    def _damaged(self, what: str) -> ServeError:
        return ServeError(f"{self._path} is damaged ({what}). Fetch the file again.")
