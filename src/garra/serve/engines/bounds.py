"""How large a structure may grow before the engine is asked to compile it.

Compiling happens in the engine's process, where everybody waits for it: repetitions inside repetitions take minutes
there, and schemas within schemas end the process. What is counted here is what was seen to do that; a large structure
that gets by is still only slow.
"""

import re
from typing import Any

LIMIT_DEPTH = 128
LIMIT_ATOMS = 50_000
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(\d{1,9})(,?)(\d{0,9})\}|.", re.DOTALL)


def atoms(pattern: str) -> int:
    """How many parts a regular expression has when its counted repetitions are written out."""
    totals, last = [0], 0
    for found in _TOKEN.finditer(pattern):
        text = found[0]
        if text == "(":
            totals.append(0)
        elif text == ")" and len(totals) > 1:
            last = max(1, totals.pop())
            totals[-1] += last
        elif found[1] is not None:
            times = max(1, int(found[3] or found[1]))
            totals[-1] += last * (times - 1)
            last *= times
        else:
            last = 1
            totals[-1] += 1
    return sum(totals)


def depth(value: Any) -> int:
    """How many objects and lists stand inside each other."""
    deepest, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        deepest += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return deepest


def patterns(value: Any) -> list[str]:
    """The regular expressions in a JSON schema."""
    found: list[str] = []
    level = [value]
    while level:
        found += [item["pattern"] for item in level if isinstance(item, dict) and isinstance(item.get("pattern"), str)]
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return found
