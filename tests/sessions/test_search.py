"""Any text is a query, and what was said is found by every word of it."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from garra.sessions.store import Found, Head, NewEntry, Said, Store
from garra.wire.messages import Assistant, Image, Text, ToolCall, ToolResult, User

pytestmark = pytest.mark.anyio

KEY = "agent:main:main"


async def say(store: Store, *texts: str, key: str = KEY) -> None:
    await store.append(key, *(NewEntry(Said(User(text))) for text in texts))


def snippets(found: tuple[Found, ...]) -> list[str]:
    return [each.snippet for each in found]


async def test_every_word_must_be_there_and_the_newest_comes_first(store: Store) -> None:
    await say(store, "the red ship", "a red house", "the ship is red again")

    assert snippets(await store.search("red ship")) == ["the ship is red again", "the red ship"]
    assert snippets(await store.search("red", limit=1)) == ["the ship is red again"]
    assert await store.search("green ship") == ()


async def test_a_hit_says_who_said_it_and_where(store: Store) -> None:
    await say(store, "elsewhere", key="agent:main:explicit:other")
    _, reply = await store.append(KEY, NewEntry(Said(User("hi"))), NewEntry(Said(Assistant("a lighthouse"))))

    (found,) = await store.search("lighthouse")

    assert found == Found(KEY, reply.session_id, 2, reply.at, "assistant", "a lighthouse")


async def test_only_what_people_and_the_model_said_is_searched(store: Store) -> None:
    await store.append(
        KEY,
        NewEntry(Head("needle")),
        NewEntry(Said(User((Text("look: haystack"), Image("data:needle"))))),
        NewEntry(Said(Assistant("", (ToolCall("c", "needle", '{"needle": 1}'),), reasoning="needle"))),
        NewEntry(Said(ToolResult("c", "needle", "needle"))),
    )

    assert await store.search("needle") == ()
    assert len(await store.search("haystack")) == 1


async def test_a_partial_reply_and_a_session_before_a_reset_are_found(store: Store) -> None:
    await store.append(KEY, NewEntry(Said(Assistant("cut off pelican"), "interrupted")))
    await store.reset(KEY)

    assert len(await store.search("pelican")) == 1


@pytest.mark.parametrize(
    "query",
    [
        "harb",
        "HARBOUR",
        "cafe",
        "café",
        "naïve-ish",
        "🎉",
        "🎉 harbour",
        "50%",
        "a_b",
        "世界",
        "世",
        "C++",
        '"quoted"',
        "it's",
        "ไทย",
    ],
)
async def test_beginnings_accents_signs_emoji_and_scripts_without_spaces_are_found(store: Store, query: str) -> None:
    said = 'Harbour party🎉 at the Café, naïve-ish: 50% of a_b, 你好世界, C++, "quoted", it\'s ภาษาไทยง่าย'
    await say(store, said, "something else")

    (found,) = await store.search(query)

    assert found.seq == 1


@pytest.mark.parametrize(
    "query", ["5%", "a%b", "axb", "C--", "OR", "NOT harbour", "NEAR(x)", "text:harbour", "harbour*"]
)
async def test_signs_have_no_meaning_of_their_own(store: Store, query: str) -> None:
    await say(store, "harbour at a-b of C++, 50 percent")

    assert await store.search(query) == ()


@pytest.mark.parametrize(
    "query", ["", "  \n ", "\0", '"', "'", "\\", "(", "*", "AND", "-", "\ud800", "x" * 10**6, "a- " * 10**5]
)
async def test_no_query_is_an_error(store: Store, query: str) -> None:
    await say(store, "harbour")

    assert await store.search(query) == ()


async def test_what_stands_behind_a_zero_byte_is_found(store: Store) -> None:
    await say(store, "before\0pelican 🎉")

    assert len(await store.search("pelican")) == 1
    assert len(await store.search("🎉")) == 1


async def test_a_long_message_is_shown_around_what_was_found(store: Store) -> None:
    await say(store, "lead " * 300 + "the pearl-diver rests" + " trail" * 300)

    for query in ("diver", "pearl-diver"):
        (found,) = await store.search(query)
        assert "pearl-diver" in found.snippet
        assert found.snippet.startswith("…")
        assert len(found.snippet) < 250


async def test_every_letter_and_digit_is_found_by_itself(store: Store) -> None:
    letters = [chr(code) for code in range(0x1100) if chr(code).isalnum()]
    await say(store, *letters)

    found = await asyncio.gather(*(store.search(letter, limit=len(letters)) for letter in letters))

    missed = [
        letter for number, letter in enumerate(letters, 1) if number not in {each.seq for each in found[number - 1]}
    ]
    assert missed == []


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8"), max_size=40), query=st.text(max_size=40))
def test_whatever_was_said_is_found_by_its_own_words_and_any_query_is_answered(
    tmp_path: Path, text: str, query: str
) -> None:
    async def try_it() -> None:
        async with await Store.open(tmp_path / "s.sqlite") as store:
            await store.append(KEY, NewEntry(Said(User(text))))
            await store.search(query)
            if text.replace("\0", " ").split():
                assert len(await store.search(text)) >= 1
            await store.delete(KEY)

    asyncio.run(try_it())
