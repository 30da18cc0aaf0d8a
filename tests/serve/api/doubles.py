"""A real engine that plays token ids it was given, and a client for the app over it."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from msgspec import Struct
from starlette.applications import Starlette

from garra.errors import GarraError
from garra.serve.api.app import create_app
from garra.serve.api.settings import Settings
from garra.serve.engines.base import EngineInfo, Finish, TokenChunk, TokenRequest
from tests.serve.vocabulary import IM_END, smollm2, smollm2_template

RECORDINGS = Path(__file__).parents[2] / "recordings"
Play = Callable[[TokenRequest], Sequence[int]]


class PlayedEngine:
    """Answers each request with the ids that `play` gives for it, `step` at a time."""

    def __init__(
        self, play: Play, *, window: int = 8192, step: int = 1, gap_s: float = 0.0, fault: GarraError | None = None
    ) -> None:
        self._play, self._step, self._gap_s, self._fault = play, step, gap_s, fault
        self.info = EngineInfo("played", "1", window, smollm2().vocab_size, (IM_END,), 65_536, 32)
        self.dead = asyncio.Event()
        self.running, self.waiting, self.kv_used = 0, 0, 0.0
        self.ending = ""
        self.requests: list[TokenRequest] = []
        self.closed = False

    async def generate(self, request: TokenRequest) -> AsyncGenerator[TokenChunk, None]:
        self.requests.append(request)
        if self._fault is not None:
            raise self._fault
        self.running += 1
        try:
            async for chunk in self._chunks(request):
                yield chunk
        finally:
            self.running -= 1

    async def _chunks(self, request: TokenRequest) -> AsyncIterator[TokenChunk]:
        ids, finish = self._reply(request)
        for place in range(0, len(ids), self._step):
            await asyncio.sleep(self._gap_s)
            some = ids[place : place + self._step]
            last = place + self._step >= len(ids)
            logprobs = [-0.5] * len(some) if request.sampling.logprobs else None
            yield TokenChunk(some, logprobs, finish if last else None, 32 if place == 0 else None)

    def _reply(self, request: TokenRequest) -> tuple[list[int], Finish]:
        sampling = request.sampling
        ending = {*sampling.stop_token_ids, *(() if sampling.ignore_eos else self.info.eos_token_ids)}
        ids: list[int] = []
        for number in self._play(request):
            ids.append(number)
            if number in ending:
                return ids, "stop"
            if len(ids) == sampling.max_tokens:
                return ids, "length"
        return ids, "stop"

    async def close(self) -> None:
        self.closed = True


def saying(text: str) -> Play:
    """The ids of a text, and the end of the reply."""
    ids = [*smollm2().encode_text(text), IM_END]
    return lambda request: ids


def endless(request: TokenRequest) -> Sequence[int]:
    """As much as was asked for."""
    return smollm2().encode_text(" on and on") * (request.sampling.max_tokens // 3)


def app_over(engine: PlayedEngine, **settings: Any) -> Starlette:
    names = settings.pop("names", ("smollm2",))
    return create_app(engine, smollm2(), smollm2_template(), Settings(names=names, root="smollm2", **settings))


@asynccontextmanager
async def client_of(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://server") as client:
        yield client


class Recording(Struct, frozen=True):
    """One case as the real vLLM answered it."""

    method: str
    path: str
    headers: dict[str, str]
    body: str | None
    status: int
    answer_headers: dict[str, str]
    answer: str

    @property
    def asked(self) -> dict[str, Any]:
        asked: dict[str, Any] = json.loads(self.body or "{}")
        return asked

    @property
    def frames(self) -> list[Any]:
        return frames_of(self.answer)

    @property
    def json(self) -> Any:
        return json.loads(self.answer)


def recording(name: str) -> Recording:
    """A recorded case, as `tools/chat`."""
    data = json.loads((RECORDINGS / f"{name}.json").read_text())
    request, response = data["request"], data["response"]
    return Recording(
        request["method"],
        request["path"],
        request["headers"],
        request["body"],
        response["status"],
        response["headers"],
        response["body"],
    )


def frames_of(stream: str) -> list[Any]:
    """The frames of an event stream as JSON; `[DONE]` as it is."""
    events = [event.removeprefix("data: ") for event in stream.split("\n\n") if event]
    return [event if event == "[DONE]" else json.loads(event) for event in events]


def shape(value: Any) -> Any:
    """The fields and types of a JSON value; a list is the shape of each of its items."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__
