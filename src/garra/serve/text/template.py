"""A model's chat template, rendered in a sandbox the way that transformers renders it.

The template comes with the model, never with a request. It may not run long or write without end: both are bounded,
as far as it yields at all. What clients wrote is guarded (see `guard`) before it is rendered.
"""

import json
import time
from datetime import datetime
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import Struct

from garra.errors import RequestRefused, ServeError
from garra.serve.text.guard import Guard, free_mark

LIMIT_S = 10.0
LIMIT_CHARS = 64 * 1024 * 1024


class Rendered(Struct, frozen=True):
    """A prompt as text. `mark` breaks what only looks like a control token; "" where nothing did."""

    text: str
    mark: str = ""

    @property
    def plain(self) -> str:
        """The prompt as a person would read it."""
        return self.text.replace(self.mark, "") if self.mark else self.text


class Conversation(Struct, frozen=True, kw_only=True):
    """What a template is rendered with."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None = None
    documents: list[dict[str, Any]] | None = None
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    variables: dict[str, Any] = {}


class ChatTemplate:
    """One template, compiled. `special_tokens`: `bos_token`, `eos_token` and the like, as the template names them."""

    def __init__(
        self,
        source: str,
        *,
        controls: tuple[str, ...] = (),
        special_tokens: dict[str, str] | None = None,
        limit_chars: int = LIMIT_CHARS,
    ) -> None:
        self._limit_chars = limit_chars
        self.source = source
        self._guard = Guard(controls)
        self._special_tokens = special_tokens or {}
        environment = _environment()
        try:
            self._template = environment.from_string(source)
            self.wants_parts = _loops_over_content(environment.parse(source))
        except TemplateError as error:
            raise ServeError(f"The model's chat template cannot be compiled: {error}") from error

    def render(self, conversation: Conversation) -> Rendered:
        """The prompt for a conversation. Raises `RequestRefused` where the template says no."""
        asked = {
            "messages": conversation.messages,
            "tools": conversation.tools,
            "documents": conversation.documents,
            **conversation.variables,
        }
        mark = free_mark(json.dumps(asked, ensure_ascii=False), self.source)
        guarded = self._guard.protect(asked, mark)
        changed = guarded != asked
        if not conversation.continue_final_message:
            text = self._write(guarded, conversation.add_generation_prompt)
            return Rendered(text, mark if changed else "")
        tag = mark * 3 + " "
        _append_to_last(guarded["messages"], tag)
        text = self._write(guarded, conversation.add_generation_prompt)
        return Rendered(_cut_at(text, tag), mark if changed else "")

    def _write(self, variables: dict[str, Any], add_generation_prompt: bool) -> str:
        pieces: list[str] = []
        size, until = 0, time.monotonic() + LIMIT_S
        names = {**self._special_tokens, **variables, "add_generation_prompt": add_generation_prompt}
        try:
            for piece in self._template.generate(names):
                pieces.append(piece)
                size += len(piece)
                if size > self._limit_chars or time.monotonic() > until:
                    raise RequestRefused("The chat template wrote too much, or for too long.", param="messages")
        except TemplateError as error:
            raise RequestRefused(str(error), param="messages") from error
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise RequestRefused(f"The chat template cannot render this: {error}", param="messages") from error
        return "".join(pieces)


def _append_to_last(messages: list[dict[str, Any]], tag: str) -> None:
    content = messages[-1].get("content") if messages else None
    if isinstance(content, str):
        messages[-1]["content"] = content + tag
        return
    texts = [part for part in content or () if isinstance(part, dict) and "text" in part]
    if not texts:
        raise RequestRefused("continue_final_message is set, but the final message has no text to continue.")
    texts[-1]["text"] += tag


def _cut_at(text: str, tag: str) -> str:
    place = text.rfind(tag.strip())
    if place < 0:
        raise RequestRefused(
            "continue_final_message is set, but the chat template does not show the final message in the prompt."
        )
    kept = text[:place]
    return kept if text.startswith(tag, place) else kept.rstrip()


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _GenerationBlocks]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


class _GenerationBlocks(Extension):
    """`{% generation %}…{% endgeneration %}` marks what a model wrote, for training; here it changes nothing."""

    tags = {"generation"}  # noqa: RUF012 - the name and kind are jinja2's

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _loops_over_content(template: nodes.Template) -> bool:
    """Whether the template walks over a message's content in parts, and so must be given parts, not a string."""
    aliases = {
        assign.target.name
        for assign in template.find_all(nodes.Assign)
        if isinstance(assign.target, nodes.Name) and _is_content(assign.node)
    }
    loops = (loop.iter for loop in template.find_all(nodes.For))
    return any(_is_content(node) or (isinstance(node, nodes.Name) and node.name in aliases) for node in loops)


def _is_content(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Filter) and node.node is not None:
        return _is_content(node.node)
    if isinstance(node, nodes.Getattr):
        return node.attr == "content"
    return isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and node.arg.value == "content"
