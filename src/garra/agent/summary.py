"""What a summary must hold: the instruction that asks for it, what is wrong with one, and one made without a model.

Texts in, texts out; nothing is sent. A path, a URL or an id that a person wrote is checked for byte by byte: a model
that goes on with a path that is nearly right does harm.
"""

import json
import re
from collections.abc import Iterator, Sequence

import msgspec

from garra.agent.budget import text_tokens
from garra.sessions.entries import images, written_text
from garra.sessions.transcript import SUMMARY_LEAD
from garra.wire.messages import Assistant, Message, ToolResult, User

INSTRUCTION = """\
[This is the assistant's own process, not the person.] Write a summary of the conversation above, in its language. It \
will stand in the place of all those messages: whatever it leaves out is forgotten. Do not answer the person and call \
no tool. Use these headings, and leave out those with nothing under them:
## Goal
What the person wants, and how they want it done.
## Decisions
What was decided, and why.
## Done
What was done and found out, results with their numbers.
## Open tasks
What is still to do, the next step first.
## Facts to keep
Copy file paths, URLs, ids, names, numbers, commands and error messages exactly as they stand.
If there is a summary above already, take over what still holds. No more than {words} words, nothing before or after."""

MESSAGES_CHECKED = 5
MOST_IDENTIFIERS = 30
LONGEST_IDENTIFIER_CHARS = 200
EDGE_CHARS = 1_500
"""Of a message longer than two of these, a pasted log say, the middle is not searched."""

_IDENTIFIER = re.compile(
    r"""https?://[^\s<>"'`)\]]+
    | ~?/[\w.@+-]+(?:/[\w.@+-]+)*                # an absolute path
    | (?<![\w/])[\w.@+-]+(?:/[\w.@+-]+)+         # a relative one
    | (?<![\w./])[\w-]{2,}\.[a-z][a-z0-9]{0,4}\b # a file
    | \b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])\w[\w-]{3,}\b
    | \#\d+ | \b\d[\d.,-]{2,}\d\b                # 12500, 2026-11-30""",
    re.VERBOSE,
)
_CALL_OPENS = "<tool_call>"
_PUNCTUATION = ".,:;!?"


def instruction(words: int, *, focus: str = "", wanted: Sequence[str] = (), shorter: bool = False) -> str:
    """The message that asks for the summary. `wanted`: what the last one left out."""
    parts = [INSTRUCTION.format(words=words)]
    if focus:
        parts.append(f"The person asks in particular: {focus}")
    if wanted:
        parts.append(f"It must contain, exactly as written here: {'  '.join(wanted)}")
    if shorter:
        parts.append("Keep every point to a few words.")
    return "\n".join(parts)


def identifiers(messages: Sequence[Message]) -> tuple[str, ...]:
    """The paths, URLs and ids in what the person wrote last."""
    asked = [text for message in messages if (text := asked_text(message))]
    found = (name for text in asked[-MESSAGES_CHECKED:] for name in _identifiers(text))
    return tuple(dict.fromkeys(found))[-MOST_IDENTIFIERS:]


def _identifiers(text: str) -> Iterator[str]:
    shown = text if len(text) <= 2 * EDGE_CHARS else f"{text[:EDGE_CHARS]}\n{text[-EDGE_CHARS:]}"
    for match in _IDENTIFIER.finditer(shown):
        name = match[0].rstrip(_PUNCTUATION)
        is_words = name.count("/") == 1 and name.replace("/", "").isalpha()  # and/or
        if name and len(name) <= LONGEST_IDENTIFIER_CHARS and (not is_words or name.startswith("/")):
            yield name


def missing(text: str, wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of the identifiers that the text does not contain."""
    return tuple(name for name in wanted if name not in text)


def asked_text(message: Message) -> str:
    """What a person wrote, without the time before it; empty for every other message, a summary among them."""
    if not isinstance(message, User):
        return ""
    text = written_text(message.content)
    return "" if text.startswith(SUMMARY_LEAD) else text


def cleaned(text: str) -> str:
    """The summary alone: without a call that the model wrote all the same, and without thinking before it."""
    return text.rpartition("</think>")[2].partition(_CALL_OPENS)[0].strip()


def with_list(text: str, names: Sequence[str]) -> str:
    """The summary with the identifiers that it left out."""
    return f"{text}\n\n## Also mentioned\n" + "\n".join(f"- {name}" for name in names) if names else text


def with_question(text: str, question: User | None, limit_tokens: int) -> str:
    """The summary with what the person asked for in the turn that is under way, in their own words."""
    if question is None:
        return text
    asked = shortened(written_text(question.content), limit_tokens)
    pictures = len(images(question.content))
    shown = f" (with {pictures} image{'s' if pictures > 1 else ''}, not shown again)" if pictures else ""
    return f"{text}\n\n## Current task\nThe person's last message{shown}, which is still being worked on:\n{asked}"


def shortened(text: str, limit_tokens: int) -> str:
    """The text, or its head and tail with a word between them that says how much is missing. Always the same way."""
    tokens = text_tokens(text)
    if tokens <= limit_tokens:
        return text
    keep = max(8, int(len(text) * limit_tokens / tokens))
    head = keep * 2 // 3
    return f"{text[:head]} [… {len(text) - keep:,} characters left out …] {text[len(text) - (keep - head) :]}"


def smaller(message: Message, results: int | None, others: int | None) -> Message:
    """A message for the request of a summary that does not fit: what it may take in tokens, None for all of it."""
    match message:
        case ToolResult(_, _, text) if results is not None:
            return msgspec.structs.replace(message, text=shortened(text, results))
        case User(content) if others is not None:
            text = content if isinstance(content, str) else written_text(content) or "(an image)"
            return User(shortened(text, others * 4 if text.startswith(SUMMARY_LEAD) else others))
        case Assistant(text, calls) if others is not None:
            few = tuple(msgspec.structs.replace(call, arguments=_arguments(call.arguments, others)) for call in calls)
            return Assistant(shortened(text, others), few)
    return message


def _arguments(arguments: str, limit_tokens: int) -> str:
    short = shortened(arguments, limit_tokens)
    return arguments if short == arguments else json.dumps({"shortened": short})


def mechanical(head: Sequence[Message], limit_tokens: int) -> str:
    """A summary made without a model: what was asked, what was named, how it stood. Poor, but nothing is made up."""
    old = next((m.content for m in head if isinstance(m, User) and str(m.content).startswith(SUMMARY_LEAD)), "")
    before = str(old).removeprefix(SUMMARY_LEAD).strip()
    asked = [text for message in head if (text := asked_text(message))]
    said = next((m.text for m in reversed(head) if isinstance(m, Assistant) and m.text.strip()), "")
    acted = [f"{call.name} {call.arguments}" for m in head if isinstance(m, Assistant) for call in m.calls]
    each = max(24, limit_tokens // 16)
    parts = [
        ("Before", shortened(before, limit_tokens // 3) if before else ""),
        ("The person's messages", _listed(asked[-6:], each)),
        ("Last steps", _listed(acted[-4:], each // 2)),
        ("The assistant's last words", shortened(said.strip(), each)),
    ]
    lead = "(Put together without the model: the middle of what was said is missing.)"
    return shortened(
        "\n\n".join([lead, *(f"## {title}\n{text}" for title, text in parts if text)]), limit_tokens * 3 // 2
    )


def _listed(texts: Sequence[str], limit_tokens: int) -> str:
    return "\n".join(f"- {shortened(' '.join(text.split()), limit_tokens)}" for text in texts)
