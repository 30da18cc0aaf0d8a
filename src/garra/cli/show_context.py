"""Where the tokens of a conversation go, drawn as bars."""

from collections.abc import Iterator

from garra.agent.context import ContextReport

WIDTH = 30


def drawn(report: ContextReport) -> Iterator[str]:
    """The report in lines: a bar a part, against the window where it is known."""
    whole = report.window or report.total
    names = [part.name for part in report.parts] + ["free"]
    width = max(len(name) for name in names)
    for part in report.parts:
        yield _line(part.name, part.tokens, whole, width)
    if report.window:
        yield _line("free", max(0, report.window - report.total), whole, width, "·")
    how = "counted by the server" if report.counted else "estimated"
    of = f" of {report.window:,} ({100 * report.total / report.window:.0f}%)" if report.window else ""
    yield f"{'total':<{width}}  {report.total:>8,}{of} tokens for {report.model}, {how}; the parts are estimated."
    if report.compacts_at:
        yield f"Older turns are summarised from {report.compacts_at:,} tokens on; /compact in garra chat does it now."
    for cut in report.cuts:
        yield f"{cut}."


def _line(name: str, tokens: int, whole: int, width: int, mark: str = "█") -> str:
    share = tokens / whole if whole else 0.0
    bar = mark * max(round(share * WIDTH), 1 if tokens else 0)
    return f"{name:<{width}}  {tokens:>8,}  {bar:<{WIDTH}}  {100 * share:4.1f}%"
