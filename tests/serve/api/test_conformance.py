"""What the real vLLM answered, case by case: same status, same fields and types in the same order, same frames.

The engine plays the very text that vLLM said, so that texts, counts and finish reasons can be compared too.
"""

import json
from typing import Any

import pytest

from tests.serve.api.doubles import PlayedEngine, Recording, app_over, client_of, frames_of, recording, saying, shape
from tests.serve.vocabulary import IM_END, smollm2

pytestmark = pytest.mark.anyio

WHOLE = [
    "tools/chat", "tools/chat-length", "tools/chat-system", "tools/chat-parts", "tools/chat-continue",
    "tools/chat-max-completion-tokens", "tools/chat-sampling", "tools/chat-stop", "tools/chat-stop-token-ids",
    "tools/chat-json-object", "tools/chat-json-schema", "tools/chat-structured-choice", "tools/chat-structured-json",
    "tools/chat-structured-regex", "tools/chat-token-ids", "tools/error-role", "tools/no-model",
    "tools/no-max-tokens-stop", "tools/unknown-field", "tools/tools-none", "plain/tools-none",
    "tools/completion", "tools/completion-stop",
]  # fmt: skip
STREAMED = ["tools/chat-stream", "tools/chat-stream-usage", "tools/chat-stream-continuous-usage"]
REFUSED = [
    "tools/error-json", "tools/error-logprobs", "tools/error-max-tokens", "tools/error-messages-type",
    "tools/error-model", "tools/error-no-messages", "tools/error-stream-options", "tools/error-temperature",
    "tools/error-tokenize", "tools/error-completion-prompt", "tools/unknown-route", "tools/wrong-method",
    "plain/tools-auto", "plain/tools-auto-explicit", "plain/tools-required",
    "key/chat-none", "key/models-none", "key/tokenize-none", "key/tokenize-wrong", "key/health-none",
    "key/health-wrong", "key/tokenize-sekret", "tools/health", "tools/tokenize", "tools/tokenize-messages",
    "tools/tokenize-tools", "tools/detokenize",
]  # fmt: skip


def said_in(case: Recording) -> tuple[list[int], str]:
    """The ids that vLLM must have generated for a whole answer, and why it stopped."""
    choice = case.json["choices"][0]
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    stopped_by = choice["stop_reason"] if isinstance(choice["stop_reason"], str) else ""
    return smollm2().encode_text(text + stopped_by), choice["finish_reason"]


def engine_for(case: Recording) -> PlayedEngine:
    ids, finish = said_in(case)
    return PlayedEngine(lambda request: [*ids, IM_END] if finish == "stop" else [*ids, *ids])


async def ask(case: Recording, engine: PlayedEngine, **settings: Any) -> Any:
    async with client_of(app_over(engine, **settings)) as client:
        return await client.request(case.method, case.path, content=case.body, headers=case.headers)


def without_details(answer: dict[str, Any]) -> dict[str, Any]:
    """Ours says how much of the prompt was cached where vLLM, unless it is told to, says nothing."""
    return {**answer, "usage": {**answer["usage"], "prompt_tokens_details": None}}


@pytest.mark.parametrize("name", WHOLE)
async def test_a_whole_answer_has_the_fields_types_texts_and_counts_of_vllm(name: str) -> None:
    case = recording(name)

    response = await ask(case, engine_for(case))

    assert response.status_code == 200, response.text
    ours, theirs = without_details(response.json()), case.json
    assert json.dumps(shape(ours)) == json.dumps(shape(theirs))
    assert ours["choices"] == theirs["choices"]
    assert ours["usage"]["prompt_tokens"] == theirs["usage"]["prompt_tokens"]
    if "structured" not in name and "json" not in name:  # constrained, a model may spell a text in more tokens
        assert ours["usage"] == theirs["usage"]
    assert ours.get("prompt_token_ids") == theirs.get("prompt_token_ids")
    assert response.headers["content-type"] == case.answer_headers["content-type"]


@pytest.mark.parametrize("name", STREAMED)
async def test_a_stream_has_the_frames_of_vllm_in_their_order(name: str) -> None:
    case = recording(name)
    theirs = case.frames
    text = "".join(frame["choices"][0]["delta"]["content"] for frame in theirs[:-1] if frame["choices"])

    response = await ask(case, PlayedEngine(saying(text)))

    assert response.headers["content-type"] == case.answer_headers["content-type"]
    ours = frames_of(response.text)
    if "usage" in name:
        last = ours[-2]["usage"]
        assert last.pop("prompt_tokens_details") == {"cached_tokens": 32}
    assert [sorted_shape(frame) for frame in ours] == [sorted_shape(frame) for frame in theirs]
    assert [neutral(frame) for frame in ours] == [neutral(frame) for frame in theirs]


