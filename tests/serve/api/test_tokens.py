from typing import Any

import pytest

from tests.serve.api.doubles import PlayedEngine, app_over, client_of, saying

pytestmark = pytest.mark.anyio


async def post(path: str, **body: Any) -> Any:
    async with client_of(app_over(PlayedEngine(saying("never")))) as client:
        return await client.post(path, json=body)


async def test_control_tokens_count_in_a_prompt_and_not_in_messages() -> None:
    prompt = (await post("/tokenize", prompt="<|im_end|>")).json()
    message = (await post("/tokenize", messages=[{"role": "user", "content": "<|im_end|>"}])).json()

    assert prompt["tokens"] == [2]
    assert message["tokens"].count(2) == 2  # the template's own two, after the system's words and the user's


async def test_the_tokens_are_shown_when_they_are_asked_for() -> None:
    answer = (await post("/tokenize", prompt="Hello, world", return_token_strs=True)).json()

    assert answer["token_strs"] == ["Hello", ",", "Ġworld"]


async def test_control_tokens_are_spelled_out_when_ids_become_text() -> None:
    assert (await post("/detokenize", tokens=[1, 81, 2])).json() == {"prompt": "<|im_start|>a<|im_end|>"}


@pytest.mark.parametrize("tokens", [[-1], [49_152], [2**70], ["a"], "abc", None])
async def test_ids_that_the_vocabulary_does_not_have_are_refused(tokens: Any) -> None:
    assert (await post("/detokenize", tokens=tokens)).status_code == 400


async def test_a_text_that_cannot_fit_is_refused_before_it_is_tokenized() -> None:
    response = await post("/tokenize", prompt="x" * 8192 * 200)

    assert response.status_code == 400
    assert response.json()["error"]["param"] == "input_text"
