"""Calls that the embedded server is held to: each of a hundred parses and fits its tool's schema."""

import pytest

from garra.wire.request import Endpoint
from tests.live.constrained_calls import faults
from tests.live.served import Served

pytestmark = [pytest.mark.anyio, pytest.mark.live]


async def test_a_hundred_of_a_hundred_constrained_calls_fit_their_schema(served: Served) -> None:
    assert await faults(Endpoint(served.base_url), "Garra/Smol-LM2") == []
