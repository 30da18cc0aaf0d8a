"""A scripted server that counts tokens about as a tokenizer does, and refuses what does not fit, as vLLM does."""

import json
from typing import Any

from garra.testing import ScriptedModel

CHARS_A_TOKEN = 3.5
REFUSAL = (
    "This model's maximum context length is {window} tokens. However, you requested {reply} output tokens and your "
    "prompt contains {prompt} input tokens, for a total of {total} tokens. Please reduce the length of the input "
    "prompt or the number of requested output tokens. (parameter=input_tokens, value={prompt})"
)


class Strict(ScriptedModel):
    """Counts a token for each `chars_a_token` of ASCII and for each other character, and refuses what does not fit."""

    chars_a_token = CHARS_A_TOKEN
    counts = names_window = True

    def __init__(self, *given: Any, **settings: Any) -> None:
        super().__init__(*given, **settings)
        self.refused = 0

    def _prompt(self, body: Any) -> list[str]:
        seen = [body.get(name) for name in ("tools", "messages", "prompt")] if isinstance(body, dict) else []
        text = "".join(json.dumps(each, ensure_ascii=False) for each in seen if each)
        plain = sum(map(str.isascii, text))
        return ["x"] * int(plain / self.chars_a_token + len(text) - plain + 1)

    def _refusal(self, body: dict[str, Any]) -> str:
        prompt, reply = len(self._prompt(body)), body.get("max_tokens") or 1
        if prompt + reply <= self.max_model_len:
            return super()._refusal(body)
        self.refused += 1
        return REFUSAL.format(window=self.max_model_len, reply=reply, prompt=prompt, total=prompt + reply)

    def _models(self) -> dict[str, Any]:
        answer = super()._models()
        if not self.names_window:
            answer["data"][0]["max_model_len"] = None
        return answer

    def _tokenize(self, request: Any, out: Any) -> None:
        if self.counts:
            super()._tokenize(request, out)
        else:
            out.begin(404, {}, length=0)
            out.end()
