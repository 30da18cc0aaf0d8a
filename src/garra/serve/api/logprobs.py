"""Log-probabilities of the tokens that were chosen. There are no alternatives to offer."""

from collections.abc import Sequence
from typing import Any

from garra.serve.api.generation import Piece
from garra.serve.text.tokenizer import Tokenizer


def chat_logprobs(pieces: Sequence[Piece], tokenizer: Tokenizer, *, as_ids: bool = False) -> dict[str, Any]:
    """As chat completions show them."""
    rows = [row for piece in pieces for row in zip(piece.ids, piece.logprobs or [], strict=False)]
    return {"content": [_row(token_id, logprob, tokenizer, as_ids) for token_id, logprob in rows]}


def _row(token_id: int, logprob: float, tokenizer: Tokenizer, as_ids: bool) -> dict[str, Any]:
    text = tokenizer.decode([token_id])
    raw = tokenizer.piece(token_id) if tokenizer.byte_level else text.encode()
    shown = f"token_id:{token_id}" if as_ids else text
    return {"token": shown, "logprob": logprob, "bytes": list(raw), "top_logprobs": []}


def completion_logprobs(pieces: Sequence[Piece], tokenizer: Tokenizer, *, start: int = 0) -> dict[str, Any]:
    """As completions show them; `start` is where in the text the first of the pieces stands."""
    offsets, tokens, logprobs = [], [], []
    place = start
    for piece in pieces:
        for token_id, logprob in zip(piece.ids, piece.logprobs or [], strict=False):
            text = tokenizer.decode([token_id])
            offsets.append(place)
            tokens.append(text)
            logprobs.append(logprob)
            place += len(text)
    top = [{token: logprob} for token, logprob in zip(tokens, logprobs, strict=True)]
    return {"text_offset": offsets, "token_logprobs": logprobs, "tokens": tokens, "top_logprobs": top}
