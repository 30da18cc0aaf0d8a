"""What a summary must hold: names found in what a person wrote, and texts made smaller the same way each time."""

import json

import pytest

from garra.agent.budget import text_tokens
from garra.agent.summary import (
    asked_text,
    cleaned,
    identifiers,
    instruction,
    mechanical,
    missing,
    shortened,
    smaller,
    with_question,
)
from garra.sessions.transcript import summary_message
from garra.wire.messages import Assistant, Image, Message, Text, ToolCall, ToolResult, User

LONG = "Several words that stand for a long text. " * 200


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("look at /srv/photos/2019/may.jpg.", ["/srv/photos/2019/may.jpg"]),
        ("in ~/notes and src/garra/wire, please", ["~/notes", "src/garra/wire"]),
        ("see https://example.org/a?b=1#c, (or http://x.y/z)", ["https://example.org/a?b=1#c", "http://x.y/z"]),
        ("ticket AB-1234, issue #77 and commit 3f9a2c1", ["AB-1234", "#77", "3f9a2c1"]),
        ("rename report_final.docx", ["report_final.docx"]),
        ("he and/or she, e.g. on Monday. Then 12 more", []),
        ("pay 12500 by 2026-11-30", ["12500", "2026-11-30"]),
        ("`/etc/hosts` AND '/etc/hosts'", ["/etc/hosts"]),
    ],
)
def test_paths_urls_and_ids_are_found_and_words_are_not(text: str, found: list[str]) -> None:
    names = identifiers([User(text)])

    assert all(name in names for name in found)
    assert all(any(name in whole for whole in found) for name in names)


def test_only_what_the_person_wrote_last_is_searched() -> None:
    said: list[Message] = [User("/one/a.txt"), *(User(f"/later/{number}.txt") for number in range(5))]
    said += [Assistant("/mine/b.txt"), ToolResult("c", "read", "/tool/c.txt"), summary_message("/old/d.txt")]

    names = identifiers(said)

    assert names == tuple(f"/later/{number}.txt" for number in range(5))


def test_a_pasted_log_does_not_fill_the_summary_with_numbers() -> None:
    log = " ".join(f"/log/{number}.txt" for number in range(5_000))

    assert len(identifiers([User(f"why did /app/main.py fail? {log}")])) <= 30
    assert missing("so /app/main.py failed", ["/app/main.py", "/app/other.py"]) == ("/app/other.py",)


def test_the_time_before_a_message_is_no_identifier() -> None:
    assert identifiers([User("[Sun 2026-11-22 14:08 UTC] hello there")]) == ()
    assert asked_text(User((Text("[Sun 2026-11-22 14:08 UTC] look"), Image("data:,x")))) == "look"


@pytest.mark.parametrize(
    "written",
    [
        "## Goal\nSort.",
        "  ## Goal\nSort.\n\n",
        "Let me see…</think>\n## Goal\nSort.",
        '## Goal\nSort.\n<tool_call>\n{"name": "read"}',
    ],
)
def test_thinking_and_calls_are_no_part_of_a_summary(written: str) -> None:
    assert cleaned(written) == "## Goal\nSort."


def test_a_text_is_shortened_in_the_middle_and_says_by_how_much() -> None:
    short = shortened(f"BEGIN {LONG} END", 100)

    assert short.startswith("BEGIN")
    assert short.endswith("END")
    assert "characters left out" in short
    assert text_tokens(short) < 160
    assert shortened(f"BEGIN {LONG} END", 100) == short
    assert shortened("short", 100) == "short"


def test_a_call_that_is_shortened_still_has_an_object_for_arguments() -> None:
    call = ToolCall("c1", "write", json.dumps({"path": "a.txt", "content": LONG}))

    small = smaller(Assistant("", (call,)), 50, 50)

    assert isinstance(small, Assistant)
    [kept] = small.calls
    assert isinstance(json.loads(kept.arguments), dict)
    assert (kept.id, kept.name) == ("c1", "write")
    assert len(kept.arguments) < 500


def test_results_are_shortened_before_anything_that_was_said() -> None:
    assert smaller(User(LONG), 50, None) == User(LONG)
    assert len(str(smaller(ToolResult("c1", "read", LONG), 50, None))) < 500
    assert smaller(User((Text("look"), Image("data:image/png;base64,AAAA"))), 50, 50) == User("look")


def test_a_summary_made_without_a_model_holds_the_old_one_and_what_was_asked() -> None:
    said: list[Message] = [summary_message("## Goal\nSort the photos."), Assistant("Go on."), User("Now /srv/b.")]
    said += [Assistant("", (ToolCall("c1", "read", '{"path": "/srv/b"}'),)), ToolResult("c1", "read", LONG)]
    said += [Assistant("It is empty.")]

    text = mechanical(said, 500)

    for words in ("Sort the photos.", "Now /srv/b.", 'read {"path": "/srv/b"}', "It is empty."):
        assert words in text
    assert LONG not in text


@pytest.mark.parametrize("limit", [128, 512, 1_500])
def test_a_summary_made_without_a_model_stays_short_whatever_was_said(limit: int) -> None:
    said: list[Message] = [summary_message(LONG)]
    said += [message for _ in range(50) for message in (User(LONG), Assistant(LONG, (ToolCall("c", "x", LONG),)))]

    assert text_tokens(mechanical(said, limit)) < 2 * limit + 200


def test_the_request_under_way_is_told_in_the_persons_own_words_within_limits() -> None:
    whole = with_question("S", User("[Sun 2026-11-22 14:08 UTC] Sort them by year."), 100)

    assert whole.endswith("Sort them by year.")
    assert "Current task" in whole
    assert "2 images" in with_question("S", User((Text("look"), Image("data:,x"), Image("data:,y"))), 100)
    assert text_tokens(with_question("S", User(LONG), 100)) < 300
    assert with_question("S", None, 100) == "S"


def test_the_instruction_says_how_long_and_what_the_person_wants_in_it() -> None:
    text = instruction(250, focus="the prices", wanted=("AB-1234",), shorter=True)

    assert "250 words" in text
    assert "the prices" in text
    assert "AB-1234" in text
    assert text_tokens(instruction(250)) < 450
