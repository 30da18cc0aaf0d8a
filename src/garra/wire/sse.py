"""Server-sent events from bytes in any split: the data of each event, nothing else.

Comments, event names, ids and retry times are dropped, since no server of this kind says anything in them. Keeps at
most one unfinished event and refuses one that is larger than the limit.
"""

from collections.abc import Iterator

from garra.errors import StreamBroken

LIMIT_BYTES = 8 * 1024 * 1024
LINE_BYTES = 64
"""What keeping a line takes besides its text: an event of very many short lines is large too."""
BOM = b"\xef\xbb\xbf"


class SseReader:
    """Feed bytes, get the data of the events that are complete. `source` is named in errors."""

    def __init__(self, source: str = "the server", limit_bytes: int = LIMIT_BYTES) -> None:
        self._source, self._limit = source, limit_bytes
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The events that these bytes complete. What came before an event that is too large is still given."""
        if self._after_cr and data:
            data, self._after_cr = data.removeprefix(b"\n"), False
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *ended, rest = data.split(b"\n")
        for line in ended:
            self._grow(line)
            if event := self._take_line():
                yield event
        if rest:
            self._grow(rest)

    def finish(self) -> Iterator[bytes]:
        """No more bytes: an event whose lines are whole counts, though the empty line after it is missing."""
        if b"".join(self._line).strip() in (b"data: [DONE]", b"data:[DONE]"):
            self._take_line()
        self._line.clear()
        if self._data:
            yield self._take_event()

    def _grow(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            raise StreamBroken(
                f"{self._source} sent one event of more than {self._limit} bytes, which cannot be part of a reply."
            )
        if piece:
            self._line.append(piece)

    def _take_line(self) -> bytes:
        """The current line is complete. Gives the event when it was the empty line that ends one."""
        line = self._line[0] if len(self._line) == 1 else b"".join(self._line)
        self._line.clear()
        if not self._started:
            self._started, line = True, line.removeprefix(BOM)
        if not line:
            return self._take_event()
        if line.startswith(b"data:") or line == b"data":
            self._size += LINE_BYTES if self._data else 0
            self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
        else:
            self._size -= len(line)
        return b""

    def _take_event(self) -> bytes:
        event = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data.clear()
        self._size = 0
        return event
