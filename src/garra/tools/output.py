"""What a command printed, in bounded memory: the head and the tail, and how much was left out in between."""

import codecs

CAP_CHARS = 16_000


class Output:
    """Takes bytes in any split, gives text. Never holds more than the cap and one chunk."""

    def __init__(self, cap_chars: int = CAP_CHARS) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._head_chars = cap_chars // 2
        self._tail_chars = cap_chars - self._head_chars
        self._clear()

    def _clear(self) -> None:
        self._head = ""
        self._tail = ""
        self._total_chars = 0

    def feed(self, data: bytes, *, last: bool = False) -> str:
        """Take more in; the text of it."""
        text = self._decoder.decode(data, last)
        self._total_chars += len(text)
        room = self._head_chars - len(self._head)
        self._head += text[:room]
        self._tail = (self._tail + text[room:])[-self._tail_chars :]
        return text

    def text(self) -> str:
        """All of it, or its head and tail with a line between them that says how many characters are missing."""
        missing = self._total_chars - len(self._head) - len(self._tail)
        if not missing:
            return self._head + self._tail
        return f"{self._head}\n[… {missing:,} characters left out …]\n{self._tail}"

    def take(self) -> str:
        """The text since the last time it was taken."""
        text = self.text()
        self._clear()
        return text
