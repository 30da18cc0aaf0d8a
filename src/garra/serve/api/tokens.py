"""`POST /tokenize` and `POST /detokenize`."""

from starlette.requests import Request
from starlette.responses import Response

from garra.serve.api.frames import encode
from garra.serve.api.prompts import chat_prompt, check_ids, check_length, text_prompt
from garra.serve.api.requests import Detokenize, TokenizeChat, TokenizeText
from garra.serve.api.state import served
from garra.serve.api.validation import checked, parse_json


async def tokenize(request: Request) -> Response:
    """The ids of a text, or of messages as the chat template writes them."""
    state = served(request)
    data = await parse_json(request, state.settings)
    if isinstance(data, dict) and "messages" in data:
        chat = checked(data, TokenizeChat)
        state.check_model(chat.model)
        prompt, strings = await chat_prompt(chat, state), chat.return_token_strs
    else:
        text = checked(data, TokenizeText)
        state.check_model(text.model)
        prompt = await text_prompt(text.prompt, state, add_special_tokens=text.add_special_tokens)
        strings = text.return_token_strs
    check_length(prompt, state)
    answer = {
        "count": len(prompt.ids),
        "max_model_len": state.window,
        "tokens": prompt.ids,
        "token_strs": [state.tokenizer.token(number) for number in prompt.ids] if strings else None,
    }
    return Response(encode(answer), media_type="application/json")


async def detokenize(request: Request) -> Response:
    """The text of some ids, control tokens spelled out."""
    state = served(request)
    body = checked(await parse_json(request, state.settings), Detokenize)
    state.check_model(body.model)
    check_ids(body.tokens, state)
    return Response(encode({"prompt": state.tokenizer.decode(body.tokens)}), media_type="application/json")
