"""What fits into the window."""

import pytest

from garra.agent.budget import LEAST_REPLY_TOKENS, estimate_tokens, reply_limit, used_tokens
from garra.errors import ContextOverflow
from garra.sessions.entries import Compacted, Entry, Head, Item, Said
from garra.sessions.transcript import history
from garra.wire.events import Usage
from garra.wire.messages import Assistant, Image, Message, System, Text, ToolCall, ToolResult, ToolSpec, User

pytestmark = pytest.mark.anyio


class Server:
    """Counts, and remembers that it was asked."""

    def __init__(self, tokens: int | None) -> None:
        self.tokens = tokens
        self.asked = 0

    async def count(self) -> int | None:
        self.asked += 1
        return self.tokens


async def test_far_from_the_limit_nobody_is_asked_and_the_server_decides() -> None:
    server = Server(900)

    assert await reply_limit(900, 8192, None, server.count) is None
    assert server.asked == 0


async def test_a_configured_cap_is_sent_as_it_is_where_it_fits() -> None:
    assert await reply_limit(900, 8192, 500, Server(900).count) == 500


async def test_near_the_limit_the_servers_count_lowers_the_cap_to_what_is_left() -> None:
    server = Server(7_900)

    assert await reply_limit(7_000, 8192, 2_000, server.count) == 292
    assert server.asked == 1


async def test_a_prompt_that_leaves_no_room_is_refused_with_the_numbers() -> None:
    with pytest.raises(ContextOverflow, match=r"8,180 of the model's 8,192") as refused:
        await reply_limit(7_000, 8192, None, Server(8_180).count)

    assert (refused.value.asked, refused.value.limit) == (8_180, 8_192)


async def test_a_message_that_is_too_long_by_itself_is_refused_with_what_it_takes() -> None:
    with pytest.raises(ContextOverflow, match=r"The last message alone takes about 9,000") as refused:
        await reply_limit(9_500, 8192, None, Server(9_100).count, newest=9_000)

    assert "/new" not in str(refused.value)


async def test_the_cap_is_never_smaller_than_a_useful_reply() -> None:
    assert await reply_limit(8_000, 8192, 4_000, Server(8192 - LEAST_REPLY_TOKENS).count) == LEAST_REPLY_TOKENS


async def test_where_nobody_counts_only_what_can_never_fit_is_refused() -> None:
    assert await reply_limit(9_000, 8192, None, Server(None).count) is None
    assert await reply_limit(7_000, 8192, 2_000, Server(None).count) == 1_192
    assert await reply_limit(9_000, 8192, 2_000, Server(None).count) == LEAST_REPLY_TOKENS
    with pytest.raises(ContextOverflow, match="about 30,000"):
        await reply_limit(30_000, 8192, None, Server(None).count)


def test_what_the_server_counted_for_another_prefix_is_void() -> None:
    usage = Usage(5_000, 10)
    before, after = Head("long " * 4_000, (), "vllm/m"), Head("short", (), "vllm/m")
    items: list[Item] = [before, Said(User("Hi")), Said(Assistant("Hello."), model="vllm/m", usage=usage), after]
    entries = tuple(Entry("s", seq, 0.0, item) for seq, item in enumerate(items, 1))

    assert used_tokens(entries, before, "vllm/m") >= 5_010
    assert used_tokens(entries, after, "vllm/m") < 50


async def test_without_a_known_window_the_configured_cap_goes_out() -> None:
    assert await reply_limit(1_000_000, None, 77, Server(1).count) == 77


def test_the_estimate_counts_every_part_of_a_conversation() -> None:
    spec = ToolSpec("read", "Read a file.", {"type": "object", "properties": {"path": {"type": "string"}}})
    parts: list[Message] = [
        System("s" * 320),
        User("u" * 320),
        User((Text("t" * 320), Image("data:image/png;base64,AAAA"))),
        Assistant("a" * 320, (ToolCall("c", "read", "x" * 320),)),
        ToolResult("c", "read", "r" * 320),
    ]

    sizes = [estimate_tokens([part], ()) for part in parts]

    assert all(size >= 90 for size in sizes)
    assert sizes[2] >= 2_500  # an image counts as 8,000 characters
    assert estimate_tokens(parts, [spec]) > estimate_tokens(parts, ())


def test_the_estimate_is_above_what_the_real_tokenizer_counts_for_han_characters() -> None:
    # Qwen and Llama tokenizers need about 0.6 to 1.0 tokens for a Han character, SmolLM2 up to 3 for rare ones
    assert estimate_tokens([User("漢字" * 500)], ()) >= 900


def test_what_was_compacted_counts_no_more_and_neither_does_what_the_server_said_of_it() -> None:
    prefix = Head("system", (), "vllm/m")
    reply = Said(Assistant("a" * 9_000), model="vllm/m", usage=Usage(20_000, 3_000))
    before: tuple[Item, ...] = (Said(User("u" * 90_000)), reply, Compacted("What was said.", first_kept=3))
    entries = tuple(Entry("s", seq, 0.0, item) for seq, item in enumerate(before, 1))
    later = Said(Assistant("b"), model="vllm/m", usage=Usage(70, 5))
    fixed = estimate_tokens([System("system")], ())

    assert used_tokens(entries[:2], prefix, "vllm/m") == 23_000
    assert used_tokens(entries, prefix, "vllm/m") == fixed + estimate_tokens(history(entries), ()) < 200
    assert used_tokens((*entries, Entry("s", 4, 0.0, later)), prefix, "vllm/m") == 75
