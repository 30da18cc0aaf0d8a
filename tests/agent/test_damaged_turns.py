"""Whole turns on damaged servers: none becomes a traceback, none costs the session, and what had arrived is kept.

The damage is that of `tests.wire.damage`, a part of it drawn with a fixed seed; the wire's own tests play all of it.
"""

from random import Random

import pytest

from garra.agent.events import TurnFinished
from garra.errors import ContextOverflow, ModelError
from garra.sessions.entries import Failed
from garra.sessions.transcript import open_calls
from garra.testing import Failure, Raw, ScriptedModel, Step
from garra.testing.script import Ending
from garra.wire.messages import Assistant
from tests.agent.conftest import Desk, Sit
from tests.wire.damage.case import Broken, Case, Right
from tests.wire.damage.cuts import cut_streams
from tests.wire.damage.framing import framings
from tests.wire.damage.late import late_errors
from tests.wire.damage.mixed import mixed_calls
from tests.wire.damage.streams import JUNK, TEXT_STREAM, changed, short, sse
from tests.wire.damage.types import wrong_types

pytestmark = pytest.mark.anyio

EACH = 14
ENDINGS: dict[str, Ending] = {"keep": "whole", "close": "cut", "reset": "reset"}


def drawn() -> list[Case]:
    """Some cases of each family, those that are a body within a 200 and do not make the test wait."""
    rng = Random(22)
    cases: list[Case] = []
    for family in (cut_streams, wrong_types, mixed_calls, late_errors, framings):
        fitting = [case for case in family() if case.body is not None and case.ending in ENDINGS]
        cases += rng.sample(fitting, EACH)
    return cases


def raw(case: Case) -> Raw:
    assert case.body is not None
    return Raw(case.body, case.kind, ENDINGS[case.ending])


async def goes_on(desk: Desk) -> None:
    """The next turn is as good as any, and no call was left open."""
    events = await desk.say("And now?")

    assert isinstance(events[-1], TurnFinished)
    assert events[-1].text == "Good."
    assert open_calls(await desk.entries()) == ()


@pytest.mark.parametrize("case", drawn(), ids=lambda case: case.name)
async def test_a_turn_on_a_damaged_answer_keeps_what_came_and_the_session_goes_on(sit: Sit, case: Case) -> None:
    async with ScriptedModel([raw(case), "Good."], max_model_len=100_000) as server, sit(server) as desk:
        error: ModelError | None = None
        try:
            await desk.say("Hello?")
        except ModelError as raised:
            error = raised

        said = [message for message in await desk.stored() if isinstance(message, Assistant)]
        if isinstance(case.expected, Broken) and case.expected.kind is ContextOverflow:
            assert said[0].text == "Good."  # the window that it tells of is believed, and the request sent again
        elif isinstance(case.expected, Broken):
            assert isinstance(error, case.expected.kind), error
            assert case.expected.text.strip() == "" or said[0].text.startswith(case.expected.text)
            assert any(isinstance(entry.item, Failed) for entry in await desk.entries())
        else:
            assert error is None
            check_reply(said[0], case.expected, desk)
        await goes_on(desk)


def check_reply(said: Assistant, expected: Right, desk: Desk) -> None:
    """The reply is stored as an ideal reader reads it, and every call of it was answered before the turn ended."""
    assert said.text == expected.text
    assert [call.name for call in said.calls] == [name for name, _ in expected.calls]
    last = desk.events[-1]
    assert isinstance(last, TurnFinished)
    assert last.steps == (2 if expected.calls else 1)


@pytest.mark.parametrize("usage", [*JUNK, 10**6, 2**31 - 1], ids=short)
async def test_a_wrong_count_of_tokens_does_not_cost_the_session(sit: Sit, usage: object) -> None:
    counted = changed(TEXT_STREAM[4], ("usage", "prompt_tokens"), usage)
    body = sse([*TEXT_STREAM[:4], counted])
    async with ScriptedModel([Raw(body), "Good."], max_model_len=32_768) as server, sit(server) as desk:
        await desk.say("Hello?")

        await goes_on(desk)


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 418, 429, 500, 502, 503, 599])
@pytest.mark.parametrize(
    "body", ["", "<html>", "[" * 10_000, {"error": {"message": 7}}], ids=["none", "page", "deep", "odd"]
)
async def test_a_refusal_of_any_kind_ends_the_turn_and_not_the_session(sit: Sit, status: int, body: object) -> None:
    script: list[Step] = [Failure(status, body, {"location": "http://127.0.0.2:1/"}), "Good."]
    async with ScriptedModel(script) as server, sit(server) as desk:
        with pytest.raises(ModelError):
            await desk.say("Hello?")

        await goes_on(desk)
