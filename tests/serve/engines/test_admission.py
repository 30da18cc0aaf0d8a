"""The queue, the places and the mirror of the prefix cache: no engine needed."""

from collections.abc import Sequence

import pytest

from garra.errors import ServeError
from garra.serve.engines.admission import Admission, Ticket
from garra.serve.engines.capacity import plan
from garra.serve.engines.prefix import PrefixMirror, block_hashes
from garra.serve.weights import Weights

GB = 1_000_000_000


def ticket(id_: int, prompt: Sequence[int], max_tokens: int = 10) -> Ticket:
    return Ticket(id_, len(prompt), max_tokens, block_hashes(prompt))


def admitted(admission: Admission) -> list[int]:
    return [ticket.id for ticket in admission.admit()]


def test_places_are_given_in_the_order_of_arrival() -> None:
    admission = Admission(max_num_seqs=2, kv_blocks=100)
    tickets = [ticket(i, [i]) for i in range(4)]
    for one in tickets:
        admission.enter(one)

    assert admitted(admission) == [0, 1]
    admission.leave(tickets[1])
    assert admitted(admission) == [2]
    assert (admission.running, admission.waiting) == (2, 1)


def test_a_big_request_is_not_overtaken_while_it_waits_for_room() -> None:
    admission = Admission(max_num_seqs=8, kv_blocks=10)
    first, big, small = ticket(1, range(200)), ticket(2, range(1000, 1200)), ticket(3, [5])
    for one in (first, big, small):
        admission.enter(one)

    assert admitted(admission) == [1]
    admission.leave(first)
    assert admitted(admission) == [2, 3]


def test_whoever_is_alone_runs_however_long_the_reply_may_be() -> None:
    admission = Admission(max_num_seqs=8, kv_blocks=10)
    admission.enter(ticket(1, range(300), max_tokens=5000))

    assert admitted(admission) == [1]
    assert admission.used == 1.0


def test_a_common_beginning_waits_until_the_first_has_computed_it() -> None:
    admission = Admission(max_num_seqs=8, kv_blocks=1000)
    first, second, other = ticket(1, range(320)), ticket(2, range(330)), ticket(3, range(5000, 5320))
    for one in (first, second, other):
        admission.enter(one)
    assert admitted(admission) == [1, 3]

    admission.has_prefilled(first)

    assert admitted(admission) == [2]
    assert second.cached_tokens == 320


def test_holding_back_can_be_switched_off() -> None:
    admission = Admission(max_num_seqs=8, kv_blocks=1000, hold_back=False)
    admission.enter(ticket(1, range(320)))
    admission.enter(ticket(2, range(320)))

    assert admitted(admission) == [1, 2]


def test_one_who_leaves_the_queue_is_never_admitted() -> None:
    admission = Admission(max_num_seqs=1, kv_blocks=10)
    gone = ticket(1, [1])
    admission.enter(gone)

    admission.leave(gone)
    admission.leave(gone)

    assert admitted(admission) == []
    assert admission.waiting == 0


def test_the_mirror_counts_whole_blocks_and_never_the_last_token() -> None:
    mirror = PrefixMirror(100)
    mirror.add(block_hashes(range(100)))

    assert mirror.cached_tokens(block_hashes(range(200)), 200) == 96
    assert mirror.cached_tokens(block_hashes(range(64)), 64) == 32
    assert mirror.cached_tokens(block_hashes(range(1, 65)), 64) == 0


def test_the_mirror_forgets_the_oldest_and_keeps_beginnings_longest() -> None:
    mirror = PrefixMirror(4)
    old = block_hashes(range(96))
    mirror.add(old)
    mirror.add(block_hashes(range(1000, 1064)))

    assert mirror.known_blocks(old) == 2


def weights(context: int) -> Weights:
    from pathlib import Path

    return Weights(
        name="m",
        source=Path("m"),
        path=Path("m"),
        kind="gguf",
        architecture="llama",
        context_length=context,
        vocab_size=10,
        eos_token_ids=(),
        kv_bytes_per_token=1000,
    )


def test_the_cache_is_a_tenth_of_memory_and_a_gigabyte_at_most() -> None:
    small = plan(weights(1000), max_model_len=None, kv_cache_gb=None, exact=False, memory=4 * GB)
    large = plan(weights(1000), max_model_len=None, kv_cache_gb=None, exact=False, memory=64 * GB)

    assert small.kv_tokens == 400_000
    assert large.kv_tokens == 1_000_000
    assert small.max_model_len == 1000


def test_the_cache_grows_for_a_long_window_and_the_window_shrinks_to_half_of_memory() -> None:
    grown = plan(weights(1_500_000), max_model_len=None, kv_cache_gb=None, exact=False, memory=8 * GB)
    shrunk = plan(weights(9_000_000), max_model_len=None, kv_cache_gb=None, exact=False, memory=8 * GB)

    assert grown.max_model_len == 1_500_000
    assert grown.kv_tokens > 1_500_000
    assert shrunk.max_model_len < shrunk.kv_tokens <= 4_000_000


@pytest.mark.parametrize(
    ("asked", "cache_gb", "named"),
    [(2000, None, "trained for"), (0, None, "at least 1"), (1000, 0.0005, "--kv-cache-memory"), (None, 1e-9, "block")],
)
def test_what_does_not_fit_is_refused_with_what_to_give(asked: int | None, cache_gb: float | None, named: str) -> None:
    with pytest.raises(ServeError, match=named):
        plan(weights(1000), max_model_len=asked, kv_cache_gb=cache_gb, exact=False, memory=8 * GB)
