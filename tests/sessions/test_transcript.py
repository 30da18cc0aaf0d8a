"""What the model is sent: every call answered once, and what was sent stays sent."""

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from garra.sessions.entries import Compacted, Entry, Failed, Head, Item, NewEntry, Said, Status, Unknown
from garra.sessions.store import Store
from garra.sessions.transcript import (
    NO_REPLY,
    SUMMARY_READ,
    compaction,
    head,
    history,
    interrupted_result,
    mend,
    open_calls,
    summary_message,
)
from garra.wire.messages import Assistant, Message, System, ToolCall, ToolResult, User

READ = ToolCall("c1", "read", '{"path": "a"}')
WRITE = ToolCall("c2", "write", '{"path": "b"}')
ASKED = Assistant("", (READ, WRITE))
READ_DONE, WRITE_DONE = ToolResult("c1", "read", "A"), ToolResult("c2", "write", "ok")


def entries(*items: Item | Unknown | Message) -> tuple[Entry, ...]:
    kept = (item if not isinstance(item, Message) else Said(item) for item in items)
    return tuple(Entry("s", seq, 0.0, item) for seq, item in enumerate(kept, 1))


def test_a_finished_conversation_is_sent_as_it_was() -> None:
    said = (User("hi"), ASKED, READ_DONE, WRITE_DONE, Assistant("done"), User("thanks"))

    assert history(entries(Head("system"), *said)) == said


def test_a_reply_whose_calls_are_still_running_is_not_sent_yet() -> None:
    assert history(entries(User("hi"), ASKED)) == (User("hi"),)
    assert history(entries(User("hi"), ASKED, READ_DONE)) == (User("hi"),)
    assert open_calls(entries(User("hi"), ASKED, READ_DONE)) == (WRITE,)


def test_results_are_sent_in_the_order_of_their_calls() -> None:
    assert history(entries(ASKED, WRITE_DONE, READ_DONE)) == (ASKED, READ_DONE, WRITE_DONE)


def test_a_call_that_nobody_answered_before_the_next_message_was_interrupted() -> None:
    sent = history(entries(ASKED, WRITE_DONE, User("go on"), READ_DONE))

    assert sent == (ASKED, interrupted_result(READ), WRITE_DONE, NO_REPLY, User("go on"))
    assert interrupted_result(READ).failed
    assert "interrupted" in interrupted_result(READ).text


def test_the_first_result_of_a_call_counts_and_one_without_a_call_is_left_out() -> None:
    again, stray = ToolResult("c1", "read", "B"), ToolResult("c9", "read", "?")

    assert history(entries(stray, ASKED, READ_DONE, again, stray, WRITE_DONE, again)) == (ASKED, READ_DONE, WRITE_DONE)


def test_two_calls_of_one_id_are_answered_in_their_order() -> None:
    twins = Assistant("", (ToolCall("c1", "read", "{}"), ToolCall("c1", "read", "{}")))
    first, second = ToolResult("c1", "read", "1"), ToolResult("c1", "read", "2")

    assert history(entries(twins, first)) == ()
    assert history(entries(twins, first, second)) == (twins, first, second)


def test_an_id_that_a_server_uses_anew_in_each_step_belongs_to_its_own_step() -> None:
    asked, first, second = Assistant("", (READ,)), ToolResult("c1", "read", "1"), ToolResult("c1", "read", "2")

    assert history(entries(asked, first, asked, second)) == (asked, first, asked, second)


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_a_reply_cut_short_keeps_its_text_and_loses_its_unfinished_calls(status: Status) -> None:
    partial = Assistant("I will", (ToolCall("c1", "read", '{"pa'),))

    sent = history(entries(User("hi"), Said(partial, status), User("go on")))

    assert sent == (User("hi"), Assistant("I will"), User("go on"))


@pytest.mark.parametrize("partial", [Assistant(), Assistant("", (READ,)), Assistant("", (), "thinking…", "reasoning")])
def test_a_reply_cut_short_before_it_said_anything_is_not_sent(partial: Assistant) -> None:
    sent = history(entries(User("hi"), Said(partial, "interrupted"), User("again")))

    assert sent == (User("hi"), NO_REPLY, User("again"))


def test_the_message_of_a_failed_turn_stays_and_the_failure_is_not_shown() -> None:
    assert history(entries(User("hi"), Failed("no route"), User("hi?"))) == (User("hi"), NO_REPLY, User("hi?"))


def test_an_empty_reply_counts_as_none() -> None:
    assert history(entries(User("hi"), Assistant(" \n"), User("again"))) == (User("hi"), NO_REPLY, User("again"))


def test_what_a_newer_version_wrote_is_skipped() -> None:
    assert history(entries(User("hi"), Unknown('{"type":"x"}'), Assistant("ho"))) == (User("hi"), Assistant("ho"))


