"""Tries that no turn waits for: whether images are taken, and what a streamed reply says of itself.

Only `garra models probe` and the doctor make them.
"""

import base64
import struct
import zlib
from contextlib import aclosing

import msgspec

from garra.errors import ContextOverflow, RequestRefused, ServerBusy, ServerFailed, ServerSilent, StreamBroken
from garra.models.catalogue import Chosen
from garra.models.trying import QUESTION, ask, one_token
from garra.wire.chat import ChatCompletions
from garra.wire.events import Reply
from garra.wire.http import Http
from garra.wire.messages import Image, Text, User
from garra.wire.request import ChatRequest

SIDE_PIXELS = 64
"""Smaller ones are refused by image processors that take any real picture."""
_STREAM_TOKENS = 16
_LONG = User("Say hello in one word. " + "These words only make the message longer than a block of the cache. " * 24)


class StreamSeen(msgspec.Struct, frozen=True):
    """What a streamed reply showed. None: it broke off before it could."""

    usage_told: bool | None = None
    cached_told: bool | None = None
    reasoning_field: str = ""


async def try_images(http: Http, chosen: Chosen) -> bool | None:
    """Whether the model sees images. A server that leaves them out takes the request, but its prompt does not grow."""
    text = str(QUESTION.content)
    shown = User((Text(text), Image(f"data:image/png;base64,{base64.b64encode(_png()).decode()}")))
    try:
        seen = await ask(http, chosen, one_token(chosen), shown)
        if isinstance(seen.error, ServerBusy):
            return None
        without = await ask(http, chosen, one_token(chosen), User((Text(text),)))
    except ServerSilent:
        return None
    if seen.error is not None:
        return False if without.error is None else None
    if seen.prompt_tokens is None or without.prompt_tokens is None:
        return None
    return seen.prompt_tokens > without.prompt_tokens


def _png() -> bytes:
    """A grey square."""
    side = SIDE_PIXELS
    rows = zlib.compress((b"\x00" + b"\x80" * side) * side)
    parts = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


async def try_stream(http: Http, chosen: Chosen) -> StreamSeen:
    """Whether a stream ends with its usage, and whether that says what was cached of a prompt that was sent before."""
    reply = Reply()
    request = ChatRequest(chosen.ref.id, (_LONG,), max_tokens=_STREAM_TOKENS, params=chosen.params)
    try:
        await ask(http, chosen, one_token(chosen), _LONG)
        async with aclosing(ChatCompletions(http, chosen.endpoint).stream(request)) as events:
            async for event in events:
                reply.add(event)
    except (ContextOverflow, RequestRefused, ServerBusy, ServerFailed, ServerSilent, StreamBroken):
        return StreamSeen()
    cached = None if reply.usage is None else reply.usage.cached_tokens is not None
    return StreamSeen(reply.usage is not None, cached, reply.message().reasoning_field)
