"""The `openai` SDK against the embedded server, on the default model."""

import asyncio
from typing import Any

import openai
import pytest

from tests.live.served import Served

pytestmark = [pytest.mark.anyio, pytest.mark.live]
MODEL = "Garra/Smol-LM2"
HELLO = [{"role": "user", "content": "Say hello in one word."}]


def client(served: Served) -> Any:
    """The SDK's client, without its types: the tests send what these do not allow."""
    return openai.AsyncOpenAI(base_url=served.base_url, api_key="unused", max_retries=0)


async def test_a_whole_reply_comes_with_its_usage(served: Served) -> None:
    async with client(served) as sdk:
        reply = await sdk.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=24, temperature=0)

    assert reply.choices[0].message.role == "assistant"
    assert reply.choices[0].message.content
    assert (
        reply.usage.prompt_tokens == 36
    )  # what the real vLLM counted for the same messages: recordings/tools/chat.json
    assert reply.usage.completion_tokens <= 24
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


async def test_a_streamed_reply_is_the_same_text_in_pieces(served: Served) -> None:
    options = {"model": MODEL, "messages": HELLO, "max_tokens": 24, "temperature": 0}
    async with client(served) as sdk:
        whole = await sdk.chat.completions.create(**options)
        pieces: list[str] = []
        finishes: list[str] = []
        usage = None
        async for chunk in await sdk.chat.completions.create(
            **options, stream=True, stream_options={"include_usage": True}
        ):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                pieces.append(choice.delta.content or "")
                finishes += [choice.finish_reason] if choice.finish_reason else []

    assert "".join(pieces) == whole.choices[0].message.content
    assert len(pieces) > 2
    assert finishes == [whole.choices[0].finish_reason]
    assert usage is not None
    assert usage.completion_tokens == whole.usage.completion_tokens


async def test_eight_at_once_are_all_answered_and_none_gets_anothers_tokens(served: Served) -> None:
    async def ask(sdk: Any, word: str) -> str:
        reply = await sdk.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": f"Say {word}."}],
            max_tokens=32,
            extra_body={"structured_outputs": {"choice": [f"{word} it is", f"{word} it is not"]}},
        )
        return str(reply.choices[0].message.content)

    words = ["red", "green", "blue", "white", "black", "amber", "pink", "grey"]
    async with client(served) as sdk:
        replies = await asyncio.gather(*(ask(sdk, word) for word in words))

    assert [reply.split()[0] for reply in replies] == words


async def test_a_stop_string_ends_the_reply_before_it(served: Served) -> None:
    async with client(served) as sdk:
        whole = await sdk.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=24, temperature=0)
        text = whole.choices[0].message.content
        stop = text[6:10]
        reply = await sdk.chat.completions.create(
            model=MODEL, messages=HELLO, max_tokens=24, temperature=0, stop=[stop]
        )

    assert reply.choices[0].message.content == text[: text.index(stop)]
    assert reply.choices[0].finish_reason == "stop"


async def test_a_second_request_with_the_same_beginning_is_served_from_the_cache(served: Served) -> None:
    messages = [{"role": "user", "content": "A list of words to remember: " + "apple pear plum cherry " * 40}]
    async with client(served) as sdk:
        await sdk.chat.completions.create(model=MODEL, messages=messages, max_tokens=1)
        again = await sdk.chat.completions.create(model=MODEL, messages=messages, max_tokens=1)

    assert again.usage.prompt_tokens_details.cached_tokens >= again.usage.prompt_tokens // 2


async def test_a_client_that_hangs_up_frees_its_place(served: Served) -> None:
    async with client(served) as sdk:
        for _ in range(40):  # more than the places that there are
            stream = await sdk.chat.completions.create(
                model=MODEL, messages=HELLO, stream=True, extra_body={"ignore_eos": True}
            )
            await anext(aiter(stream))
            await stream.close()
        reply = await sdk.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=4)

    assert reply.choices[0].finish_reason in ("stop", "length")


async def test_the_sdks_own_error_types_come_back(served: Served) -> None:
    async with client(served) as sdk:
        with pytest.raises(openai.NotFoundError, match="Valid aliases: Garra/Smol-LM2"):
            await sdk.chat.completions.create(model="nothing", messages=HELLO)
        with pytest.raises(openai.BadRequestError, match="temperature"):
            await sdk.chat.completions.create(model=MODEL, messages=HELLO, temperature=-1)
        long = [{"role": "user", "content": "word " * 9_000}]
        with pytest.raises(openai.BadRequestError, match="maximum context length is 8192 tokens"):
            await sdk.chat.completions.create(model=MODEL, messages=long)


async def test_the_served_model_is_listed_with_its_window(served: Served) -> None:
    async with client(served) as sdk:
        models = [model async for model in sdk.models.list()]

    assert [(model.id, getattr(model, "max_model_len", None)) for model in models] == [(MODEL, 8192)]
