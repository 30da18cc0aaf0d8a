"""What a chat request and a model's address are, as values. Sends nothing."""

from typing import Any

import msgspec

from garra.wire.dialect import PLAIN, Dialect
from garra.wire.http import Timeouts
from garra.wire.messages import Message, ToolSpec


class ChatRequest(msgspec.Struct, frozen=True):
    """One request. `params` holds wire names and is merged into the body last but for `extra`."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = "auto"
    max_tokens: int | None = None
    params: dict[str, Any] = {}
    extra: dict[str, Any] = {}


class Endpoint(msgspec.Struct, frozen=True):
    """Where a model is served. `provider` and `model_ref` are for messages to people only."""

    base_url: str
    api_key: str | None = None
    headers: dict[str, str] = {}
    timeouts: Timeouts = Timeouts()
    max_tokens_field: str = "max_tokens"
    dialect: Dialect = PLAIN
    provider: str = "vllm"
    model_ref: str = ""

    def url(self, path: str) -> str:
        """The address of a route below the base URL, such as `chat/completions`."""
        return f"{self.base_url.rstrip('/')}/{path}"

    def request_headers(self) -> dict[str, str]:
        """The configured headers, and the key as bearer unless they carry an Authorization of their own."""
        named = {name.lower() for name in self.headers}
        bearer = {"authorization": f"Bearer {self.api_key}"} if self.api_key and "authorization" not in named else {}
        return {"accept": "text/event-stream, application/json", **bearer, **self.headers}

    def __repr__(self) -> str:
        """Without the key and the headers, since values end up in logs and test reports."""
        return f"Endpoint({self.provider} at {self.base_url.rpartition('@')[2]}, {self.model_ref!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("provider", self.provider), ("model_ref", self.model_ref)]