@pytest.mark.parametrize(
    "arguments", ['{"path": "a', "[1]", "null", '{"a": NaN}', '"text"', "{}{}", '{"a":' + "[" * 9999]
)
def test_arguments_that_a_server_could_not_parse_are_wrapped_so_that_the_session_goes_on(arguments: str) -> None:
    asked = Assistant("", (ToolCall("c1", "read", arguments),))

    reply, answer = history(entries(asked, READ_DONE))

    assert isinstance(reply, Assistant)
    assert json.loads(reply.calls[0].arguments) == {"invalid_arguments": arguments}
    assert answer == READ_DONE


@pytest.mark.parametrize("arguments", ["", "  "])
def test_a_call_without_arguments_is_sent_with_an_empty_object(arguments: str) -> None:
    (reply, _) = history(entries(Assistant("", (ToolCall("c1", "read", arguments),)), READ_DONE))

    assert reply == Assistant("", (ToolCall("c1", "read", "{}"),))


@pytest.mark.parametrize("arguments", ["{}", '{ "b":1,\n "a" : "\\u00e9" }', '{"a": 1e3, "a": 2}'])
def test_arguments_that_can_be_parsed_are_sent_byte_for_byte(arguments: str) -> None:
    asked = Assistant("", (ToolCall("c1", "read", arguments),))

    assert history(entries(asked, READ_DONE))[0] == asked


def test_the_prefix_in_force_is_the_one_stored_last() -> None:
    assert head(entries(User("hi"))) is None
    assert head(entries(Head("one"), User("hi"), Assistant("ho"))) == Head("one")
    assert head(entries(Head("one"), User("hi"), Head("two"), Assistant("ho"))) == Head("two")


calls = st.builds(
    ToolCall, st.sampled_from(["a", "b", "c"]), st.just("read"), st.sampled_from(["{}", '{"x":1}', "{bad", ""])
)
texts = st.sampled_from(["", "one", "two"])
replies = st.builds(Assistant, texts, st.lists(calls, max_size=3).map(tuple))
results = st.builds(ToolResult, st.sampled_from(["a", "b", "c", "z"]), st.just("read"), texts)
messages = st.one_of(st.builds(User, texts), st.builds(System, texts), replies, results, results)
statuses = st.sampled_from(["done", "done", "interrupted", "failed"])
items = st.one_of(
    st.builds(Said, messages, statuses), st.builds(Head, texts), st.builds(Failed, texts), st.builds(Unknown, texts)
)
transcripts = st.lists(items, max_size=25).map(lambda found: entries(*found))


@given(transcripts)
def test_what_was_sent_stays_sent_whatever_is_added(transcript: tuple[Entry, ...]) -> None:
    sent = [history(transcript[:length]) for length in range(len(transcript) + 1)]

    for earlier, later in pairwise(sent):
        assert later[: len(earlier)] == earlier


@given(transcripts)
def test_every_call_is_answered_exactly_once_and_right_after_it(transcript: tuple[Entry, ...]) -> None:
    assert unanswered(history(transcript)) == []


compacted_items = st.one_of(items, items, items, st.builds(Compacted, texts, st.integers(1, 25)))
compacted_transcripts = st.lists(compacted_items, max_size=25).map(lambda found: entries(*found))


@given(compacted_transcripts)
def test_what_was_sent_stays_sent_until_the_next_compaction(transcript: tuple[Entry, ...]) -> None:
    sent = [history(transcript[:length]) for length in range(len(transcript) + 1)]

    for (earlier, later), added in zip(pairwise(sent), transcript, strict=True):
        if not isinstance(added.item, Compacted):
            assert later[: len(earlier)] == earlier


@given(compacted_transcripts, st.integers(1, 25))
def test_every_call_is_answered_exactly_once_wherever_a_compaction_cut(
    transcript: tuple[Entry, ...], until: int
) -> None:
    assert unanswered(history(transcript)) == []
    assert unanswered(history(transcript, until=until)) == []


@given(compacted_transcripts)
def test_no_two_messages_of_the_person_follow_each_other(transcript: tuple[Entry, ...]) -> None:
    for before, after in pairwise(history(transcript)):
        assert not (isinstance(before, User) and isinstance(after, User))


@given(transcripts)
def test_nothing_is_left_out_but_results_without_a_call_and_replies_cut_short(transcript: tuple[Entry, ...]) -> None:
    said = [entry.item for entry in transcript if isinstance(entry.item, Said)]
    whole = [each.message for each in said if each.status == "done" and isinstance(each.message, Assistant)]
    sent = history((*transcript, *entries(User("end"))))

    assert [each for each in sent if isinstance(each, User | System)] == [
        *(each.message for each in said if isinstance(each.message, User | System)),
        User("end"),
    ]
    assert [ids(each) for each in sent if isinstance(each, Assistant) and each.calls] == [
        ids(each) for each in whole if each.calls
    ]


