"""Servers of several makes as they are seen by trying: what they take, pass over and refuse, and how they count."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from garra.testing.protocol import Received

Answers = dict[str, tuple[int, Any]]

BAD = {"error": {"message": "no", "type": "BadRequestError", "code": 400}}


class Make(msgspec.Struct, frozen=True):
    """How a server behaves. `binds`: the fields that it holds a reply to; all others are passed over in silence."""

    shows: bool = True
    """Whether the template shows the tools to the model."""
    needs_system: bool = False
    """Whether the template shows them beside a system message only."""
    refuses: Callable[[dict[str, Any]], tuple[int, Any] | None] = lambda body: None
    binds: Sequence[str] = ()
    told: bool = True
    """Whether replies say how long the prompt was."""
    sees_images: bool = False

    def chat(self, request: Received) -> tuple[int, Any]:
        """The answer to a chat request."""
        body = request.body
        if refusal := self.refuses(body):
            return refusal
        usage = {"usage": {"prompt_tokens": self.prompt_tokens(body), "completion_tokens": 1}} if self.told else {}
        message = {"role": "assistant", "content": self._said(body)}
        return 200, {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], **usage}

    def prompt_tokens(self, body: dict[str, Any]) -> int:
        """Ten a message, fifty for tools that are shown, a hundred for an image that is seen."""
        roles = [message["role"] for message in body["messages"]]
        shown = self.shows and body.get("tools") and ("system" in roles or not self.needs_system)
        seen = self.sees_images and "data:image/png;base64," in json.dumps(body["messages"])
        return 10 * len(roles) + (50 if shown else 0) + (100 if seen else 0)

    def _said(self, body: dict[str, Any]) -> str:
        if "structured_outputs" in self.binds and "choice" in body.get("structured_outputs", {}):
            return "yes"
        if any(field in body for field in self.binds if field != "structured_outputs"):
            return '{"answer": "no"}'
        return "Yes, hello there!"


def serving(make: Make, **routes: Any) -> Answers:
    """The answers of a server of this make, with one model, and with these answers to GETs."""
    gets = {f"GET /{name}": (200, body) for name, body in routes.items()}
    return {"GET /v1/models": (200, {"data": [{"id": "m"}]}), "POST /v1/chat/completions": (200, make.chat)} | gets


def tokenizing(make: Make, *, with_tools: bool = True) -> tuple[int, Any]:
    """A /tokenize route. An older one passes over the tools of its request."""

    def answer(request: Received) -> tuple[int, Any]:
        body = request.body if with_tools else {**request.body, "tools": None}
        return 200, {"count": make.prompt_tokens(body)}

    return 200, answer


def no_tools(body: dict[str, Any]) -> tuple[int, Any] | None:
    """What refuses tools as vLLM does without its tool flags."""
    text = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
    return (400, {"error": {"message": text, "type": "BadRequestError", "code": 400}}) if body.get("tools") else None
