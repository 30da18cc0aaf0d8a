"""Why an edit could not be made, in words with which the next try can succeed."""

from collections.abc import Sequence

_MOST_PLACES = 10
_MOST_LINES = 5_000  # how far into a file likeness is looked for; sameness but for spaces is looked for in all of it
_COMPARED_CHARS = 200
_SHOWN_LINES = 8
_SHOWN_CHARS = 1_200
_LIKE = 0.6
_TELLING_CHARS = 5


def line_of(text: str, place: int) -> int:
    """The number of the line, from 1, that holds this place."""
    return text.count("\n", 0, place) + 1


def said_of_many(shown: str, text: str, old: str, count: int) -> str:
    """The text is there more than once: where."""
    places, at = [], -1
    for _ in range(min(count, _MOST_PLACES)):
        at = text.index(old, at + 1 if at < 0 else at + len(old))
        places.append(str(line_of(text, at)))
    rest = f" and {count - _MOST_PLACES} more" if count > _MOST_PLACES else ""
    return (
        f"old is {count} times in {shown}, on lines {', '.join(places)}{rest}. "
        "Give more of the text around the right one, or all=true for every one. Nothing was changed."
    )


def said_of_none(shown: str, text: str, old: str, new: str) -> str:
    """The text is not there: what is there instead."""
    none = f"old is not in {shown}; nothing was changed."
    if not text:
        return f"{none} The file is empty."
    if "\r" in text + old and text.replace("\r\n", "\n").count(old.replace("\r\n", "\n")):
        return (
            f"{none} Line endings differ: the file mixes LF and CRLF. Replace line by line, or make them alike first."
        )
    lines, wanted = _lines(text), _lines(old)
    same = _same_but_spaces(lines, wanted)
    if same is not None:
        return f"{none} It differs only in spaces or tabs. The file has exactly:\n{_quoted(lines, same, len(wanted))}"
    made = _whole_lines_at(lines, _lines(new))
    if made is not None:
        return f"{none} new is there already, on line {made + 1}: perhaps the edit was made before."
    like = _most_like(lines, wanted)
    if like is not None:
        return f"{none} The closest lines are:\n{_quoted(lines, like, len(wanted))}"
    return f"{none} Nothing in it is like it; read the file first."


def _lines(text: str) -> list[str]:
    """The lines, numbered as editors number them: str.splitlines also splits at characters that are no line ends."""
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def _same_but_spaces(lines: Sequence[str], wanted: Sequence[str]) -> int | None:
    """The first line of a stretch that is the wanted one but for spaces, tabs and blank lines at its ends."""
    squeezed = ["".join(line.split()) for line in lines]
    target = ["".join(line.split()) for line in wanted]
    while target and not target[-1]:
        target.pop()
    blank = next((index for index, line in enumerate(target) if line), len(target))
    target = target[blank:]
    if not target:
        return None
    starts = (index for index, line in enumerate(squeezed) if target[0] in line)
    whole = (index for index in starts if _stretch_fits(squeezed[index : index + len(target)], target))
    return next(whole, None)


def _stretch_fits(stretch: Sequence[str], target: Sequence[str]) -> bool:
    if len(target) == 1:
        return True
    return (
        len(stretch) == len(target)
        and stretch[0].endswith(target[0])
        and stretch[-1].startswith(target[-1])
        and (stretch[1:-1] == target[1:-1])
    )


def _whole_lines_at(lines: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Where the wanted lines stand whole, but for spaces at their ends. Too little text proves nothing."""
    target = [line.strip() for line in wanted]
    if len("".join(target)) < _TELLING_CHARS:
        return None
    stripped = [line.strip() for line in lines]
    starts = (index for index, line in enumerate(stripped) if line == target[0])
    return next((index for index in starts if stripped[index : index + len(target)] == target), None)


def _most_like(lines: Sequence[str], wanted: Sequence[str]) -> int | None:
    """The line most like the longest of the wanted ones, moved back to where the first would be."""
    from difflib import SequenceMatcher

    longest = max(range(len(wanted)), key=lambda index: len(wanted[index].strip()), default=None)
    if longest is None or not wanted[longest].strip():
        return None
    matcher = SequenceMatcher(b=wanted[longest].strip()[:_COMPARED_CHARS], autojunk=False)
    best, best_ratio = None, _LIKE
    for index, line in enumerate(lines[:_MOST_LINES]):
        matcher.set_seq1(line.strip()[:_COMPARED_CHARS])
        if matcher.real_quick_ratio() > best_ratio and matcher.quick_ratio() > best_ratio:
            ratio = matcher.ratio()
            if ratio > best_ratio:
                best, best_ratio = index, ratio
    return None if best is None else max(0, best - longest)


def _quoted(lines: Sequence[str], first: int, count: int) -> str:
    """Lines as they are in the file, so that they can be copied, under a line that says which they are."""
    shown = lines[first : first + min(max(count, 1), _SHOWN_LINES)]
    text = "\n".join(shown)[:_SHOWN_CHARS]
    return f"(from line {first + 1})\n{text}"
