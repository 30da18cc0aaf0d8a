"""Is this request one that the engine can take? The engine itself runs prompts beyond its window and ids outside the
vocabulary without a word, and answers rubbish; nothing of that kind gets past this file."""

from collections.abc import Iterator

from garra.errors import ContextOverflow, RequestRefused
from garra.serve.engines.base import EngineInfo, Sampling, TokenRequest


def check_request(request: TokenRequest, info: EngineInfo) -> None:
    """Raises `ContextOverflow` or `RequestRefused` with the parameter at fault."""
    _check_prompt(request, info)
    for param, wrong in _faults(request.sampling):
        if wrong:
            raise RequestRefused(wrong, param=param)
    _check_ids(request.sampling.stop_token_ids, info.vocab_size, "stop_token_ids")


def _check_prompt(request: TokenRequest, info: EngineInfo) -> None:
    prompt = len(request.prompt)
    if prompt == 0:
        raise RequestRefused("The prompt is empty.", param="prompt")
    asked = prompt + max(1, request.sampling.max_tokens)
    if asked > info.max_model_len:
        raise ContextOverflow(
            f"The model's window is {info.max_model_len} tokens; the prompt has {prompt} and the reply may have "
            f"{request.sampling.max_tokens}. Send a shorter prompt or ask for fewer tokens.",
            limit=info.max_model_len,
            asked=asked,
        )
    _check_ids(request.prompt, info.vocab_size, "prompt")


def _check_ids(ids: tuple[int, ...] | list[int], vocab_size: int, param: str) -> None:
    if ids and not (0 <= min(ids) and max(ids) < vocab_size):
        wrong = next(token for token in ids if not 0 <= token < vocab_size)
        raise RequestRefused(f"Token id {wrong} is out of the vocabulary (0 to {vocab_size - 1}).", param=param)


def _faults(sampling: Sampling) -> Iterator[tuple[str, str]]:
    """Each rule with its sentence, which is empty where the rule is kept. NaN keeps no rule."""
    yield from _length_faults(sampling)
    yield _within("temperature", sampling.temperature, 0.0, 1e6)
    yield _within("top_p", sampling.top_p, 0.0, 1.0, open_low=True)
    yield _within("min_p", sampling.min_p, 0.0, 1.0)
    yield _within("presence_penalty", sampling.presence_penalty, -2.0, 2.0)
    yield _within("frequency_penalty", sampling.frequency_penalty, -2.0, 2.0)
    yield _within("repetition_penalty", sampling.repetition_penalty, 0.0, 1e6, open_low=True)
    yield "top_k", "" if sampling.top_k >= -1 else f"top_k must be -1, 0 or more, got {sampling.top_k}."


def _length_faults(sampling: Sampling) -> Iterator[tuple[str, str]]:
    least, most = sampling.min_tokens, sampling.max_tokens
    yield "max_tokens", "" if most >= 1 else f"max_tokens must be at least 1, got {most}."
    yield "min_tokens", "" if least >= 0 else f"min_tokens must be 0 or more, got {least}."
    yield "min_tokens", "" if least <= most else f"min_tokens ({least}) must not be more than max_tokens ({most})."


def _within(name: str, value: float, low: float, high: float, *, open_low: bool = False) -> tuple[str, str]:
    held = (low < value if open_low else low <= value) and value <= high
    bounds = f"{'more than' if open_low else 'from'} {low:g}" + (f" to {high:g}" if high < 1e6 else " on")
    return name, "" if held else f"{name} must be {bounds}, got {value}."
