"""What fits: the prompt against the model's window, counted by the server where it matters.

Far from the limit an estimate is enough, and nothing is asked. Near it the server's own count decides. What cannot fit
is refused here, with the numbers, before anything is sent.
"""

from collections.abc import Awaitable, Callable, Sequence

from garra.errors import ContextOverflow
from garra.sessions.entries import Compacted, Entry, Failed, Head, Said
from garra.sessions.transcript import history
from garra.wire.messages import Assistant, Image, Message, System, Text, ToolResult, ToolSpec, User

Count = Callable[[], Awaitable[int | None]]

IMAGE_TOKENS = 2_500
"""What an image is reckoned as: openclaw.md's 8,000 characters (3.6), carefully."""

MESSAGE_TOKENS = 5
"""What a template puts around a message."""

SURE_SHARE = 0.6
"""Below this share of the window the estimate decides: it never found less than that share of what SmolLM2's tokenizer
counts, for prose, code, JSON, tables, base64, Han and Hangul, Thai, Arabic, emoji."""

LEAST_SHARE = 1 / 3
"""No tokenizer finds less than this share of an estimate, as large vocabularies do for Han: where nobody counts, what
takes no more than that may fit, and the server has the last word."""

LEAST_REPLY_TOKENS = 64

RESULT_SHARE = 0.25
"""How much of the window one tool result may take, and never more than half of what is left of it."""

LEAST_RESULT_TOKENS = 128

_WEIGHTS = (
    (bytes(range(ord("a"), ord("z") + 1)), 0.28),
    (bytes(range(ord("A"), ord("Z") + 1)), 0.6),
    (b"0123456789", 0.9),
    (b" \t\r", 0.1),
    (b"\n", 0.3),
    (bytes(range(0x80, 0xC0)), 0.0),  # the bytes of a character after its first
    (bytes(range(0xC0, 0xE0)), 0.9),  # Latin with accents, Greek, Cyrillic, Hebrew, Arabic
    (bytes(range(0xE0, 0xF0)), 1.8),  # Han, Hangul, Thai
    (bytes(range(0xF0, 0x100)), 3.0),  # emoji
)
_OTHER_WEIGHT = 0.7
"""For a sign of ASCII. All of them are what small vocabularies need, which is more than large ones do."""


def estimate_tokens(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> int:
    """A careful guess, in tokens: more than most tokenizers need for prose and code."""
    size = sum(_message_tokens(message) + MESSAGE_TOKENS for message in messages)
    size += sum(text_tokens(f"{spec.name}{spec.description}{spec.parameters}") + MESSAGE_TOKENS for spec in tools)
    return size


def text_tokens(text: str) -> int:
    """A careful guess at the tokens of a text, by what kinds of characters are in it."""
    data = text.encode("utf-8", "replace")
    tokens, left = 0.0, data
    for kind, weight in _WEIGHTS:
        rest = left.translate(None, kind)
        tokens += weight * (len(left) - len(rest))
        left = rest
    return round(tokens + _OTHER_WEIGHT * len(left) + 0.5)


def _message_tokens(message: Message) -> int:
    match message:
        case System(text) | ToolResult(_, _, text):
            return text_tokens(text)
        case User(str() as text):
            return text_tokens(text)
        case User(parts):
            return sum(_part_tokens(part) for part in parts)
        case Assistant(text, calls, reasoning):
            return text_tokens(text + reasoning + "".join(call.name + call.arguments for call in calls))


def _part_tokens(part: Text | Image | str) -> int:
    return IMAGE_TOKENS if isinstance(part, Image) else text_tokens(part.text if isinstance(part, Text) else part)


def prefix_tokens(prefix: Head) -> int:
    """A guess at what the fixed prefix of a session takes."""
    return estimate_tokens([System(prefix.system)], prefix.tools)


def used_tokens(entries: Sequence[Entry], prefix: Head, model: str) -> int:
    """What the conversation takes so far: the server's own count of the last reply, and a guess at what came since.

    What the server counted before a compaction, or for another prefix, is void after it.
    """
    base, since = prefix_tokens(prefix), entries
    for place, item in reversed([*enumerate(entry.item for entry in entries)]):
        if isinstance(item, Compacted) or item == prefix:
            return base + estimate_tokens(history(entries), ())
        if isinstance(item, Said) and item.usage and item.model == model and item.usage.prompt_tokens:
            base = item.usage.prompt_tokens + item.usage.completion_tokens
            since = entries[place + 1 :]
            break
    return base + estimate_tokens(_said(since), ())


def _said(entries: Sequence[Entry]) -> list[Message]:
    said: list[Message] = []
    for item in (entry.item for entry in entries):
        if isinstance(item, Said):
            said.append(item.message)
        elif isinstance(item, Failed) and item.dropped and said and isinstance(said[-1], User):
            said.pop()
    return said


def result_limit(used: int, window: int | None) -> int | None:
    """How many tokens the next tool result may take, so that the turn can go on after it."""
    if window is None:
        return None
    return max(LEAST_RESULT_TOKENS, min(int(window * RESULT_SHARE), (window - used) // 2))


def fitted(text: str, limit_tokens: int | None) -> str:
    """The text, or its head and tail where it takes more tokens than the limit, with a line that says so between."""
    if limit_tokens is None or len(text) * 3 < limit_tokens or (tokens := text_tokens(text)) <= limit_tokens:
        return text
    kept = len(text)
    short = text
    while tokens > limit_tokens and kept > 1:
        kept = min(kept - 1, int(kept * limit_tokens / tokens * 0.95))
        head = kept * 2 // 3
        short = text[:head] + text[len(text) - (kept - head) :]
        tokens = text_tokens(short)
    return (
        f"{short[:head]}\n[… {len(text) - kept:,} characters left out: the result was too long for the model's window; "
        f"ask for less at a time …]\n{short[head:]}"
    )


async def reply_limit(
    estimate: int, window: int | None, wanted: int | None, count: Count, *, fixed: int = 0, newest: int = 0
) -> int | None:
    """The `max_tokens` to send: None leaves it to the server (all that is left of the window).

    `wanted` is the configured cap, in tokens. Raises `ContextOverflow` where no useful reply has room.
    """
    if window is None:
        return wanted
    if estimate + (wanted or LEAST_REPLY_TOKENS) <= window * SURE_SHARE:
        return wanted
    counted = await count()
    prompt = estimate if counted is None else counted
    surely = estimate * LEAST_SHARE if counted is None else counted
    if window - surely < LEAST_REPLY_TOKENS:
        raise overflow(prompt, window, fixed=fixed, newest=newest, exact=counted is not None)
    return None if wanted is None else min(wanted, max(window - prompt, LEAST_REPLY_TOKENS))


def overflow(prompt: int, window: int, *, fixed: int = 0, newest: int = 0, exact: bool) -> ContextOverflow:
    """The refusal, with the numbers and the ways out. `fixed`: what the prompt and the tools take in every session.

    `newest`: what the person's message takes that waits for its reply.
    """
    about = "" if exact else "about "
    mend = "Start a new one with /new (garra chat) or another --session KEY"
    if fixed > window // 2:
        mend = f"The fixed prompt alone takes about {fixed:,}: allow fewer tools (tools.deny), then start anew (/new)"
    elif newest > window // 2:
        mend = f"The last message alone takes about {newest:,}: send less at a time, or let it be read from a file"
    return ContextOverflow(
        f"This conversation takes {about}{prompt:,} of the model's {window:,} tokens and leaves no room for a reply. "
        f"{mend}, or serve the model with a larger --max-model-len.",
        limit=window,
        asked=prompt,
    )
