"""Which commands run without anybody being asked.

A line passes only when it is understood whole and every command in it is a safe program, called in a way that can only
read, or matches a pattern that the person wrote. In doubt it does not pass; then it is a question for a person.
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from garra.tools.shellwords import plain_commands

_DATE = re.compile(r"\+.*|-u|-R|-I\w*|--utc|--iso-8601(=\w+)?", re.DOTALL)
_GREP_FLAGS = re.compile(r"-[EFGHPachilLmnoqsvwxeABC0-9]+|--color=\w+|--(in|ex)clude=[^/]*")


def _date(args: Sequence[str]) -> bool:
    """`date` sets the clock with -s or a bare number."""
    return all(_DATE.fullmatch(arg) for arg in args)


def _uniq(args: Sequence[str]) -> bool:
    """The second operand of `uniq` is a file to write."""
    return "--" not in args and sum(arg == "-" or not arg.startswith("-") for arg in args) <= 1


def _grep(args: Sequence[str]) -> bool:
    """Not recursive, and no patterns from a file: both would read what no argument names."""
    return all(_GREP_FLAGS.fullmatch(arg) for arg in args if arg.startswith("-") and arg != "-")


def _no_compile(args: Sequence[str]) -> bool:
    """`file -C` writes a compiled magic file; -f and -m read lists of names from files."""
    return all(arg in ("-b", "-i", "-L", "-h", "--mime", "--mime-type", "--brief") for arg in args if arg[:1] == "-")


def _printf(args: Sequence[str]) -> bool:
    """`printf -v PATH …` would choose what the next command runs."""
    return not args or not args[0].startswith("-")


def _short_sleep(args: Sequence[str]) -> bool:
    return len(args) == 1 and re.fullmatch(r"\d{1,4}(\.\d+)?", args[0]) is not None


def _no_lists(args: Sequence[str]) -> bool:
    """`--files0-from` reads names from a file. `du` and `wc` know it; long options may be shortened."""
    return not any(arg.startswith("--f") for arg in args)


# A name given here is allowed only with arguments that its rule accepts, whoever listed the name.
_RULES: dict[str, Callable[[Sequence[str]], bool]] = {
    "date": _date,
    "uniq": _uniq,
    "grep": _grep,
    "file": _no_compile,
    "printf": _printf,
    "sleep": _short_sleep,
    "du": _no_lists,
    "wc": _no_lists,
}


class Bounds(msgspec.Struct, frozen=True):
    """Where safe programs come from and may look.

    `folder` is where they run, `search` their PATH, `workspace` where the model writes freely, so that no program from
    there is safe. `within`: they may look nowhere else. `guarded`: they may never look there.
    """

    folder: Path
    workspace: Path
    search: str
    guarded: tuple[Path, ...] = ()
    within: Path | None = None

    def trust(self, name: str) -> bool:
        """Whether the program that the shell would find is one that the model cannot have written."""
        for folder in self.search.split(os.pathsep):
            found = Path(folder) / name
            if found.is_file() and os.access(found, os.X_OK):
                places = (found, found.resolve())
                return found.is_absolute() and not any(place.is_relative_to(self.workspace) for place in places)
        return False

    def allow(self, arg: str) -> bool:
        """Whether the argument, if it is a path, is one that may be read."""
        if arg.startswith("-") and arg != "-":
            return "/" not in arg and ("=" not in arg or self.allow(arg.partition("=")[2]))
        if "\0" in arg:
            return False
        try:
            path = (self.folder / arg).resolve()
        except (OSError, RuntimeError):
            return False
        if path.is_relative_to("/proc") or any(path == file or path in file.parents for file in self.guarded):
            return False  # in /proc lie the environments of other processes, keys and all
        return self.within is None or path.is_relative_to(self.within)


def is_allowed(command: str, *, safe_bins: Iterable[str], patterns: Sequence[str], bounds: Bounds) -> bool:
    """Whether the command may run unasked."""
    commands = plain_commands(command)
    if commands is None:
        return False
    bins = frozenset(safe_bins)
    return all(_matches(words, patterns) or _is_safe(words, bins, bounds) for words in commands)


def _matches(words: Sequence[str], patterns: Sequence[str]) -> bool:
    line = " ".join(words)
    return any(fnmatchcase(line, pattern) for pattern in patterns)


def _is_safe(words: Sequence[str], bins: frozenset[str], bounds: Bounds) -> bool:
    name, args = words[0], words[1:]
    if name not in bins or "/" in name or not bounds.trust(name):
        return False
    rule = _RULES.get(name)
    if rule is not None and not rule(args):
        return False
    return all(bounds.allow(arg) for arg in args)
