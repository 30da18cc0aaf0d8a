"""What the client must make of each recording, as a person reads it there. Every file stands in exactly one table.

The words were taken from the recordings by eye and by a JSON parser, never from the client's own output.
"""

import msgspec

from garra.errors import AuthRejected, ContextOverflow, ModelError, ModelNotFound, RequestRefused
from garra.wire.events import Usage
from garra.wire.messages import ToolCall

GREETING = "I'm glad you're enjoying the service. I'm here to help with any language-related tasks. What can I"
PARIS = "Paris, the City of Light, the capital of art and culture. The weather in Paris is quite unique, with a"
PARIS_LONG = f"{PARIS} mix of sunny days and rainy nights. The city is known for its warm and"
PERSON = '{\n  "name": "Alejandro",\n  "age": 25\n}'
PERSON_LONG = (
    '{\n  "name": "Alejandro",\n  "age": 25,\n  "gender": "Male",\n  "occupation": "Engineer",\n  "city": "Amaradella",'
    '\n  "address": {\n    "street_address": "Amaradella'
)
PARTS = "I'm glad you're here. I'm here to help with any kind of creative writing project. What can I help"
UNIQUE = "The weather in Paris is quite unique, with a temperature of 21 degrees Celsius."


class Read(msgspec.Struct, frozen=True):
    """A reply as it must be read."""

    text: str
    finish: str
    usage: Usage | None
    calls: tuple[ToolCall, ...] = ()


class Refused(msgspec.Struct, frozen=True):
    """The error that must be raised. `words` stand in its message; the rest are the numbers and names it carries."""

    kind: type[ModelError]
    words: tuple[str, ...]
    http_status: int | None = None
    param: str | None = None
    limit: int | None = None
    asked: int | None = None
    served: tuple[str, ...] = ()


def _paris(call_id: str) -> tuple[ToolCall, ...]:
    return (ToolCall(call_id, "get_weather", '{"city": "Paris"}'),)


def _bare(call_id: str) -> tuple[ToolCall, ...]:
    """Asked for with `required` or by name, the arguments came as a bare string. What came is what is kept."""
    return (ToolCall(call_id, "get_weather", '"Paris"'),)


REPLIES: dict[str, Read] = {
    "key/chat-sekret": Read(GREETING, "length", Usage(36, 24)),
    "plain/tools-none": Read(PARIS, "length", Usage(41, 24)),
    "tools/chat": Read(GREETING, "length", Usage(36, 24)),
    "tools/chat-continue": Read("per.", "stop", Usage(37, 3)),
    "tools/chat-json-object": Read(PERSON_LONG, "length", Usage(35, 60)),
    "tools/chat-json-schema": Read(PERSON, "stop", Usage(35, 21)),
    "tools/chat-length": Read("I'm glad", "length", Usage(36, 3)),
    "tools/chat-logprobs": Read("I'm glad you", "length", Usage(36, 4)),
    "tools/chat-max-completion-tokens": Read("I'm glad", "length", Usage(36, 3)),
    "tools/chat-n": Read('In one word, "Shelter."', "stop", Usage(36, 34)),
    "tools/chat-parts": Read(PARTS, "length", Usage(37, 24)),
    "tools/chat-sampling": Read("Maraus! I'm glad to help!", "stop", Usage(36, 11)),
    "tools/chat-stop": Read("1. 1\n2. 2\n", "stop", Usage(36, 11)),
    "tools/chat-stop-token-ids": Read(GREETING, "length", Usage(36, 24)),
    "tools/chat-stream": Read(GREETING, "length", None),
    "tools/chat-stream-continuous-usage": Read(GREETING, "length", Usage(36, 24)),
    "tools/chat-stream-usage": Read(GREETING, "length", Usage(36, 24)),
    "tools/chat-structured-choice": Read("green", "stop", Usage(36, 4)),
    "tools/chat-structured-json": Read(PERSON, "stop", Usage(35, 21)),
    "tools/chat-structured-regex": Read("no, 12", "stop", Usage(36, 7)),
    "tools/chat-system": Read("Je ne sais pas.", "stop", Usage(24, 7)),
    "tools/chat-token-ids": Read("I'm glad", "length", Usage(36, 3)),
    "tools/error-role": Read("Hello! How can I assist you today?", "stop", Usage(31, 10)),
    "tools/no-max-tokens-stop": Read("I'm glad you're enjoying the service", "stop", Usage(36, 9)),
    "tools/no-model": Read("I'm glad you", "length", Usage(36, 4)),
    "tools/tools-auto": Read(PARIS_LONG, "length", Usage(41, 40)),
    "tools/tools-auto-stream": Read(PARIS_LONG, "length", Usage(41, 40)),
    "tools/tools-bad-schema": Read('<tool_call>\n{"name": "x", "argumen', "length", Usage(41, 24)),
    "tools/tools-hermes-text": Read("", "tool_calls", Usage(41, 49), _paris("chatcmpl-tool-aa47fadd9c0aa6e3")),
    "tools/tools-hermes-text-stream": Read("", "tool_calls", Usage(41, 49), _paris("chatcmpl-tool-a3c0ab604084b446")),
    "tools/tools-history": Read(UNIQUE, "stop", Usage(52, 19)),
    "tools/tools-named": Read("", "stop", Usage(41, 45), _bare("chatcmpl-tool-862da7bf3bd24192")),
    "tools/tools-none": Read(PARIS, "length", Usage(41, 24)),
    "tools/tools-required": Read("", "tool_calls", Usage(41, 45), _bare("chatcmpl-tool-926d388282df3ccf")),
    "tools/tools-required-stream": Read("", "tool_calls", Usage(41, 45), _bare("chatcmpl-tool-b2fb5bfec246f5c5")),
    "tools/unknown-field": Read(GREETING, "length", Usage(36, 24)),
}
"""Successes of the chat route."""

