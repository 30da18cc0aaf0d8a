"""The checks of what a model answers: a chat, its thinking, structured output, and the counting of its tokens."""

from typing import Any

import msgspec

from garra.agent.budget import estimate_tokens
from garra.doctor.asking import Heard, Question, ask, said, without_thinking
from garra.doctor.finding import Finding, broken, hint, ok
from garra.doctor.parsers import reasoning_parser
from garra.doctor.subject import Subject
from garra.errors import ContextOverflow, GarraError, RequestRefused, ServerBusy, ServerFailed
from garra.models.thinking import label, levels_of
from garra.wire.body import decode
from garra.wire.messages import User

CHAT_TOKENS = 24
_GREETING = User("Greet me in one word.")
_BIRDS = ("kestrel", "heron")
_SCHEMA = {
    "type": "object",
    "properties": {"bird": {"enum": list(_BIRDS)}},
    "required": ["bird"],
    "additionalProperties": False,
}
_NOT_ANSWERED = (RequestRefused, ServerFailed, ServerBusy)


async def check_chat(subject: Subject) -> tuple[Finding, Heard | None]:
    """One greeting, and how long it took to begin."""
    try:
        heard = await ask(subject, Question((_GREETING,), CHAT_TOKENS))
    except GarraError as error:
        return _refused(await subject.models.explain(error, subject.chosen), subject), None
    spent = f"the first word took {heard.first_s:.2f} s"
    if not heard.text and not heard.reply.reasoning:
        means = "The model ended its reply at once. Its chat template may not fit it."
        return hint(
            "chat", f"the reply was empty ({heard.finish}), {spent}", means, subject.serve("--chat-template", "FILE")
        ), heard
    return ok("chat", f"it said {said(heard.text or heard.reply.reasoning)}; {spent}"), heard


def _refused(error: GarraError, subject: Subject) -> Finding:
    head, *rest = str(error).splitlines()
    ref, mend = str(subject.chosen.ref), [subject.garra("models", "status")]
    if isinstance(error, ContextOverflow):
        mend = [subject.serve("--max-model-len", "8192")]
    elif isinstance(error, RequestRefused) and error.param in subject.chosen.params:
        mend = [subject.garra("config", "unset", f"{place}.{error.param}") for place in _places(subject, ref)]
    elif isinstance(error, RequestRefused) and "chat template" in head.lower():
        mend = [subject.serve("--chat-template", "FILE")]
    return broken("chat", head, "\n".join(rest), *mend)


def _places(subject: Subject, ref: str) -> list[str]:
    """Where the configuration may hold parameters for the model."""
    defaults = subject.configuration.config.agents.defaults
    own = f'agents.defaults.models["{ref}"].params'
    return ["agents.defaults.params"] if defaults.params else [own]


def check_thinking(subject: Subject, heard: Heard) -> Finding:
    """Whether the model thinks before it answers, and whether its server tells that from the answer."""
    reply, flags = heard.reply, ("--reasoning-parser", reasoning_parser(f"{subject.weights} {subject.chosen.ref.id}"))
    inline = "<think>" in reply.text or "</think>" in reply.text
    if inline or (reply.reasoning and not reply.reasoning_field):
        if subject.is_ours:
            return ok("thinking", "the model thinks, as text: <think>", "Garra takes it out of the answer.")
        means = "Garra takes it out of the answer itself. With a reasoning parser the server does, and better."
        return hint(
            "thinking", "the model thinks, and the server sends it as text: <think>", means, subject.serve(*flags)
        )
    if reply.reasoning:
        seen = f"the model thinks; the server sends it apart, as `{reply.reasoning_field}`"
        return ok("thinking", f"{seen}{_offered(subject)}")
    return ok("thinking", f"the model answered without thinking{_offered(subject)}")


def _offered(subject: Subject) -> str:
    """The levels that a person can choose."""
    levels = ", ".join(label(subject.chosen, level) for level in levels_of(subject.chosen))
    return f"; it offers {levels} (/think)" if levels else ""


async def check_structured(subject: Subject) -> Finding:
    """Whether a reply can be held to a schema, which the model would not write by itself."""
    fields: dict[str, Any] = {"structured_outputs": {"json": _SCHEMA}} | without_thinking(subject)
    means = "Where the server takes no `tools` either, tool calls are then read from the text as they come."
    mend = "pip install --upgrade vllm"
    try:
        heard = await ask(subject, Question((_GREETING,), 64, fields=fields))
    except _NOT_ANSWERED as error:
        return hint("structured output", str(error).splitlines()[0], means, mend, subject.serve())
    if _fits(heard.text):
        return ok("structured output", f"a reply was held to a schema: {said(heard.text)}")
    other = subject.able.structured_form if subject.able is not None else ""
    if other not in ("", "structured_outputs"):
        return ok("structured output", f"replies can be held to a schema, by `{other}` alone")
    return hint("structured output", f"a schema was not kept to: {said(heard.text)}", means, mend, subject.serve())


def _fits(text: str) -> bool:
    try:
        value = decode(text)
    except ValueError:
        return False
    return isinstance(value, dict) and list(value) == ["bird"] and value["bird"] in _BIRDS


async def check_tokenizer(subject: Subject, heard: Heard) -> Finding:
    """Whether the server counts a prompt beforehand, and comes to what it then bills."""
    chosen, used = subject.chosen, heard.usage
    counted = await subject.models.count_tokens(chosen, (_GREETING,))
    reckoned = "Prompts are estimated instead, carefully, so that less of the window is used."
    curl = f"curl {chosen.endpoint.base_url.removesuffix('/v1')}/tokenize -H 'content-type: application/json' -d "
    asked = msgspec.json.encode({"model": chosen.ref.id, "prompt": "hello"}).decode()
    mend = f"{curl}'{asked}'"
    if counted is None:
        guess = estimate_tokens((_GREETING,), ())
        return hint("tokenizer", f"the server does not count ({guess} tokens were estimated)", reckoned, mend)
    if used is None:
        means = "How full a conversation is can only be counted, not read from the replies."
        return hint("tokenizer", f"it counts {counted} tokens; its replies do not tell theirs", means, mend)
    if counted != used.prompt_tokens:
        means = "What is counted beforehand is not what is sent: perhaps by another chat template."
        return hint("tokenizer", f"it counts {counted} tokens, and its reply says {used.prompt_tokens}", means, mend)
    return ok("tokenizer", f"it counts {counted} tokens, as its reply does")
