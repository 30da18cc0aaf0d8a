"""V17 on the real server: calls that are bound always parse, and calls that its parser leaves in the text are read."""

from contextlib import aclosing
from pathlib import Path

import pytest

from garra.agent.calls.reading import read_calls
from garra.wire.chat import ChatCompletions
from garra.wire.events import Reply
from garra.wire.messages import Assistant, ToolSpec, User
from garra.wire.request import ChatRequest, Endpoint
from tests.live.constrained_calls import faults
from tests.live.vllm.real import MODEL, Real

pytestmark = [pytest.mark.anyio, pytest.mark.live]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = ToolSpec("get_weather", "Current weather of a city.", PARAMETERS)
FORMS = {
    "hermes": r'<tool_call>\n\{"name": "get_weather", "arguments": \{"city": "Paris"\}\}\n</tool_call>',
    "qwen xml": r"<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n</function>\n</tool_call>",  # noqa: E501
    "llama json": r'\{"name": "get_weather", "parameters": \{"city": "Paris"\}\}',
    "mistral": r'\[TOOL_CALLS\]\[\{"name": "get_weather", "arguments": \{"city": "Paris"\}\}\]',
    "pythonic": r'\[get_weather\(city="Paris"\)\]',
}
"""What the model is bound to write, whatever the parser that the server was started with."""

SWALLOWED = {("parser", "qwen xml"), ("key", "mistral")}
"""vLLM's own parsers lose these while they stream: no text, no call, finish reason `stop`. Not streamed, the text is
there. Nothing can be read from such a reply; that tokens were made and none came is how it is known."""


@pytest.mark.timeout(600)
async def test_a_hundred_of_a_hundred_calls_that_are_held_to_their_schema_fit_it(real: Real) -> None:
    if real.name == "key":
        pytest.skip("held in the same way with a key")
    assert await faults(Endpoint(real.base_url, real.sent_key), MODEL, at_once=16) == []


@pytest.mark.parametrize("form", FORMS)
async def test_a_call_in_any_form_is_read_whatever_parser_the_server_has(real: Real, home: Path, form: str) -> None:
    """Where the server takes tools they are sent, so that its parser is at work: the wrong one for most forms."""
    tools = () if real.name == "plain" else (WEATHER,)
    bound = {"structured_outputs": {"regex": FORMS[form]}, "temperature": 0}
    request = ChatRequest(MODEL, (User("Weather?"),), tools=tools, max_tokens=120, params=bound)
    reply = Reply()

    async with real.models(home) as (http, models):
        chosen = await models.choose(None)
        events = read_calls(ChatCompletions(http, chosen.endpoint).stream(request), (WEATHER,))
        async with aclosing(events):
            async for event in events:
                reply.add(event)

    if (real.name, form) in SWALLOWED:
        assert reply.message() == Assistant()
        assert reply.usage is not None
        assert reply.usage.completion_tokens > 10
        return
    assert [(call.name, call.arguments.replace(" ", "")) for call in reply.calls] == [
        ("get_weather", '{"city":"Paris"}')
    ]
    assert reply.text.strip() == ""
