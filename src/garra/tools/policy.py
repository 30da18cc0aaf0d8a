"""Which tools a session has, by `tools.profile`, `allow`, `alsoAllow` and `deny`.

Names compare without case, `*` is a glob, `deny` wins. A name that no tool has means nothing: it may be a tool of
OpenClaw, or one that comes later.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

GROUPS = {
    "group:fs": ("read", "write", "edit"),
    "group:runtime": ("exec", "jobs"),
}
# What OpenClaw calls, or once called, a tool of ours.
_OTHER_NAMES = {"process": "jobs", "bash": "exec"}
_PROFILES = {"minimal": (), "messaging": (), "coding": ("group:fs", "group:runtime")}


def offered(
    names: Iterable[str],
    *,
    profile: str | None = None,
    allow: Sequence[str] = (),
    also_allow: Sequence[str] = (),
    deny: Sequence[str] = (),
) -> frozenset[str]:
    """The names that remain. No profile, or `full`, means all of them; an `allow` that is given narrows them."""
    chosen = frozenset(names)
    all_names = chosen
    base = _PROFILES.get(profile or "full")
    if base is not None:
        chosen = _matching(chosen, (*base, *also_allow))
    if allow:
        chosen = _matching(chosen, allow)
    return chosen - _matching(all_names, deny)


def _matching(names: Iterable[str], patterns: Iterable[str]) -> frozenset[str]:
    wanted = [single for pattern in patterns for single in _expanded(pattern.strip().lower())]
    return frozenset(name for name in names if any(fnmatchcase(name.lower(), single) for single in wanted))


def _expanded(pattern: str) -> tuple[str, ...]:
    return GROUPS.get(pattern) or (_OTHER_NAMES.get(pattern, pattern),)