def sorted_shape(frame: Any) -> str:
    return json.dumps(shape(frame), sort_keys=True)


def neutral(frame: Any) -> Any:
    """A frame without what differs from run to run."""
    if isinstance(frame, str):
        return frame
    return {key: item for key, item in frame.items() if key not in ("id", "created", "system_fingerprint")}


async def test_a_streamed_completion_has_the_frames_of_vllm_in_their_order() -> None:
    case = recording("tools/completion-stream")
    text = "".join(frame["choices"][0]["text"] for frame in case.frames[:-1] if frame["choices"])

    response = await ask(case, PlayedEngine(saying(text)))

    ours = frames_of(response.text)
    assert ours[-2]["usage"].pop("prompt_tokens_details") == {"cached_tokens": 32}
    assert [neutral(frame) for frame in ours] == [neutral(frame) for frame in case.frames]


@pytest.mark.parametrize("name", REFUSED)
async def test_an_error_or_a_small_answer_is_word_for_word_that_of_vllm(name: str) -> None:
    case = recording(name)
    keys = ("sekret",) if name.startswith("key/") else ()

    response = await ask(case, PlayedEngine(saying("never")), api_keys=keys)

    assert response.status_code == case.status
    assert response.text == case.answer
    assert response.headers.get("content-type") == case.answer_headers.get("content-type")
    assert response.headers.get("allow") == case.answer_headers.get("allow")


async def test_several_prompts_are_answered_in_their_order() -> None:
    case = recording("tools/completion-batch")
    texts = [choice["text"] for choice in case.json["choices"]]
    of_prompt = dict(zip(case.asked["prompt"], texts, strict=True))
    engine = PlayedEngine(lambda request: smollm2().encode_text(of_prompt[smollm2().decode(list(request.prompt))]))

    response = await ask(case, engine)

    ours = response.json()
    assert [choice["text"] for choice in ours["choices"]] == texts
    assert ours["usage"] == case.json["usage"]
    assert json.dumps(shape(ours)) == json.dumps(shape(case.json))


async def test_several_replies_to_one_prompt_are_as_many_requests_with_seeds_of_their_own() -> None:
    case = recording("tools/chat-n")
    texts = [choice["message"]["content"] for choice in case.json["choices"]]
    engine = PlayedEngine(lambda request: [*smollm2().encode_text(texts[(request.sampling.seed or 0) - 7]), IM_END])

    response = await ask(case, engine)

    ours = without_details(response.json())
    assert [choice["message"]["content"] for choice in ours["choices"]] == texts
    assert ours["choices"][0] == case.json["choices"][0]
    assert json.dumps(shape(ours)) == json.dumps(shape(case.json))


async def test_a_prompt_beyond_the_window_is_refused_in_vllms_words() -> None:
    case = recording("tools/error-too-long")
    asked = {"model": "smollm2", "messages": [{"role": "user", "content": "word " * 9_000}], "max_tokens": 24}

    async with client_of(app_over(PlayedEngine(saying("never")))) as client:
        response = await client.post(case.path, json=asked)

    assert response.status_code == case.status
    assert response.text == case.answer


async def test_the_models_are_listed_with_the_fields_of_vllm() -> None:
    case = recording("tools/models")

    response = await ask(case, PlayedEngine(saying("never")))

    assert json.dumps(shape(response.json())) == json.dumps(shape(case.json))
    assert response.json()["data"][0]["id"] == "smollm2"
    assert response.json()["data"][0]["max_model_len"] == 8192


async def test_the_version_begins_with_the_vllm_release_that_is_answered_for() -> None:
    case = recording("tools/version")

    response = await ask(case, PlayedEngine(saying("never")))

    assert response.json()["version"].startswith(case.json["version"] + "+garra.")


async def test_log_probabilities_have_the_form_of_vllm_without_the_alternatives() -> None:
    case = recording("tools/chat-logprobs")
    asked = {**case.asked, "top_logprobs": 0}
    ids, _ = said_in(case)

    async with client_of(app_over(PlayedEngine(lambda request: ids))) as client:
        response = await client.post(case.path, json=asked)

    theirs = case.json["choices"][0]["logprobs"]["content"]
    ours = response.json()["choices"][0]["logprobs"]["content"]
    expected = [{**row, "logprob": -0.5, "top_logprobs": []} for row in theirs]
    assert ours == expected
