"""The exports: OpenClaw's transcript events, and Markdown; and the plain transcript in the terminal."""

import json
from typing import Any

from garra.sessions.entries import Compacted, Entry, Failed, Head, Item, Said, SessionInfo, Unknown
from garra.sessions.export import openclaw_lines
from garra.sessions.readable import markdown, plain_text
from garra.wire.events import Usage
from garra.wire.messages import Assistant, Image, Message, System, Text, ToolCall, ToolResult, ToolSpec, User

AT = 1_700_000_000.25  # 2023-11-14T22:13:20.250Z
INFO = SessionInfo("agent:main:main", "5e551011", AT, AT, 2, "hi", True)
STAMPED = "[Tue 2023-11-14 22:13 UTC] read it"


def entries(*items: Item | Unknown | Message) -> tuple[Entry, ...]:
    kept = (item if not isinstance(item, Message) else Said(item) for item in items)
    return tuple(Entry("5e551011", seq, AT, item) for seq, item in enumerate(kept, 1))


def events(*items: Item | Unknown | Message) -> list[dict[str, Any]]:
    lines = list(openclaw_lines(INFO, entries(*items), folder="/home/me/work"))
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
    return [json.loads(line) for line in lines]


def message(item: Item | Message) -> dict[str, Any]:
    found: dict[str, Any] = events(item)[-1]["message"]
    assert found.pop("timestamp") == 1_700_000_000_250
    return found


def test_the_header_names_the_session_and_its_folder() -> None:
    assert events() == [
        {
            "type": "session",
            "version": 4,
            "id": "5e551011",
            "timestamp": "2023-11-14T22:13:20.250Z",
            "cwd": "/home/me/work",
        }
    ]


def test_events_form_a_chain_from_the_first_to_the_last() -> None:
    reply, other = Said(Assistant("a"), model="vllm/m"), Said(Assistant("b"), model="vllm/org/n")

    _, *chain = events(Head("s"), User("hi"), reply, reply, other, Failed("gone"), Unknown('{"type":"new","x":[1]}'))

    assert [event["type"] for event in chain] == [
        "custom",
        "message",
        "model_change",
        "message",
        "message",
        "model_change",
        "message",
        "custom",
        "custom",
    ]
    assert chain[0]["parentId"] is None
    assert [event["parentId"] for event in chain[1:]] == [event["id"] for event in chain[:-1]]
    assert len({event["id"] for event in chain}) == len(chain)
    assert {event["timestamp"] for event in chain} == {"2023-11-14T22:13:20.250Z"}
    assert (chain[5]["provider"], chain[5]["modelId"]) == ("vllm", "org/n")


def test_what_people_said_becomes_blocks_of_text_and_images() -> None:
    pictured = User((Text("see"), Image("data:image/png;base64,AAAA"), Image("http://host/x.png")))

    assert message(User("hi")) == {"role": "user", "content": [{"type": "text", "text": "hi"}]}
    assert message(pictured)["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image", "data": "AAAA", "mimeType": "image/png"},
        {"type": "text", "text": "[image: http://host/x.png]"},
    ]


def test_a_reply_carries_its_thinking_its_calls_and_what_it_cost() -> None:
    calls = (ToolCall("c1", "read", '{"path": "a"}'), ToolCall("c2", "now", ""), ToolCall("c3", "read", "{oops"))
    reply = Said(Assistant("On it", calls, "Hm.", "reasoning_content"), model="vllm/m", usage=Usage(100, 7, 60))

    assert message(reply) == {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "thinkingSignature": "reasoning_content"},
            {"type": "text", "text": "On it"},
            {"type": "toolCall", "id": "c1", "name": "read", "arguments": {"path": "a"}},
            {"type": "toolCall", "id": "c2", "name": "now", "arguments": {}},
            {"type": "toolCall", "id": "c3", "name": "read", "arguments": {"invalid_arguments": "{oops"}},
        ],
        "api": "openai-completions",
        "provider": "vllm",
        "model": "m",
        "usage": {
            "input": 40,
            "output": 7,
            "cacheRead": 60,
            "cacheWrite": 0,
            "totalTokens": 107,
            "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "total": 0},
        },
        "stopReason": "toolUse",
    }


def test_a_reply_says_how_it_ended() -> None:
    cut = Assistant("Half", (ToolCall("c1", "read", '{"pa'),))
    stopped, broken = message(Said(cut, "interrupted", note="stopped")), message(Said(cut, "failed", note="hung up"))

    assert message(Assistant("whole"))["stopReason"] == "stop"
    assert (stopped["stopReason"], stopped["errorMessage"]) == ("aborted", "stopped")
    assert (broken["stopReason"], broken["errorMessage"]) == ("error", "hung up")
    assert stopped["content"] == [{"type": "text", "text": "Half"}]


