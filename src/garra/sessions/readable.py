"""A transcript for people: as plain text for the terminal, where long results are shortened with counts, and whole as
Markdown. Control characters, which a tool may have printed, are never passed on to a terminal.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from garra.sessions.entries import Compacted, Entry, Failed, Said, SessionInfo, images, written_text
from garra.wire.messages import Assistant, System, ToolCall, ToolResult, User

LINE_CHARS = 120


def plain_text(info: SessionInfo, entries: Sequence[Entry]) -> Iterator[str]:
    """The transcript in lines: who said what and when, each call and each result in one line."""
    yield f"{info.key}, {_session(info)}, {counted(info.messages, 'message')}"
    for entry in entries:
        match entry.item:
            case Said(Assistant(calls=calls) as reply) as said:
                yield from ("", f"{speaker(said)}:", *_lines(reply.text))
                yield from (f"  · {_call(call)}" for call in calls)
            case Said(ToolResult() as result):
                yield f"    {_result(result)}"
            case Said(User(content)):
                yield from ("", f"You, {local_time(entry.at)}:", *_lines(written_text(content)))
                yield from ("  (an image)" for _ in images(content))
            case Said(System(text)):
                yield from ("", "System:", *_lines(text))
            case Failed(error):
                yield from ("", *_lines(f"The turn failed: {error}"))
            case Compacted() as done:
                yield from ("", f"Compacted here: {_compaction(done)}", *_lines(done.summary))


def markdown(info: SessionInfo, entries: Sequence[Entry]) -> Iterator[str]:
    """The transcript in Markdown, whole: calls and results stand in fenced blocks."""
    yield f"# {info.key}\n\nThe {_session(info)}."
    for entry in entries:
        match entry.item:
            case Said(Assistant() as reply) as said:
                yield f"\n## {speaker(said)}\n"
                yield from (text for text in (reply.text.strip(),) if text)
                for call in reply.calls:
                    yield f"\nCalls `{call.name}`:\n\n{_fenced(call.arguments, 'json')}"
            case Said(ToolResult() as result):
                yield f"\nResult of `{result.name}`{' (failed)' if result.failed else ''}:\n\n{_fenced(result.text)}"
            case Said(User(content)):
                yield f"\n## You, {local_time(entry.at)}\n\n{written_text(content)}"
                yield from ("\n(an image)" for _ in images(content))
            case Said(System(text)):
                yield f"\n## System\n\n{text}"
            case Failed(error):
                yield f"\n> The turn failed: {' '.join(error.split())}"
            case Compacted() as done:
                yield f"\n> Compacted here: {_compaction(done)}\n" + "".join(
                    f"\n> {line}" for line in done.summary.splitlines()
                )


def _compaction(done: Compacted) -> str:
    """What a compaction did, in a line. Nothing of what was said is lost: it stands above."""
    by = f" by {one_line(done.model)}" if done.model else ", made without a model"
    return f"from here on this summary{by} is sent, not all that was said before ({done.tokens_before:,} tokens)."


def speaker(said: Said) -> str:
    """The assistant with its model, and how its reply ended where it was not whole."""
    ended = "" if said.status == "done" else f", {said.status}{f' ({said.note})' if said.note else ''}"
    return one_line(f"Assistant{f' ({said.model})' if said.model else ''}{ended}", 400)


def local_time(at: float) -> str:
    """Epoch seconds as the person's clock showed them."""
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 message, 2 messages."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def one_line(text: str, limit_chars: int = LINE_CHARS) -> str:
    """The text in one line, without control characters, cut to the limit."""
    flat = " ".join("".join(char if char.isprintable() else " " for char in text[: limit_chars * 4]).split())
    return flat if len(flat) <= limit_chars else flat[: limit_chars - 1] + "…"


def _session(info: SessionInfo) -> str:
    past = "" if info.current else ", before a reset"
    return f"session {info.session_id}{past}, begun {local_time(info.started_at)}"


def _lines(text: str) -> Iterator[str]:
    for line in text.strip().splitlines():
        yield "".join(char if char.isprintable() or char == "\t" else "�" for char in line)


def _call(call: ToolCall) -> str:
    return one_line(f"{call.name} {call.arguments}")


def _result(result: ToolResult) -> str:
    lines = result.text.strip().splitlines()
    failed = "failed: " if result.failed else ""
    if not lines:
        return f"{failed}(nothing)"
    count = f" ({len(lines):,} lines, {counted(len(result.text), 'character')})" if len(lines) > 1 else ""
    return f"{failed}{one_line(lines[0])}{count}"


def _fenced(text: str, language: str = "") -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
