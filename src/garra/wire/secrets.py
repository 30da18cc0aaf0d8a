"""Takes secrets out of text that a server sent, before any of it goes into a message."""

import re
from collections.abc import Iterable

import msgspec

from garra.wire.request import Endpoint

MASK = "[redacted]"
_WHOLE_WORD_BELOW = 8


def secrets_of(endpoint: Endpoint) -> tuple[str, ...]:
    """What must not be repeated: the key, and what the configured headers carry."""
    pieces = [piece for value in endpoint.headers.values() for piece in (value, *value.split()) if len(piece) >= 8]
    return tuple(dict.fromkeys([*([endpoint.api_key.strip()] if endpoint.api_key else []), *pieces]))


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret masked, also where JSON has escaped it. A short one only as a word of its own."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        for form in {secret, msgspec.json.encode(secret).decode()[1:-1]}:
            if len(form) >= _WHOLE_WORD_BELOW:
                text = text.replace(form, MASK)
            else:
                text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", MASK, text)
    return text
