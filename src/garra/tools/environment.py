"""The environment that commands run in: the person's own, without keys, and made for a reader that is no terminal.

Also takes the values of those keys out of what goes to the model.
"""

import os
import re
from collections.abc import Mapping, Sequence

from garra.config.paths import expand

_SECRET = re.compile(
    r"(API_?KEY|TOKEN|SECRET|_KEY|_KEY_ID|_PAT|_PWD|_DSN|_AUTH|_COOKIE|PASSWD|PASSPHRASE|CREDENTIALS?)$"
    r"|PASSWORD|^GARRA_|^OPENCLAW_",
    re.IGNORECASE,
)
# Programs that page, colour or prompt would only be in the way.
_PLAIN = {"TERM": "dumb", "NO_COLOR": "1", "PAGER": "cat", "GIT_PAGER": "cat", "GIT_TERMINAL_PROMPT": "0"}
_LEAST_SECRET_CHARS = 8


def is_secret(name: str) -> bool:
    """Whether a variable of this name looks as if it held a key."""
    return _SECRET.search(name) is not None


def command_environment(env: Mapping[str, str], path_prepend: Sequence[str]) -> dict[str, str]:
    """What a command sees: everything but keys and our own variables, with `path_prepend` first in PATH."""
    kept = {name: value for name, value in env.items() if not is_secret(name)}
    folders = [*(str(expand(folder, env)) for folder in path_prepend), kept.get("PATH", os.defpath)]
    return {**kept, **_PLAIN, "PATH": os.pathsep.join(folders)}


def hide_secrets(text: str, env: Mapping[str, str]) -> str:
    """The text with the value of every secret variable replaced by the variable's name."""
    for name, value in env.items():
        if value in text and _worth_hiding(name, value):
            text = text.replace(value, f"[{name}]")
    return text


def _worth_hiding(name: str, value: str) -> bool:
    """A short or plain word is no key, and hiding it would only garble what the model reads."""
    return len(value) >= _LEAST_SECRET_CHARS and not value.isalpha() and not _is_path(value) and is_secret(name)


def _is_path(value: str) -> bool:
    return value.startswith(("/", "~", "./"))
