"""Colours are for a person at a terminal that has them, and who wants them."""

import os
import pty
from collections.abc import Iterator
from typing import TextIO

import pytest

from garra.cli.show import takes_colours


@pytest.fixture
def screen() -> Iterator[TextIO]:
    """The process's end of a terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        yield stream
    os.close(ours)


def test_a_terminal_has_colours(screen: TextIO) -> None:
    os.environ.pop("NO_COLOR", None)
    os.environ["TERM"] = "xterm"

    assert takes_colours(screen)


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_person_or_a_terminal_without_colours_gets_none(screen: TextIO, name: str, value: str) -> None:
    os.environ["TERM"] = "xterm"
    os.environ[name] = value

    assert not takes_colours(screen)


def test_a_file_has_none() -> None:
    with open(os.devnull, "w") as stream:  # noqa: PTH123
        assert not takes_colours(stream)
