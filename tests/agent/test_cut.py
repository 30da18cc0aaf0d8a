"""Where a conversation is cut: never between a call and its result, and never behind a message that waits."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from garra.agent.cut import Cut, Room, find_cut, halfway
from garra.sessions.entries import Compacted, Entry, Failed, Item, Said, Unknown
from garra.sessions.transcript import NO_REPLY, SUMMARY_READ, history, open_calls
from garra.wire.messages import Assistant, Message, ToolCall, ToolResult, User

BETWEEN: tuple[Message, ...] = (NO_REPLY, SUMMARY_READ)
LONG = "Several words that stand for a long text. " * 20


def entries(*items: Item | Unknown | Message) -> tuple[Entry, ...]:
    kept = (item if not isinstance(item, Message) else Said(item) for item in items)
    return tuple(Entry("s", seq, 0.0, item) for seq, item in enumerate(kept, 1))


def step(number: int, text: str = LONG, *, calls: int = 1) -> list[Message]:
    """A reply with calls, and their results."""
    asked = [ToolCall(f"c{number}.{place}", "read", "{}") for place in range(calls)]
    return [Assistant("", tuple(asked)), *(ToolResult(call.id, "read", text) for call in asked)]


def cut(*said: Item | Message, room: Room) -> Cut:
    found = find_cut(entries(*said), room)
    assert found is not None
    return found


ENDLESS = 10**9
TURNS: list[Message] = [message for _ in range(5) for message in (User(LONG), Assistant(LONG))]


def test_as_many_whole_turns_stay_as_may() -> None:
    assert cut(*TURNS, room=Room(1_100, ENDLESS, turns=0)).first_kept == 7
    assert cut(*TURNS, room=Room(600, ENDLESS, turns=0)).first_kept == 9


def test_the_last_turns_may_take_more_than_the_rest() -> None:
    assert cut(*TURNS, room=Room(600, ENDLESS, turns=3)).first_kept == 5
    assert cut(*TURNS, room=Room(600, 1_100, turns=3)).first_kept == 7


def test_a_turn_that_is_too_long_is_cut_between_its_steps_and_its_question_is_told_again() -> None:
    question = User("Read all of them.")

    found = cut(*TURNS, question, *step(1), *step(2), *step(3), room=Room(600, 600))

    assert found.first_kept == 14  # the two last steps
    assert found.question == question


def test_the_question_of_a_turn_that_is_over_is_not_told_again() -> None:
    found = cut(*TURNS, User("Read them."), *step(1), *step(2), Assistant("Done."), room=Room(300, 300))

    assert found.question is None


def test_a_step_that_is_too_long_by_itself_goes_whole() -> None:
    found = cut(*TURNS, User("Read them."), *step(1, calls=4), room=Room(300, 300))

    assert found.first_kept == 17
    assert found.head[-1] == ToolResult("c1.3", "read", LONG)


def test_a_message_that_waits_for_its_reply_stays_however_long_it_is() -> None:
    found = cut(*TURNS, User(LONG * 50), room=Room(300, 300))

    assert found.first_kept == 11
    assert found.question is None


def test_nothing_is_cut_while_a_call_is_open() -> None:
    assert find_cut(entries(*TURNS, User("Read."), step(1)[0]), Room(300, 300)) is None


def test_an_old_summary_alone_is_not_summarised_again() -> None:
    compacted = entries(*TURNS, Compacted(LONG, first_kept=9))

    assert find_cut(compacted, Room(600, 600)) is None
    assert find_cut((), Room(600, 600)) is None


def test_two_halves_are_about_of_a_size() -> None:
    assert halfway(entries(*TURNS), 11) == 6
    assert halfway(entries(User(LONG), Assistant(LONG)), 2) is None


texts = st.sampled_from(["", "one", "two words", LONG, LONG * 3])
calls = st.builds(ToolCall, st.sampled_from(["a", "b", "c"]), st.just("read"), st.just("{}"))
replies = st.builds(Assistant, texts, st.lists(calls, max_size=3).map(tuple))
results = st.builds(ToolResult, st.sampled_from(["a", "b", "c", "z"]), st.just("read"), texts)
messages = st.one_of(st.builds(User, texts), replies, results, results)
said = st.builds(Said, messages, st.sampled_from(["done", "done", "interrupted", "failed"]))
items = st.one_of(said, said, said, st.builds(Failed, texts), st.builds(Compacted, texts, st.integers(1, 20)))
transcripts = st.lists(items, max_size=25).map(lambda found: entries(*found))
rooms = st.builds(Room, st.integers(0, 2_000), st.integers(0, 4_000), st.integers(0, 5))


@settings(deadline=None)  # a busy machine is no fault
@given(transcripts, rooms)
def test_every_call_is_answered_exactly_once_before_and_after_the_cut(
    transcript: tuple[Entry, ...], room: Room
) -> None:
    found = find_cut(transcript, room)
    if found is None:
        return
    after = (*transcript, Entry("s", len(transcript) + 1, 0.0, Compacted("S", found.first_kept)))

    assert unanswered(found.head) == []
    assert unanswered(history(after)) == []
    assert open_calls(after) == ()
    assert found.head == history(transcript)[: len(found.head)]


@settings(deadline=None)  # a busy machine is no fault
@given(transcripts, rooms)
def test_what_is_not_summarised_stays_as_it_was_said(transcript: tuple[Entry, ...], room: Room) -> None:
    found = find_cut(transcript, room)
    if found is None:
        return
    after = history((*transcript, Entry("s", len(transcript) + 1, 0.0, Compacted("S", found.first_kept))))

    assert spoken(after[1:]) == spoken(history(transcript)[len(found.head) :])


@settings(deadline=None)  # a busy machine is no fault
@given(transcripts, rooms)
def test_a_message_that_waits_is_never_cut_off(transcript: tuple[Entry, ...], room: Room) -> None:
    found = find_cut(transcript, room)
    last = next((entry for entry in reversed(transcript) if isinstance(entry.item, Said)), None)
    if found and last and isinstance(last.item, Said) and isinstance(last.item.message, User):
        assert found.first_kept <= last.seq


def spoken(messages: Sequence[Message]) -> list[Message]:
    """Without what only stands between two messages of the person's."""
    return [message for message in messages if message not in BETWEEN]


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
            waiting = [call.id for call in message.calls] if isinstance(message, Assistant) else []
    return wrong + waiting
