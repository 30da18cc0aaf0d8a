"""V21: what is tried again at the same server, how often, after how long, and what the person is told."""

import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from garra.errors import (
    AuthRejected,
    ContextOverflow,
    ModelError,
    ModelNotFound,
    ModelUnreachable,
    RequestRefused,
    ServerBusy,
    ServerFailed,
    ServerSilent,
    StreamBroken,
    Unreachable,
)
from garra.models.retry import Retries
from garra.wire.request import Endpoint

REMOTE, LOCAL = Endpoint("http://10.0.0.7:8000/v1"), Endpoint("http://127.0.0.1:8000/v1")
REASONS: tuple[Unreachable, ...] = ("refused", "unknown host", "untrusted", "no answer", "hung up", "unknown")
ERRORS: list[Callable[[], ModelError]] = [
    lambda: ServerBusy("busy", http_status=429),
    lambda: ServerBusy("busy"),
    lambda: ServerBusy("loading", loading=True),
    lambda: ServerBusy("later", retry_after_s=20.0),
    lambda: ServerFailed("failed"),
    lambda: ServerSilent("silent"),
    lambda: StreamBroken("broken"),
    *(lambda why=why: ModelUnreachable("gone", why=why) for why in REASONS),
]


class Clock:
    """A clock that only moves when somebody waits."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def waits(
    error: ModelError, endpoint: Endpoint = REMOTE, *, may_move_on: bool = False, each_takes_s: float = 0.0
) -> list[float]:
    """The waits until no more is tried, where every attempt ends in this error."""
    clock, found = Clock(), list[float]()
    retries = Retries(may_move_on=may_move_on, clock=clock, random=lambda: 0.0)
    while (wait_s := retries.wait_s(error, endpoint)) is not None:
        found.append(wait_s)
        clock.now_s += wait_s + each_takes_s
    return found


def test_a_429_is_tried_ten_times_with_pauses_that_grow_to_half_a_minute() -> None:
    assert waits(ServerBusy("full", http_status=429)) == [1, 2, 4, 8, 16, 30, 30, 30, 30]


@pytest.mark.parametrize("error", [ServerFailed("500"), StreamBroken("cut"), ServerBusy("503")])
def test_other_trouble_is_tried_for_a_minute_and_a_half(error: ModelError) -> None:
    assert waits(error) == [1, 2, 4, 8, 16, 30]
    assert sum(waits(error)) <= 90


def test_at_most_eight_retries_fit_into_the_window_however_short_the_pauses() -> None:
    retries = Retries(may_move_on=False, clock=Clock(), random=lambda: 1.0)

    tried = [retries.wait_s(ServerFailed("500"), REMOTE) for _ in range(10)]

    assert tried[7] is not None
    assert tried[8:] == [None, None]


def test_attempts_that_take_long_use_the_window_up() -> None:
    assert waits(ServerFailed("500"), each_takes_s=50) == [1, 2]


def test_a_whole_reply_begins_a_new_window() -> None:
    clock = Clock()
    retries = Retries(may_move_on=False, clock=clock, random=lambda: 0.0)
    for _ in range(3):
        retries.wait_s(ServerFailed("500"), REMOTE)
    clock.now_s += 1000

    retries.answered()

    assert retries.attempt == 1
    assert retries.wait_s(ServerFailed("500"), REMOTE) == 1


@pytest.mark.parametrize(
    "error",
    [ContextOverflow("long"), AuthRejected("401"), ModelNotFound("404"), RequestRefused("400"), ModelError("odd")],
)
def test_what_does_not_pass_by_itself_is_never_tried_again(error: ModelError) -> None:
    assert waits(error) == []


@pytest.mark.parametrize(
    "place", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "127.8.9.1", "0.0.0.0:8000", "LOCALHOST.:1"]
)
def test_a_refused_connection_to_this_machine_fails_at_once(place: str) -> None:
    assert waits(ModelUnreachable("refused", why="refused"), Endpoint(f"http://{place}/v1")) == []


@pytest.mark.parametrize("why", ["refused", "no answer"])
def test_another_machine_that_cannot_be_reached_gets_a_few_quick_tries(why: Unreachable) -> None:
    assert waits(ModelUnreachable("gone", why=why)) == [1, 2, 4]
    assert waits(ModelUnreachable("gone", why=why), may_move_on=True) == []


@pytest.mark.parametrize("why", ["unknown host", "untrusted"])
def test_a_wrong_name_or_certificate_is_not_tried_again(why: Unreachable) -> None:
    assert waits(ModelUnreachable("gone", why=why)) == []


def test_a_server_that_hangs_up_is_tried_again_on_this_machine_too() -> None:
    assert waits(ModelUnreachable("crashed", why="hung up"), LOCAL)[:2] == [1, 2]


def test_silence_that_has_cost_minutes_is_tried_once_more_and_not_where_another_could_answer() -> None:
    assert waits(ServerSilent("nothing"), each_takes_s=300) == [1]
    assert waits(ServerSilent("nothing"), may_move_on=True) == []


def test_the_servers_own_word_is_the_least_that_is_waited() -> None:
    assert waits(ServerBusy("later", retry_after_s=20, http_status=429)) == [20, 20, 20, 20, 20, 30, 30, 30, 30]


def test_a_long_word_is_left_for_another_model_and_waited_for_where_there_is_none() -> None:
    error = ServerBusy("later", retry_after_s=61)

    assert waits(error, may_move_on=True) == []
    assert waits(error)[0] == 61


def test_a_word_of_an_hour_is_not_waited_for() -> None:
    assert waits(ServerBusy("later", retry_after_s=3600, http_status=429)) == []


def test_a_server_that_loads_is_given_as_long_as_a_silent_one() -> None:
    loading = ServerBusy("loading", loading=True)

    assert 240 < sum(waits(loading)) <= 300
    assert sum(waits(loading, may_move_on=True)) <= 90


def test_the_line_for_the_person_says_what_is_wrong_when_it_goes_on_and_how_to_stop() -> None:
    retries = Retries(may_move_on=False, clock=Clock(), random=lambda: 0.0)
    error = ServerBusy("http://me:secret@10.0.0.7 is busy", http_status=429, retry_after_s=4)

    wait_s = retries.wait_s(error, REMOTE)

    assert wait_s == 4
    assert retries.words(error, wait_s) == (
        "The server is busy (HTTP 429); trying again in 4 s (2 of 10). Ctrl-C stops."
    )


@given(st.lists(st.sampled_from(ERRORS), min_size=1), st.booleans(), st.integers(), st.floats(0, 40))
def test_the_last_number_that_is_shown_is_never_passed(
    makes: list[Callable[[], ModelError]], may_move_on: bool, seed: int, each_takes_s: float
) -> None:
    clock = Clock()
    retries = Retries(may_move_on=may_move_on, clock=clock, random=random.Random(seed).random)
    lines = list[str]()

    for error in (make() for make in itertools.cycle(makes)):
        if (wait_s := retries.wait_s(error, REMOTE)) is None:
            break
        lines.append(retries.words(error, wait_s))
        clock.now_s += wait_s + each_takes_s
        assert len(lines) < 30

    for at, line in enumerate(lines):
        number, of = line.rpartition("(")[2].partition(")")[0].split(" of ")
        assert int(number) == at + 2 <= int(of)


@given(st.lists(st.sampled_from(ERRORS), max_size=30), st.integers(), st.booleans())
def test_waits_are_bounded_and_the_same_for_the_same_chance(
    makes: list[Callable[[], ModelError]], seed: int, may_move_on: bool
) -> None:
    def run() -> list[float | None]:
        clock = Clock()
        retries = Retries(may_move_on=may_move_on, clock=clock, random=random.Random(seed).random)
        found = []
        for make in makes:
            error = make()
            wait_s = retries.wait_s(error, REMOTE)
            found.append(wait_s)
            if wait_s is not None:
                clock.now_s += wait_s
                floor_s = (error.retry_after_s or 0) if isinstance(error, ServerBusy) else 0
                assert max(0.75, floor_s) <= wait_s <= max(30, floor_s + 1)
        return found

    assert run() == run()


@given(st.sampled_from(ERRORS), st.booleans(), st.integers())
def test_nobody_is_kept_waiting_for_longer_than_ten_minutes(
    make: Callable[[], ModelError], may_move_on: bool, seed: int
) -> None:
    clock = Clock()
    retries = Retries(may_move_on=may_move_on, clock=clock, random=random.Random(seed).random)
    while (wait_s := retries.wait_s(make(), REMOTE)) is not None:
        clock.now_s += wait_s

    assert clock.now_s - 1000 <= (90 if may_move_on else 600)
