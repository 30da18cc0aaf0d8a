"""The server's prefix cache: each request of a session begins with the bytes of the one before.

What is compared is what was sent: the bytes of `tools`, and those of `messages` without the closing bracket, as they
came over the socket. The promise is about what a server can have cached, so each request is held against the last one
before it that the server accepted, that is, did not refuse with a 4xx and did not hang up on. A message that only ever
stood in such requests was never read by a model; it is left out of what is sent later, since a request that was refused
once would be refused for ever. The refused request itself begins with the last accepted one too. An overflow ends a
turn only where there is nothing to compact; a compaction begins the messages anew, and is tested where it is made.

Requests to two servers are compared for each server on its own where one of them has its tools described in the
prompt, and all together where both take tools.
"""

import asyncio
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.conversations import FAILED, OVERFLOW, SMOOTH, STOPPED, TRIED_AGAIN, Conversation, Planned, Request

TURNS = 60

planned = st.builds(
    Planned,
    kind=st.sampled_from((*SMOOTH, *FAILED, "stopped in the text", "stopped before trying again")),
    server=st.integers(0, 1),
    restart=st.booleans(),
)


def check_prefixes(requests: list[Request]) -> None:
    """Each request begins with the last accepted one before it; the tools are the same in all."""
    last: Request | None = None
    for number, request in enumerate(requests):
        assert request.tools == requests[0].tools
        if last is not None:
            assert request.messages.startswith(last.open_end), difference(number, last, request)
            assert request.messages[len(last.open_end) :][:1] in (b",", b"]"), difference(number, last, request)
        last = request if request.accepted else last


def difference(number: int, before: Request, after: Request) -> str:
    """Where two requests part, for whoever reads a failure."""
    pairs = zip(before.messages, after.messages, strict=False)
    at = next((place for place, (one, other) in enumerate(pairs) if one != other), len(after.messages))
    near = slice(max(0, at - 80), at + 160)
    return f"request {number}: {before.messages[near]!r} became {after.messages[near]!r}"


def sixty_turns() -> list[Planned]:
    """Every kind of turn at both servers, in an order drawn with a fixed seed; every fourth in a new process."""
    rng = Random(16)
    slow = [Planned(kind, server) for kind in TRIED_AGAIN for server in (0, 1)]
    kinds = [*SMOOTH, *FAILED, *STOPPED]
    others = [Planned(kind, server) for kind in kinds for server in (0, 1)]
    filling = [Planned(rng.choice(kinds), rng.randrange(2)) for _ in range(TURNS - 2 - len(slow) - len(others))]
    plan = [*slow, *others, *filling]
    rng.shuffle(plan)
    plan[:0] = [Planned(OVERFLOW, server) for server in (0, 1)]
    return [Planned(turn.kind, turn.server, number % 4 == 3) for number, turn in enumerate(plan)]


@pytest.mark.parametrize("described", [False, True], ids=["both take tools", "one has them described"])
def test_each_request_of_sixty_turns_begins_with_the_one_before_over_restarts_switches_and_failures(
    tmp_path: Path, described: bool
) -> None:
    plan = sixty_turns()
    assert len(plan) == TURNS
    assert {turn.kind for turn in plan} == {OVERFLOW, *SMOOTH, *FAILED, *STOPPED, *TRIED_AGAIN}
    if described:
        plan = plan[: TURNS // 3]

    sent, other, reused = asyncio.run(played(tmp_path / "home", plan, described=described))

    assert len(sent) > len(plan)
    assert min(reused) > (0.8 if len(plan) == TURNS else 0.5), reused
    first, second = of(sent, 0), of(sent, 1)
    check_prefixes(first)
    check_prefixes(second)
    if not described:
        check_prefixes([request for _, request in sent])
    assert first[0].tools
    assert bool(second[0].tools) is not described
    assert len(other) > 2
    assert {request.tools for request in other} == {first[0].tools}


async def played(
    home: Path, plan: list[Planned], *, described: bool = False, elsewhere: int = 7
) -> tuple[list[tuple[int, Request]], list[Request], list[float]]:
    """The requests of the session, those of the other one, and the share that each server had in its cache."""
    async with Conversation(home, plan, described=described, elsewhere=elsewhere) as conversation:
        await conversation.play()
        return conversation.requests(), conversation.elsewhere(), conversation.reused()


def of(sent: list[tuple[int, Request]], server: int) -> list[Request]:
    return [request for number, request in sent if number == server]


@settings(max_examples=20, deadline=None)
@given(
    plan=st.builds(
        lambda overflow, rest: [*overflow, *rest],
        st.lists(st.just(Planned(OVERFLOW)), max_size=1),
        st.lists(planned, min_size=2, max_size=6),
    )
)
def test_each_request_begins_with_the_one_before_whatever_happens_in_between(plan: list[Planned]) -> None:
    with TemporaryDirectory() as folder:
        sent, _, _ = asyncio.run(played(Path(folder) / "home", plan, elsewhere=0))

    check_prefixes([request for _, request in sent])


def test_two_requests_that_part_are_told_apart() -> None:
    one = Request(b"[]", b'[{"a":1},{"b":2}]', True)
    for other in (b'[{"a":1}]', b'[{"a":1},{"b":3}]', b'[{"a":1},{"b":2}', b'[ {"a":1},{"b":2}]'):
        with pytest.raises(AssertionError):
            check_prefixes([one, Request(b"[]", other, True)])
    for before, after in pairwise([one, one, Request(b"[]", b'[{"a":1},{"b":2},{"c":3}]', True)]):
        check_prefixes([before, after])
