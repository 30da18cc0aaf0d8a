"""Session keys: the names under which conversations are kept.

The grammar is OpenClaw's, so that its bindings and stores make sense here: `agent:<id>:main`,
`agent:<id>:explicit:<name>`, `agent:<id>:<channel>:…`, `cron:<job>`, `hook:<id>`. Nothing here touches the store.
"""

from garra.errors import UsageFault

LIMIT_CHARS = 512
SPACES = ("agent", "cron", "hook")


def main_key(agent: str = "main") -> str:
    """The key of an agent's main conversation."""
    return f"agent:{agent}:main"


def explicit_key(name: str, agent: str = "main") -> str:
    """The key of a conversation that a person named."""
    return f"agent:{agent}:explicit:{name}"


def agent_of(key: str) -> str:
    """The agent that a key belongs to; "main" for the keys that name none."""
    parts = key.split(":")
    return parts[1] if parts[0] == "agent" and len(parts) > 1 else "main"


def normalise_key(text: str) -> str:
    """What `--session` accepts, as a full key: a full key as it is, `main`, or a short name of one's own."""
    name = text.strip()
    if not name or len(name) > LIMIT_CHARS or not name.isprintable():
        raise UsageFault(
            f"{name[:40]!r} is no session key: it must be 1 to {LIMIT_CHARS} printable characters, such as: work"
        )
    if ":" not in name:
        return main_key() if name == "main" else explicit_key(name)
    return _full_key(name)


def _full_key(name: str) -> str:
    space, *rest = name.split(":")
    complete = all(rest) and len(rest) >= (2 if space == "agent" else 1)
    if space not in SPACES or not complete:
        raise UsageFault(
            f"{name!r} is no session key. A full key looks like agent:main:main, agent:main:explicit:work, cron:JOB "
            f"or hook:ID; a short name of your own has no colon in it."
        )
    return name
