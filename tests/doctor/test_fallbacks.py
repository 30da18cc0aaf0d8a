"""What the doctor finds about the models that are asked when the first one fails."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from garra.doctor.finding import Finding
from garra.testing import ScriptedModel
from tests.doctor.script import WELL

pytestmark = pytest.mark.anyio
Write = Callable[[Any], None]
Findings = Callable[..., Awaitable[dict[str, Finding]]]


def configuration(first: ScriptedModel, spare: ScriptedModel, *fallbacks: str) -> dict[str, Any]:
    providers = {"vllm": {"baseUrl": first.base_url}, "spare": {"baseUrl": spare.base_url}}
    model = {"primary": "vllm/scripted", "fallbacks": list(fallbacks)}
    return {"models": {"providers": providers}, "agents": {"defaults": {"model": model}}}


async def test_fallbacks_that_are_there_are_well(write: Write, findings: Findings) -> None:
    async with ScriptedModel(WELL) as first, ScriptedModel(model="small") as spare:
        write(configuration(first, spare, "spare/small"))

        found = (await findings())["fallbacks"]

    assert (found.state, found.seen) == ("ok", "spare/small, should vllm/scripted fail")


async def test_fallbacks_that_could_not_answer_are_named_with_the_list_without_them(
    write: Write, findings: Findings
) -> None:
    async with ScriptedModel(WELL) as first, ScriptedModel(model="small") as spare:
        write(configuration(first, spare, "nope/x", "spare/large", "VLLM/scripted", "spare/small"))

        found = (await findings())["fallbacks"]

    assert found.state == "hint"
    assert 'nope/x: There is no provider "nope".' in found.seen
    assert f"{spare.base_url} does not list large; it serves small" in found.seen
    assert "VLLM/scripted is the first model again" in found.seen
    assert found.mend[-1] == """garra config set agents.defaults.model.fallbacks '["spare/small"]'"""


async def test_they_are_looked_at_while_the_first_model_is_down(write: Write, findings: Findings) -> None:
    async with ScriptedModel() as first, ScriptedModel(model="small") as spare:
        await first.stop()
        write(configuration(first, spare, "spare/small"))

        found = await findings()

    assert found["server"].state == "broken"
    assert found["fallbacks"].state == "ok"


async def test_without_any_nothing_is_said(write: Write, findings: Findings) -> None:
    async with ScriptedModel(WELL) as first:
        write({"models": {"providers": {"vllm": {"baseUrl": first.base_url}}}})

        assert "fallbacks" not in await findings()