def ids(reply: Assistant) -> list[str]:
    return [call.id for call in reply.calls]


def unanswered(sent: Sequence[Message]) -> list[str]:
    """The ids of calls that are not answered at once and in order, and of results that answer nothing."""
    waiting: list[str] = []
    wrong: list[str] = []
    for message in sent:
        if isinstance(message, ToolResult):
            if not waiting or waiting.pop(0) != message.call_id:
                wrong.append(message.call_id)
        else:
            wrong += waiting
            waiting = ids(message) if isinstance(message, Assistant) else []
    return wrong + waiting


@pytest.mark.anyio
async def test_mending_answers_what_a_crash_left_open_once_and_for_all(store: Store) -> None:
    key = "agent:main:main"
    await store.append(key, *(NewEntry(Said(message)) for message in (User("hi"), ASKED, WRITE_DONE)))

    (added,) = await mend(store, key)

    assert added.item == Said(interrupted_result(READ))
    assert (await store.entries(key))[-1] == added
    assert history(await store.entries(key)) == (User("hi"), ASKED, interrupted_result(READ), WRITE_DONE)
    assert await mend(store, key) == ()


@pytest.mark.anyio
async def test_there_is_nothing_to_mend_in_a_whole_or_an_empty_transcript(store: Store) -> None:
    key = "agent:main:main"
    assert await mend(store, key) == ()
    await store.append(key, NewEntry(Said(User("hi"))), NewEntry(Said(Assistant("I", (READ,)), "interrupted")))

    assert await mend(store, key) == ()


@pytest.mark.anyio
async def test_a_session_that_was_reset_during_its_turn_can_still_be_mended(store: Store) -> None:
    key = "agent:main:main"
    session_id = (await store.append(key, NewEntry(Said(ASKED))))[0].session_id
    await store.reset(key)

    added = await mend(store, key, session_id=session_id)

    assert [entry.item for entry in added] == [Said(interrupted_result(READ)), Said(interrupted_result(WRITE))]
    assert await store.entries(key) == ()


def test_two_messages_in_a_row_have_a_word_between_them_since_many_templates_refuse_them() -> None:
    assert history(entries(User("one"), User("two"))) == (User("one"), NO_REPLY, User("two"))


def test_a_message_that_was_too_long_to_send_is_left_out_of_what_is_sent_and_of_nothing_else() -> None:
    refused = Failed("it does not fit", dropped=True)
    numbered = entries(User("one"), Assistant("first"), User("too long"), refused, User("two"))

    assert history(numbered) == (User("one"), Assistant("first"), User("two"))


def test_a_compaction_puts_its_summary_in_the_place_of_what_came_before() -> None:
    said = (User("one"), Assistant("first"), User("two"), ASKED, READ_DONE, WRITE_DONE, Assistant("second"))

    sent = history(entries(*said, Compacted("What was said.", first_kept=3), User("three")))

    assert sent == (summary_message("What was said."), SUMMARY_READ, *said[2:], User("three"))


def test_a_compaction_may_keep_the_steps_of_a_turn_without_its_question() -> None:
    said = (User("one"), ASKED, READ_DONE, WRITE_DONE)

    assert history(entries(*said, Compacted("S", first_kept=2))) == (summary_message("S"), *said[1:])


def test_a_compaction_that_keeps_nothing_leaves_the_summary() -> None:
    done = Compacted("S", first_kept=4)

    assert history(entries(User("one"), Assistant("first"), done)) == (summary_message("S"),)
    assert history(entries(User("one"), Assistant("first"), done, User("two"))) == (
        summary_message("S"),
        SUMMARY_READ,
        User("two"),
    )


def test_the_last_of_several_compactions_counts_and_may_keep_what_stands_before_the_one_before() -> None:
    first, second = Compacted("S", first_kept=3), Compacted("T", first_kept=5)
    numbered = entries(User("one"), Assistant("1"), User("two"), Assistant("2"), User("three"), first, second)

    assert history(numbered) == (summary_message("T"), SUMMARY_READ, User("three"))
    assert history(numbered[:-1], until=5) == (summary_message("S"), SUMMARY_READ, User("two"), Assistant("2"))
    assert compaction(numbered) == second


def test_a_message_that_was_never_read_takes_no_summary_with_it() -> None:
    refused = Failed("it does not fit", dropped=True)
    done = Compacted("S", first_kept=3)

    assert history(entries(User("one"), Assistant("1"), done, refused)) == (summary_message("S"),)
    assert history(entries(User("one"), Assistant("1"), done, User("two"), refused, User("three"))) == (
        summary_message("S"),
        SUMMARY_READ,
        User("three"),
    )
