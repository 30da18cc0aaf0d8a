"""A scripted model that passes every check of `garra doctor`, piece by piece, so that a test can spoil one."""

import json
from typing import Any

from garra.testing import Answer, Call
from garra.testing.script import Step
from tests.doctor.conftest import at

CITY = {"city": "Paris"}
GREETING: Step = "Hello."
NATIVE_CALL: Step = Call("c1", "weather", CITY)
AS_TEXT = f'<tool_call>\n{{"name": "weather", "arguments": {json.dumps(CITY)}}}\n</tool_call>'
BIRD: Step = '{"bird": "heron"}'
CACHED: Step = Answer(("yes",), cached_tokens=90)
WELL: list[Step] = [GREETING, NATIVE_CALL, AS_TEXT, AS_TEXT, BIRD, CACHED, CACHED]
"""What a good model answers to the checks, in their order."""


def listing(base_url: str, model: str = "scripted", **more: Any) -> dict[str, Any]:
    """A configuration with this server and this model."""
    return at(base_url, **more) | {"agents": {"defaults": {"model": f"vllm/{model}"}}}
