"""What fits: the prompt against the model's window, counted by the server where it matters.

Far from the limit an estimate is enough, and nothing is asked. Near it the server's own count decides. What cannot fit
is refused here, with the numbers, before anything is sent.
"""

from collections.abc import Awaitable, Callable, Sequence

from garra.errors import ContextOverflow
from garra.wire.messages import Assistant, Image, Message, System, Text, ToolResult, ToolSpec, User

Count = Callable[[], Awaitable[int | None]]

IMAGE_CHARS = 8_000
"""What an image is reckoned as (openclaw.md 3.6)."""

SURE_SHARE = 0.6
"""Below this share of the window the estimate decides. It errs by less than the rest in every script but CJK, for which
`estimate_tokens` counts bytes."""

LEAST_REPLY_TOKENS = 64


def estimate_tokens(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> int:
    """A careful guess, in tokens: a quarter of the UTF-8 bytes and a quarter more (openclaw.md 3.6)."""
    size = sum(_bytes(message) + 16 for message in messages)
    size += sum(len(spec.name) + len(spec.description) + len(str(spec.parameters)) for spec in tools)
    return -(-size * 5 // 16)


def _bytes(message: Message) -> int:
    match message:
        case System(text) | ToolResult(_, _, text):
            return len(text.encode())
        case User(str() as text):
            return len(text.encode())
        case User(parts):
            return sum(_part(part) for part in parts)
        case Assistant(text, calls, reasoning):
            return len(text.encode()) + len(reasoning.encode()) + sum(len(c.arguments) + len(c.name) for c in calls)


def _part(part: Text | Image | str) -> int:
    return IMAGE_CHARS if isinstance(part, Image) else len((part.text if isinstance(part, Text) else part).encode())


async def reply_limit(estimate: int, window: int | None, wanted: int | None, count: Count) -> int | None:
    """The `max_tokens` to send: None leaves it to the server (all that is left of the window).

    `wanted` is the configured cap, in tokens. Raises `ContextOverflow` where no useful reply has room.
    """
    if window is None:
        return wanted
    if estimate + (wanted or LEAST_REPLY_TOKENS) <= window * SURE_SHARE:
        return wanted
    counted = await count()
    prompt = estimate if counted is None else counted
    left = window - prompt
    if left < LEAST_REPLY_TOKENS:
        raise overflow(prompt, window, exact=counted is not None)
    return None if wanted is None else min(wanted, left)


def overflow(prompt: int, window: int, *, exact: bool) -> ContextOverflow:
    """The refusal, with the numbers and the ways out."""
    about = "" if exact else "about "
    return ContextOverflow(
        f"This conversation takes {about}{prompt:,} of the model's {window:,} tokens and leaves no room for a reply. "
        "Start a new one with /new (garra chat) or another --session KEY, or serve the model with a larger "
        "--max-model-len.",
        limit=window,
        asked=prompt,
    )
