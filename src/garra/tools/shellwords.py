"""A shell command as its plain commands, where it is plain enough to be sure what the shell will do with it.

Understands words, quotes, pipes, `&&`, `||` and `;`. Anything else that means something to a shell (variables,
substitution, redirection, globs, braces, assignments, comments, several lines) makes the whole command not understood.
It never guesses.
"""

import re

_TOKEN = re.compile(
    r"""(?P<space>[ \t]+)
      | (?P<join>\|\||&&|\||;)
      | (?P<word>(?: [A-Za-z0-9_./:,+@%^=-] | '[^']*' | "[^"$`\\!]*" )+)""",
    re.VERBOSE,
)
_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")


def plain_commands(command: str) -> list[list[str]] | None:
    """The words of each command in the line, or None if the line is not plain."""
    commands: list[list[str]] = [[]]
    place = 0
    text = command.strip(" \t")
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            return None
        place = found.end()
        if found.lastgroup == "join":
            commands.append([])
        elif found.lastgroup == "word":
            commands[-1].append(_QUOTED.sub(lambda part: part[1] or part[2] or "", found[0]))
    if any(not words or "=" in words[0] for words in commands):
        return None
    return commands
