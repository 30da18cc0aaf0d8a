"""How a reply is put together from its pieces."""

import time

from garra.wire.events import CallDelta, Finish, ReasoningDelta, Reply, TextDelta, Usage
from garra.wire.messages import Assistant, ToolCall


def test_a_reply_is_the_sum_of_its_pieces() -> None:
    reply = Reply()

    for event in (
        ReasoningDelta("hm", "reasoning_content"),
        ReasoningDelta("m", "reasoning_content"),
        TextDelta("Let me "),
        TextDelta("look."),
        CallDelta(1, "b", "write"),
        CallDelta(0, "a", "read", '{"pa'),
        CallDelta(1, arguments="{}"),
        CallDelta(0, arguments='th":1}'),
        Usage(10, 5, 3),
        Finish("tool_calls"),
    ):
        reply.add(event)

    calls = (ToolCall("a", "read", '{"path":1}'), ToolCall("b", "write", "{}"))
    assert reply.message() == Assistant("Let me look.", calls, "hmm", "reasoning_content")
    assert (reply.text, reply.finish_reason, reply.usage) == ("Let me look.", "tool_calls", Usage(10, 5, 3))


def test_a_call_without_an_id_is_given_one_that_stays_and_that_no_other_call_has() -> None:
    replies = [Reply(), Reply()]

    for reply in replies:
        reply.add(CallDelta(0, name="read", arguments="{}"))
        reply.add(CallDelta(1, name="read", arguments="{}"))

    ids = [call.id for reply in replies for call in reply.calls]
    assert len(set(ids)) == 4
    assert all(found.startswith("call_") for found in ids)
    assert ids == [call.id for reply in replies for call in reply.message().calls]


def test_an_id_that_comes_late_is_taken_as_it_came() -> None:
    reply = Reply()

    reply.add(CallDelta(0, name="read"))
    reply.add(CallDelta(0, "from-the-server", arguments="{}"))

    assert reply.calls == (ToolCall("from-the-server", "read", "{}"),)


def test_a_long_call_in_many_pieces_takes_time_in_proportion_to_its_length() -> None:
    reply = Reply()
    start = time.process_time()

    for _ in range(300_000):
        reply.add(CallDelta(0, "a", "write", "x" * 20))

    assert len(reply.calls[0].arguments) == 6_000_000
    assert time.process_time() - start < 30  # joining anew for every piece takes minutes
