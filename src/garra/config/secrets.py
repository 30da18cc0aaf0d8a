"""Which keys hold secrets, and what may be shown of them."""

import re
from typing import Any

from garra.config.keypath import KeyPath

HIDDEN = "[redacted]"

# Patterns are compiled when they are first used, which in most runs is never.
_SECRET_NAME = (
    r"(?i)(?:|.*[a-z0-9_-])(?:api[_-]?key|token|password|passphrase|secret|credentials?|authorization|cookie)|key|cert"
)
_ALL_BELOW = ("headers", "vars", "env")
_VARIABLE = r"\$\{[A-Z_][A-Z0-9_]*\}"
_URL_LOGIN = r"(\w+://)[^/@\s]+@"


def is_secret(path: KeyPath) -> bool:
    """Whether what stands at the path, or above it, must never be shown."""
    words = [part for part in path if isinstance(part, str)]
    if any(re.fullmatch(_SECRET_NAME, word) for word in words):
        return True
    return any(word in _ALL_BELOW for word in words[:-1]) or words[-2:] == ["auth", "value"]


def shown(value: Any, path: KeyPath = ()) -> Any:
    """The same data with every secret replaced; the name of a variable that holds one stays readable."""
    if isinstance(value, dict):
        if is_secret(path) and set(value) <= {"source", "provider", "id"}:
            return value
        return {key: shown(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shown(item, (*path, at)) for at, item in enumerate(value)]
    if is_secret(path):
        return value if _harmless(value) else HIDDEN
    return re.sub(_URL_LOGIN, rf"\1{HIDDEN}@", value) if isinstance(value, str) else value


def _harmless(value: Any) -> bool:
    """Nothing, a switch, or `${NAME}`: none of these is a secret. A bare word could be one."""
    return value is None or isinstance(value, bool) or (isinstance(value, str) and bool(re.fullmatch(_VARIABLE, value)))
