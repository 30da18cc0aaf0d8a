"""Structures, brought to the four forms that the engine has, and refused where they are plainly wrong.

Whether a grammar is right is only known by compiling it, which the worker does. What is caught here is what can be
explained better here.
"""

import json
import re
from typing import Any

from garra.errors import RequestRefused
from garra.serve.engines.base import Structure
from garra.serve.engines.bounds import LIMIT_ATOMS, LIMIT_DEPTH, atoms, depth, patterns

_ROOT = re.compile(r"^\s*root\s*::=", re.MULTILINE)


def checked(structure: Structure) -> Structure:
    """The structure as the engine takes it: a choice becomes a grammar. Raises `RequestRefused`."""
    if structure.kind == "choice":
        return Structure("grammar", choice_grammar(_parsed(structure)))
    if structure.kind in ("json", "structural_tag"):
        return _checked_json(structure)
    if structure.kind == "grammar" and not _ROOT.search(structure.value):
        raise _refused('The grammar has no root rule. Grammars are EBNF with a rule named root: root ::= "yes" | "no"')
    if not structure.value:
        raise _refused(f"The {structure.kind} is empty.")
    if structure.kind == "regex":
        _check_size(structure.value)
    return structure


def choice_grammar(choices: Any) -> str:
    """An EBNF grammar that allows exactly these strings."""
    if not isinstance(choices, list) or not choices:
        raise _refused("A choice is a list of at least one string.")
    if not all(isinstance(choice, str) and choice for choice in choices):
        raise _refused("Every choice must be a string that is not empty.")
    return "root ::= " + " | ".join(_quoted(choice) for choice in choices)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _checked_json(structure: Structure) -> Structure:
    parsed = _parsed(structure)
    if structure.kind == "json" and not isinstance(parsed, dict | bool):
        raise _refused("A JSON schema is an object.")
    if structure.kind == "structural_tag" and not isinstance(parsed, dict):
        raise _refused("A structural tag is a JSON object.")
    if depth(parsed) > LIMIT_DEPTH:
        raise _refused(f"The {structure.kind} is nested more than {LIMIT_DEPTH} levels deep.")
    for pattern in patterns(parsed):
        _check_size(pattern)
    return structure


def _check_size(pattern: str) -> None:
    if (count := atoms(pattern)) > LIMIT_ATOMS:
        raise _refused(
            f"The regular expression has {count:,} parts with its repetitions written out; at most {LIMIT_ATOMS:,} "
            "can be followed. Use fewer repetitions inside repetitions, or * and +."
        )


def _parsed(structure: Structure) -> Any:
    try:
        return json.loads(structure.value)
    except (ValueError, RecursionError) as error:
        raise _refused(f"The {structure.kind} is not valid JSON: {error}") from error


def _refused(message: str) -> RequestRefused:
    return RequestRefused(message, param="structured_outputs")