_NO_PARSER = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
_NO_ROUTE = "There is no such route"

REFUSALS: dict[str, Refused] = {
    "key/chat-none": Refused(AuthRejected, ("HTTP 401", "Unauthorized", "VLLM_API_KEY", "garra auth set vllm")),
    "key/models-none": Refused(AuthRejected, ("HTTP 401", "Unauthorized", "VLLM_API_KEY", "garra auth set vllm")),
    "plain/tools-auto": Refused(RequestRefused, (_NO_PARSER,), 400),
    "plain/tools-auto-explicit": Refused(RequestRefused, (_NO_PARSER,), 400),
    "plain/tools-required": Refused(RequestRefused, ('tool_choice="required" requires --tool-call-parser',), 400),
    "tools/embeddings": Refused(RequestRefused, ("Not Found", _NO_ROUTE), 404),
    "tools/error-completion-prompt": Refused(RequestRefused, ("Either prompt or prompt_embeds",), 400, "prompt"),
    "tools/error-json": Refused(RequestRefused, ("JSON decode error",), 400, "body.10"),
    "tools/error-logprobs": Refused(RequestRefused, ("`logprobs` must be set to true",), 400, "top_logprobs"),
    "tools/error-max-tokens": Refused(RequestRefused, ("max_tokens must be at least 1, got 0",), 400, "max_tokens"),
    "tools/error-messages-type": Refused(RequestRefused, ("Input should be a valid list",), 400, "body.messages"),
    "tools/error-model": Refused(
        ModelNotFound, ("HTTP 404", "`nothing` does not exist", "garra models set vllm/smollm2"), served=("smollm2",)
    ),
    "tools/error-no-messages": Refused(RequestRefused, ("Field required",), 400, "body.messages"),
    "tools/error-schema": Refused(RequestRefused, ("Grammar error: Invalid type: banana",), 400),
    "tools/error-stream-options": Refused(RequestRefused, ("Stream options can only be",), 400, "stream_options"),
    "tools/error-temperature": Refused(
        RequestRefused, ("temperature must be non-negative, got -1.0",), 400, "temperature"
    ),
    "tools/error-tokenize": Refused(ModelNotFound, ("`nothing` does not exist",), served=("smollm2",)),
    "tools/error-too-long": Refused(ContextOverflow, ("maximum context length is 8192",), limit=8192, asked=8193),
    "tools/unknown-route": Refused(RequestRefused, ("Not Found", _NO_ROUTE), 404),
    "tools/wrong-method": Refused(RequestRefused, ("HTTP 405", "Method Not Allowed"), 405),
}
"""Every answer that is no success, whichever route it came from."""

LISTINGS = ("key/models-sekret", "tools/models")
"""What /v1/models lists: smollm2 alone, with a window of 8,192 tokens."""

COUNTS: dict[str, int] = {
    "key/tokenize-none": 1,
    "key/tokenize-sekret": 1,
    "key/tokenize-wrong": 1,
    "tools/tokenize": 9,
    "tools/tokenize-messages": 34,
    "tools/tokenize-tools": 41,
}
"""What /tokenize counts."""

VERSIONS = ("key/version-none", "key/version-sekret", "key/version-wrong", "tools/version")
"""What /version says: 0.32.0."""

ALIVE = ("key/health-none", "key/health-sekret", "key/health-wrong", "tools/health")
"""/health: a 200 without a body, whatever key is sent."""

METRICS = ("tools/metrics",)
"""Prometheus text."""

OTHER_APIS: dict[str, str | None] = {
    "tools/anthropic-messages": None,
    "tools/completion": " Paris.\n\nThe answer is: 201",
    "tools/completion-batch": " or three, and the number of digits in each string.",
    "tools/completion-echo": "The capital of France is Paris.\n",
    "tools/completion-stop": " Paris",
    "tools/completion-stream": " Paris.\n\nThe answer is: 201",
    "tools/detokenize": None,
    "tools/responses": None,
}
"""Successes of routes that the client never asks, and the text that each is as the answer to a chat; None: no reply."""
