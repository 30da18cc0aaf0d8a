"""The HTTP/1.1 parser with bounds of its own: headers must come soon and not be endless, and answers must be read."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_S = 30.0
READING_S = 120.0
LIMIT_HEADER_BYTES = 128 * 1024


class BoundedHeaders(HttpToolsProtocol):
    """Closes a connection that takes too long over the headers of a request, sends too many of them, or does not
    read what it asked for."""

    headers_s = HEADERS_S
    reading_s = READING_S
    _timer: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _header_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """A connection that says nothing is not kept."""
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more to wait for."""
        self._disarm()
        self._is_read()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless all that came so far are headers, and too many of them."""
        super().data_received(data)
        if self._timer is None:
            return
        self._header_bytes += len(data)
        if self._header_bytes > LIMIT_HEADER_BYTES and not self.transport.is_closing():
            self.transport.close()

    def on_message_begin(self) -> None:
        """A request begins: on a kept connection, the clock starts anew."""
        if self._timer is None:
            self._arm()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """From here on the app bounds the body."""
        self._disarm()
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """More is written than is read: from now on the reader has so long to go on."""
        super().pause_writing()
        self._unread = asyncio.get_running_loop().call_later(self.reading_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The reader goes on."""
        self._is_read()
        super().resume_writing()

    def _is_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _arm(self) -> None:
        self._header_bytes = 0
        self._timer = asyncio.get_running_loop().call_later(self.headers_s, self._too_slow)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()
