"""What goes to a terminal is broken between words and holds nothing that a terminal would obey; a pipe gets it all."""

import io
import os
import pty
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest

from garra.agent.events import Notice
from garra.cli.screen import harmless, wrapped
from garra.cli.show import Printer
from garra.wire.events import TextDelta

END = "<end of what was written>"
EVIL = "\x1b]52;c;bHM=\x07red \x1b[31mletters\x9b2J\x7f\r and\ttwo\nlines"


class Screen:
    """Both ends of a terminal of 50 columns."""

    def __init__(self) -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (40, 50))
        self.stream: TextIO = os.fdopen(theirs, "w")

    def seen(self) -> str:
        """What the terminal was given so far."""
        self.stream.write(END)
        self.stream.flush()
        data = b""
        while not data.endswith(END.encode()):
            data += os.read(self._ours, 65536)
        return data.decode().removesuffix(END).replace("\r\n", "\n")

    def close(self) -> None:
        self.stream.close()
        os.close(self._ours)


@pytest.fixture
def screen() -> Iterator[Screen]:
    made = Screen()
    yield made
    made.close()


def test_a_terminal_is_given_no_control_characters(screen: Screen) -> None:
    assert harmless(EVIL, screen.stream) == "]52;c;bHM=red [31mletters2J and\ttwo\nlines"


def test_a_pipe_is_given_the_text_as_it_is() -> None:
    assert harmless(EVIL, io.StringIO()) == EVIL


def test_letters_of_all_scripts_stay(screen: Screen) -> None:
    text = "Zoë é 日本語 العربية 🎉"

    assert harmless(text, screen.stream) == text


def test_a_long_line_is_broken_between_words(screen: Screen) -> None:
    line = "error: nothing answers at http://127.0.0.1:8000/v1/chat/completions, so start a server there"

    assert wrapped(line, screen.stream) == (
        "error: nothing answers at\nhttp://127.0.0.1:8000/v1/chat/completions, so\nstart a server there"
    )


def test_a_word_that_is_longer_than_the_line_stays_whole(screen: Screen) -> None:
    url = f"http://127.0.0.1/{'x' * 80}"

    assert wrapped(f"see {url} there", screen.stream).split("\n") == ["see", url, "there"]


@pytest.mark.parametrize("label", ["tools     ", "· ", "    "])
def test_what_stands_below_a_label_is_indented_as_it_is(screen: Screen, label: str) -> None:
    first, second = wrapped(label + "word " * 12, screen.stream).split("\n")

    assert first.startswith(f"{label}word")
    assert second.startswith(" " * len(label) + "word")


def test_short_lines_and_empty_ones_stay(screen: Screen) -> None:
    text = "one\n\n  two   three\n"

    assert wrapped(text, screen.stream) == text


def test_a_pipe_gets_long_lines() -> None:
    assert wrapped("word " * 100, io.StringIO()) == "word " * 100


def test_what_a_model_says_cannot_command_the_terminal(screen: Screen) -> None:
    printer = Printer(screen.stream, screen.stream)

    printer.event(TextDelta("safe\x1b[2J\n"))
    printer.event(Notice("also\x1b]0;title\x07 safe"))

    seen = screen.seen().replace("\x1b[2m", "").replace("\x1b[0m", "")
    assert seen == "safe[2J\n· also]0;title safe\n"
