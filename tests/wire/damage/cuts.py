"""Streams that end early: the recorded ones, cut at every place of interest, and left there in three ways.

What an ideal reader makes of the rest is worked out here from its whole lines, with nothing of the client's own.
"""

import json
from collections.abc import Iterator
from typing import Any

from garra.errors import ModelError, ServerSilent, StreamBroken
from tests.wire.damage.case import Broken, Case, Ending, Expected, Right, reply
from tests.wire.damage.streams import CALL_STREAM, RECORDED, TEXT_STREAM, recorded, sse

_ENDINGS: tuple[Ending, ...] = ("keep", "close", "reset")
_PLACES_A_STREAM = 44


def cut_streams() -> Iterator[Case]:
    """Every base stream, cut."""
    streams = {name: recorded(name) for name in RECORDED}
    streams |= {"text": sse(TEXT_STREAM), "calls": sse(CALL_STREAM)}
    for name, body in streams.items():
        for number, place in enumerate(_places(body)):
            ending = _ENDINGS[number % len(_ENDINGS)]
            begun = body[:place]
            # A reset may overtake what was sent before it, so nothing can be asked of the text then.
            expected = ideal(begun, StreamBroken)
            if ending == "reset" and isinstance(expected, Broken):
                expected = Broken(StreamBroken)
            if ending == "reset" and isinstance(expected, Right):
                ending = "close"
            yield reply(f"cut {name} at {place}, {ending}", begun, expected, ending=ending)
    for place in (0, 1, 40, 200, 500):
        begun = sse(TEXT_STREAM)[:place]
        yield reply(f"silence after {place} bytes", begun, ideal(begun, ServerSilent), ending="silence")


def _places(body: bytes) -> list[int]:
    """Around the end of each line, and evenly in between."""
    ends = [at + near for at in range(len(body)) if body[at : at + 1] == b"\n" for near in (0, 1)]
    within = [len(body) * part // 16 for part in range(16)]
    every = sorted({place for place in (*ends, *within) if place <= len(body)})
    step = max(1, len(every) // _PLACES_A_STREAM)
    return every[::step]


def ideal(begun: bytes, kind: type[ModelError]) -> Expected:
    """What an ideal reader makes of the beginning of an undamaged stream."""
    *whole, rest = begun.split(b"\n")
    lines = [line for line in whole if line] + ([rest] if rest == b"data: [DONE]" else [])
    heard = _Heard()
    for line in lines:
        heard.line(line.removeprefix(b"data: "))
    if heard.finish or (heard.done and (heard.text or heard.calls)):
        calls = tuple((call["name"], call["arguments"]) for call in heard.calls.values())
        return Right(heard.text, calls, "", heard.finish or "stop", heard.usage)
    return Broken(kind, heard.text)


class _Heard:
    def __init__(self) -> None:
        self.text = self.finish = ""
        self.done = False
        self.calls: dict[int, dict[str, str]] = {}
        self.usage: tuple[int, int] | None = None

    def line(self, data: bytes) -> None:
        if data == b"[DONE]":
            self.done = True
            return
        parsed: dict[str, Any] = json.loads(data)
        for choice in parsed["choices"]:
            self.text += choice["delta"].get("content") or ""
            self.finish = choice["finish_reason"] or self.finish
            for piece in choice["delta"].get("tool_calls") or ():
                call = self.calls.setdefault(piece["index"], {"name": "", "arguments": ""})
                function = piece["function"]
                call["name"] += function.get("name") or ""
                call["arguments"] += function.get("arguments") or ""
        if usage := parsed.get("usage"):
            self.usage = usage["prompt_tokens"], usage["completion_tokens"]
