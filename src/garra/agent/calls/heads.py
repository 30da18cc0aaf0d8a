"""How a call begins in a text: the marks that each form opens with, and whether what follows one may be a call.

A head is a row of steps: one of some strings, or any spaces. So few characters decide, and the rest of the text need
not wait. What follows a head is read when it is all there (`marked`, `whole`).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

Step: TypeAlias = tuple[str, ...]
Head: TypeAlias = tuple[Step, ...]

SPACES: Step = ()
"""The step that takes any spaces, or none."""

HEAD_CHARS = 320
"""No head is longer: a tool's name has 64 characters at most, and nobody writes so many spaces."""

EMPTY = re.compile(r"<tool_call>\s*</tool_call>")
"""What is left of a call that the server has taken out of the text."""

MARKS = (
    "<tool_call>",
    "<function=",
    "<|python_tag|>",
    "<|python_start|>",
    "[TOOL_CALLS]",
    "<|end|>",
    "<|start|>assistant",
    "<|channel|>",
    "assistantcommentary to=",
    "commentary to=",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁call▁begin｜>",
    "<|tool_calls_section_begin|>",
    "<|tool_call_begin|>",
)
OF_A_LINE = "commentary to="
"""The one mark that is also plain words: it counts at the beginning of a line."""

MARK = re.compile("|".join(map(re.escape, MARKS)))


def _beginning(mark: str) -> str:
    """A pattern for every beginning of the mark: `a(?:b(?:c)?)?`."""
    pattern = ""
    for char in reversed(mark[:-1]):
        pattern = re.escape(char) + (f"(?:{pattern})?" if pattern else "")
    return pattern


MARK_BEGINS = re.compile(f"(?:{'|'.join(map(_beginning, MARKS))})\\Z")
MARK_STARTS = re.compile(f"[{re.escape(''.join({mark[0] for mark in MARKS}))}]")
MARK_CHARS = max(map(len, MARKS))


def begins(text: str, head: Head) -> bool | None:
    """Whether the text begins with this head; None while it is too short to tell."""
    at = 0
    for step in head:
        if step is SPACES:
            at += len(text) - at - len(text[at:].lstrip())
            continue
        rest = text[at:]
        if any(len(option) > len(rest) and option.startswith(rest) for option in step):
            return None
        taken = next((option for option in step if rest.startswith(option)), None)
        if taken is None:
            return False
        at += len(taken)
    return True


def may_begin(text: str, heads: Sequence[Head]) -> bool | None:
    """The same for any of these heads."""
    told = [begins(text[:HEAD_CHARS], head) for head in heads]
    if True in told:
        return True
    return None if None in told and len(text) < HEAD_CHARS else False


def heads_of(mark: str, heads: Iterable[Head]) -> Iterator[Head]:
    """Those that begin with this mark."""
    return (head for head in heads if any(option.startswith(mark) or mark.startswith(option) for option in head[0]))


def marked_heads(names: Iterable[str]) -> tuple[Head, ...]:
    """How a call of one of these tools begins where a mark announces it."""
    known = tuple(names)

    def named(*ends: str, before: Sequence[str] = ("",)) -> Step:
        return tuple(f"{begin}{name}{end}" for begin in before for name in known for end in ends)

    to = named(" ", "<", "{", before=("to=functions.", "to="))
    xml = named(">", before=("<function=",))
    return (
        (("<tool_call>",), SPACES, ("{", "</tool_call>", *xml, *named("\n", "<"))),
        (xml,),
        (("<|python_tag|>",), SPACES, ("{",)),
        (("<|python_start|>",), SPACES, ("[",), SPACES, named("(")),
        (("[TOOL_CALLS]",), SPACES, ("[", "{", *named("{", "[ARGS]", "[CALL_ID]"))),
        (("<|end|><|start|>assistant", "<|start|>assistant"), SPACES, to),
        (
            ("<|end|><|start|>assistant<|channel|>", "<|start|>assistant<|channel|>", "<|channel|>"),
            ("commentary", "analysis"),
            SPACES,
            to,
        ),
        (("assistantcommentary ", "commentary "), to),
        (("<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>"), SPACES, (*_DEEPSEEK_MORE, *named("<｜tool▁sep｜>"))),
        (("<|tool_calls_section_begin|>", "<|tool_call_begin|>"), SPACES, ("<|tool_call_begin|>", "functions.")),
    )


_DEEPSEEK_MORE = ("<｜tool▁call▁begin｜>", "function<｜tool▁sep｜>")


def whole_heads(names: Iterable[str]) -> tuple[Head, ...]:
    """How a message begins that may be nothing but calls, in a form that plain text may have too."""
    known = tuple(names)
    quoted = tuple(f'"{name}"' for name in known)
    tagged = tuple(f"{name}]" for name in known)
    members = (("{",), SPACES)
    listed = (("[",), SPACES, *members)
    return (
        *((*start, ('"name"',), SPACES, (":",), SPACES, quoted) for start in (members, listed)),
        *((*start, ('"type"',), SPACES, (":",), SPACES, ('"function"',)) for start in (members, listed)),
        *((*start, ('"id"',), SPACES, (":",), SPACES, _CALL_IDS) for start in (members, listed)),
        *((*start, _OTHER_MEMBERS) for start in (members, listed)),
        (("[",), SPACES, tuple(f"{name}(" for name in known)),
        (("[tool:", "["), tagged, SPACES, ("{",)),
    )


_OTHER_MEMBERS = ('"arguments"', '"parameters"', '"function"')
_CALL_IDS = ('"call', '"chatcmpl-tool', '"functions.')
"""How OpenAI's, vLLM's and Kimi's ids begin: an object that begins with an id is mostly something else."""
