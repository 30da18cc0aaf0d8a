"""What a command printed, capped: head and tail are right, in any split of the bytes."""

from hypothesis import given, settings
from hypothesis import strategies as st

from garra.tools.output import Output


@settings(deadline=None)
@given(st.text(), st.integers(2, 40), st.data())
def test_head_and_tail_are_kept_and_the_rest_is_counted(text: str, cap: int, data: st.DataObject) -> None:
    output = Output(cap)
    raw = text.encode()
    while raw:
        size = data.draw(st.integers(1, len(raw)))
        output.feed(raw[:size])
        raw = raw[size:]
    output.feed(b"", last=True)

    if len(text) <= cap:
        assert output.text() == text
    else:
        marker = f"\n[… {len(text) - cap:,} characters left out …]\n"
        assert output.text() == text[: cap // 2] + marker + text[-(cap - cap // 2) :]


@settings(deadline=None)
@given(st.binary())
def test_bytes_that_are_no_utf8_are_shown_as_python_shows_them(raw: bytes) -> None:
    output = Output(10_000)

    fed = output.feed(raw) + output.feed(b"", last=True)

    assert fed == output.text() == raw.decode(errors="replace")


def test_what_was_taken_is_not_given_again() -> None:
    output = Output()
    output.feed(b"one ")
    assert output.take() == "one "

    output.feed(b"two")

    assert output.take() == "two"
    assert output.take() == ""