def test_a_result_names_its_call_and_whether_it_failed() -> None:
    assert message(ToolResult("c1", "read", "no such file", failed=True)) == {
        "role": "toolResult",
        "toolCallId": "c1",
        "toolName": "read",
        "content": [{"type": "text", "text": "no such file"}],
        "isError": True,
    }


def test_what_openclaw_has_no_event_for_is_kept_in_custom_events() -> None:
    spec = ToolSpec("read", "Read.", {"type": "object"})

    _, first, system, failed, unknown = events(
        Head("You are", (spec,), "vllm/m"), System("softly"), Failed("gone"), Unknown('{"type":"new"}')
    )

    assert first["customType"] == "garra.head"
    assert first["data"]["system"] == "You are"
    assert first["data"]["tools"] == [{"name": "read", "description": "Read.", "parameters": {"type": "object"}}]
    assert (system["type"], system["content"], system["display"]) == ("custom_message", "softly", False)
    assert (failed["customType"], failed["data"]) == ("garra.failed", {"error": "gone"})
    assert (unknown["customType"], unknown["data"]) == ("garra.unknown", {"type": "new"})


CONVERSATION = (
    Head("You are Garra."),
    User(STAMPED),
    Said(Assistant("On it.", (ToolCall("c1", "read", '{"path":\n "a"}'),), "secret thought"), model="vllm/m"),
    ToolResult("c1", "read", "first line\n" + "more\n" * 98 + "last", failed=True),
    Said(Assistant("Half of"), "interrupted", "vllm/m", note="stopped by the person"),
    Failed("the server\nwent away"),
)


def test_the_plain_transcript_shortens_calls_and_results_with_counts() -> None:
    text = "\n".join(plain_text(INFO, entries(*CONVERSATION)))

    assert text.startswith("agent:main:main, session 5e551011, begun ")
    assert ", 2 messages\n" in text
    assert "\nread it\n" in text
    assert "UTC]" not in text
    assert '\nAssistant (vllm/m):\nOn it.\n  · read {"path": "a"}\n' in text
    assert "\n    failed: first line (100 lines, 505 characters)\n" in text
    assert "\nAssistant (vllm/m), interrupted (stopped by the person):\nHalf of\n" in text
    assert text.endswith("The turn failed: the server\nwent away")
    assert "secret thought" not in text
    assert "You are Garra." not in text


def test_the_plain_transcript_passes_no_control_characters_on() -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"
    shown = entries(
        User(evil),
        Said(Assistant(evil, (ToolCall("c", evil, evil),)), "failed", model=evil, note=evil),
        ToolResult("c", evil, evil),
        Failed(evil),
    )

    text = "\n".join(plain_text(INFO, shown))

    assert all(char.isprintable() or char == "\n" for char in text)
    assert "owned" in text


def test_markdown_holds_the_whole_of_what_was_said() -> None:
    text = "\n".join(markdown(INFO, entries(*CONVERSATION)))

    assert text.startswith("# agent:main:main\n")
    assert '\n## Assistant (vllm/m)\n\nOn it.\n\nCalls `read`:\n\n```json\n{"path":\n "a"}\n```\n' in text
    assert "\nResult of `read` (failed):\n\n```\nfirst line\nmore\n" in text
    assert "\n## Assistant (vllm/m), interrupted (stopped by the person)\n\nHalf of\n" in text
    assert "\n> The turn failed: the server went away" in text


def test_a_fence_in_a_result_does_not_end_its_block() -> None:
    text = "\n".join(markdown(INFO, entries(ToolResult("c", "read", "```\ninner\n```"))))

    assert "\n````\n```\ninner\n```\n````" in text


COMPACTED = Compacted("## Goal\nRead it.", first_kept=3, tokens_before=5_120, model="vllm/m")


def test_a_compaction_is_openclaws_event_and_points_at_what_was_kept() -> None:
    said = (User("one"), Assistant("first"), User("two"), Assistant("second"))

    *before, event = events(*said, COMPACTED)

    assert (event["type"], event["summary"], event["tokensBefore"]) == ("compaction", "## Goal\nRead it.", 5_120)
    kept = next(other for other in before if other["id"] == event["firstKeptEntryId"])
    assert kept["message"]["content"] == [{"type": "text", "text": "two"}]
    assert event["parentId"] == before[-1]["id"]


def test_the_transcript_keeps_everything_and_says_where_it_was_compacted() -> None:
    said = entries(User("one"), Assistant("first"), COMPACTED, User("two"))

    for text in ("\n".join(plain_text(INFO, said)), "\n".join(markdown(INFO, said))):
        before, found, after = text.partition("Compacted here: ")
        assert found
        assert "one" in before
        assert "first" in before
        assert "vllm/m" in after
        assert "5,120 tokens" in after
        assert "Read it." in after
        assert "two" in after


def test_a_summary_cannot_reach_the_terminal_with_control_characters() -> None:
    said = entries(Compacted("a\x1b[31mred", first_kept=1))

    assert "\x1b" not in "\n".join(plain_text(INFO, said))
