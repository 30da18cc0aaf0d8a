from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from garra.serve.text.stops import StopScanner

LETTERS = st.text("ab.\n", max_size=30)
STOPS = st.lists(st.text("ab.\n", min_size=1, max_size=4), min_size=1, max_size=3)
CUTS = st.lists(st.integers(0, 30), max_size=10)


def split(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    return [text[a:b] for a, b in pairwise(places)]


def play(scanner: StopScanner, pieces: list[str]) -> list[str]:
    shown = []
    for piece in pieces:
        shown.append(scanner.feed(piece))
        if scanner.hit is not None:
            return shown
    return [*shown, scanner.flush()]


@given(LETTERS, st.text("ab.\n", min_size=1, max_size=4), CUTS)
def test_one_stop_string_cuts_as_splitting_the_whole_text_does_however_it_arrives(
    text: str, stop: str, cuts: list[int]
) -> None:
    scanner = StopScanner([stop])

    shown = "".join(play(scanner, split(text, cuts)))

    assert shown == text.split(stop)[0]
    assert scanner.hit == (stop if stop in text else None)


@given(LETTERS, STOPS, CUTS)
def test_of_several_the_one_that_is_complete_first_counts(text: str, stops: list[str], cuts: list[int]) -> None:
    ends = [(text.find(stop) + len(stop), order) for order, stop in enumerate(stops) if stop in text]
    expected = stops[min(ends)[1]] if ends else None
    scanner = StopScanner(stops)

    shown = "".join(play(scanner, split(text, cuts)))

    assert scanner.hit == expected
    assert shown == (text if expected is None else text[: min(ends)[0] - len(expected)])


@given(LETTERS, STOPS, CUTS)
def test_a_stop_string_that_is_asked_for_is_shown_whole_and_nothing_after_it(
    text: str, stops: list[str], cuts: list[int]
) -> None:
    ends = [text.find(stop) + len(stop) for stop in stops if stop in text]

    shown = "".join(play(StopScanner(stops, include=True), split(text, cuts)))

    assert shown == (text[: min(ends)] if ends else text)


@given(LETTERS, STOPS)
def test_no_more_is_held_back_than_could_still_become_a_stop_string(text: str, stops: list[str]) -> None:
    scanner = StopScanner(stops)
    shown = ""
    for place, char in enumerate(text):
        shown += scanner.feed(char)
        if scanner.hit is not None:
            return
        held = text[len(shown) : place + 1]
        assert held == "" or any(stop.startswith(held) for stop in stops)


def test_before_the_least_number_of_tokens_no_stop_string_counts() -> None:
    scanner = StopScanner(["ab"])

    assert scanner.feed("abab", armed=False) == "abab"
    assert scanner.feed("xab") == "x"
    assert scanner.hit == "ab"


def test_a_stop_string_may_begin_before_and_end_after_the_least_number_of_tokens() -> None:
    scanner = StopScanner(["ab"])

    assert scanner.feed("xa", armed=False) == "x"
    assert scanner.feed("b") == ""
    assert scanner.hit == "ab"


def test_a_stop_string_that_was_complete_before_the_least_number_of_tokens_does_not_count_later() -> None:
    scanner = StopScanner(["ab", "abc"])

    assert scanner.feed("ab", armed=False) == ""  # it may still become the longer one
    assert scanner.feed("x") == "abx"
    assert scanner.hit is None
