"""`find_tools`: the schemas of tools that are not carried in the prompt, by words.

Finds only; the model then calls what it found by name.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from garra.tools.base import Outcome, ToolContext
from garra.wire.messages import ToolSpec

_SHOWN = 5
_WORD = re.compile(r"[a-z0-9]+")
_NAME_WEIGHT = 3


class FindTools:
    """Searches the tools it is given."""

    spec = ToolSpec(
        "find_tools",
        "Find more tools by words; returns how to call them.",
        {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    )
    carried = True

    def __init__(self, specs: Sequence[ToolSpec]) -> None:
        self._specs = tuple(sorted(specs, key=lambda spec: spec.name))

    async def run(self, args: dict[str, Any], ctx: ToolContext) -> Outcome:
        found = self.found(args["query"])
        if found:
            return Outcome("\n".join(_row(spec) for spec in found))
        names = ", ".join(spec.name for spec in self._specs)
        return Outcome(f"No tool fits these words. There are: {names}.")

    def found(self, query: str) -> tuple[ToolSpec, ...]:
        """The tools that fit, the best first."""
        words = set(_stems(query))
        scored = ((_score(spec, words), spec) for spec in self._specs)
        fitting = sorted((pair for pair in scored if pair[0]), key=lambda pair: (-pair[0], pair[1].name))
        return tuple(spec for _, spec in fitting[:_SHOWN])


def _score(spec: ToolSpec, words: set[str]) -> int:
    arguments = " ".join(spec.parameters.get("properties", {}))
    return _NAME_WEIGHT * len(words & set(_stems(spec.name))) + len(
        words & set(_stems(f"{spec.description} {arguments}"))
    )


def _stems(text: str) -> list[str]:
    """The words in lower case, without the endings that differ most often. Words of two letters or less say nothing."""
    words = (word for word in _WORD.findall(text.lower()) if len(word) > 2)
    return [re.sub(r"(?<=...)(ing|ed|es|s)$", "", word) for word in words]


def _row(spec: ToolSpec) -> str:
    return f"{spec.name}: {spec.description} parameters: {msgspec.json.encode(spec.parameters).decode()}"
