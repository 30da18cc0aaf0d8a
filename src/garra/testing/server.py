"""`ScriptedModel`: an OpenAI-compatible server on the loopback address that plays a script and remembers what it heard.

Answers as vLLM 0.32 does where it behaves: routes, error bodies, the order of frames. It counts words, not tokens.
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import msgspec

from garra.testing.cache import PrefixCache
from garra.testing.frames import frames, whole, words
from garra.testing.protocol import Received, ServerConnection
from garra.testing.script import Answer, Failure, HangUp, Raw, Silence, Step, answer_of, text_of

_OPEN_ROUTES = ("/health", "/version", "/tokenize", "/metrics")
_CREATED = 1767225600
_NO_TAG = "Invalid structured_outputs structural_tag specification. (parameter=structured_outputs)"
_CALL_TRIED = b'"List the files in the working folder. Use a tool."'
_CALL = "<tool_call>"
_TRIED = b'"Say hello in one word. '
_IMAGE_TOKENS = 64
_NO_TOOLS = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'


class ScriptedModel:
    """A model server with its answers written beforehand: one step for each chat request, in order.

    After the last step it says the last text again, or "ok". `requests` holds everything that came, `chats` the
    chat requests alone. Requests that only try the server out take no step: one for a single token, or with the
    question that is asked to try things, gets a word, one bound to a choice gets its first, but for one between a
    call and an answer: that gets what the next step is. With `begins_calls` false it writes no call when that is
    tried. With `takes_tools` false it refuses `tools` as vLLM does without its tool flags; with `shows_tools` false
    it takes them, but its template has no place for them; with `sees_images` false it refuses images as a text
    model does. With `caches` it keeps a prefix cache, says in each usage what was in it, and shows vLLM's counters
    under /metrics.
    """

    def __init__(
        self,
        script: Sequence[Step] = (),
        *,
        model: str = "scripted",
        max_model_len: int = 8192,
        api_key: str | None = None,
        takes_tools: bool = True,
        shows_tools: bool = True,
        sees_images: bool = True,
        begins_calls: bool = True,
        caches: bool = False,
        port: int = 0,
    ) -> None:
        self._script = list(script)
        self._played = 0
        self._last_text = next(filter(None, map(text_of, reversed(self._script))), "ok")
        self.model, self.max_model_len, self.api_key = model, max_model_len, api_key
        self.takes_tools, self.shows_tools, self.sees_images = takes_tools, shows_tools, sees_images
        self.begins_calls = begins_calls
        self.port = port
        self.cache = PrefixCache() if caches else None
        self.running = 0
        self.requests: list[Received] = []
        self.connected = 0
        self._connections: set[ServerConnection] = set()
        self._server: asyncio.Server | None = None

    @property
    def root_url(self) -> str:
        """Where `/health` and `/tokenize` are."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What a provider's `baseUrl` should be."""
        return f"{self.root_url}/v1"

    @property
    def played(self) -> int:
        """How many steps were asked for."""
        return self._played

    @property
    def chats(self) -> list[Received]:
        """The chat requests, in order."""
        return [request for request in self.requests if request.path.startswith("/v1/chat/completions")]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen. With port 0 the system chooses one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop every client."""
        if self._server is not None:
            self._server.close()
            for connection in list(self._connections):
                connection.drop()
            await self._server.wait_closed()
            await asyncio.sleep(0)
            self._server = None

    def _connection(self) -> ServerConnection:
        self.connected += 1
        connection = ServerConnection(self._handle)
        self._connections.add(connection)
        return connection

    async def _handle(self, request: Received, out: ServerConnection) -> None:
        self.requests.append(request)
        path = request.path.partition("?")[0]
        if self.api_key and path not in _OPEN_ROUTES and not self._authorised(request):
            return _send(out, 401, {"error": "Unauthorized"})
        match request.method, path:
            case "POST", "/v1/chat/completions":
                self.running += 1
                try:
                    return await self._chat(request, out)
                finally:
                    self.running -= 1
            case "GET", "/metrics" if self.cache:
                return _send(out, 200, self.cache.metrics(self.model, self.running))
            case "GET", "/v1/models":
                return _send(out, 200, self._models())
            case "GET", "/health":
                return _send(out, 200, "")
            case "GET", "/version":
                return _send(out, 200, {"version": "0.32.0"})
            case "POST", "/tokenize":
                return self._tokenize(request, out)
        return _send(out, 404, {"detail": "Not Found"})

    def _authorised(self, request: Received) -> bool:
        return request.headers.get("authorization") == f"Bearer {self.api_key}"

    def _models(self) -> dict[str, Any]:
        row = {
            "id": self.model,
            "object": "model",
            "created": _CREATED,
            "owned_by": "vllm",
            "root": self.model,
            "parent": None,
            "max_model_len": self.max_model_len,
        }
        return {"object": "list", "data": [row]}

    def _tokenize(self, request: Received, out: ServerConnection) -> None:
        count = len(self._prompt(request.body))
        tokens = list(range(count))
        _send(out, 200, {"count": count, "max_model_len": self.max_model_len, "tokens": tokens, "token_strs": None})

    async def _chat(self, request: Received, out: ServerConnection) -> None:
        body = request.body
        if not isinstance(body, dict):
            return _send(out, 400, _error(400, "Bad Request", "JSON decode error", "body"))
        if body.get("model") not in (None, self.model):
            text = f"The model `{body['model']}` does not exist. Valid aliases: {self.model}."
            return _send(out, 404, _error(404, "NotFoundError", text, "model"))
        if refusal := self._refusal(body):
            return _send(out, 400, _error(400, "BadRequestError", refusal, None))
        match self._tried_out(body) or self._next_step():
            case Silence():
                await asyncio.Event().wait()
            case HangUp():
                out.drop()
            case Failure(status, failure, headers):
                _send(out, status, failure, dict(headers))
            case Raw() as raw:
                await self._raw(raw, out)
            case step:
                await self._answer(answer_of(step), body, request, out)
        return None

    def _refusal(self, body: dict[str, Any]) -> str:
        """What speaks against a request, in vLLM's words; empty where nothing does."""
        if body.get("tools") and not self.takes_tools:
            return _NO_TOOLS
        if _images(body) and not self.sees_images:
            return f"{self.model} is not a multimodal model"
        return "" if _is_tag(body.get("structured_outputs")) else _NO_TAG

    def _prompt(self, body: Any) -> list[str]:
        """The words of the tools, where the template shows them, then of the messages, and a few for each image."""
        if not isinstance(body, dict):
            return []
        tools = (body.get("tools") or []) if self.shows_tools else []
        seen = body.get("messages") or body.get("prompt") or ""
        texts = (msgspec.json.encode(each).decode() for each in (*tools, seen))
        return [*(word for text in texts for word in words(text)), *["image"] * (_IMAGE_TOKENS * _images(body))]

    def _next_step(self) -> Step:
        self._played += 1
        return self._script[self._played - 1] if self._played <= len(self._script) else self._last_text

    async def _answer(self, answer: Answer, body: dict[str, Any], request: Received, out: ServerConnection) -> None:
        prompt = self._prompt(body)
        prompt_tokens = len(prompt)
        if self.cache:
            cached = self.cache.ask(prompt)
            answer = msgspec.structs.replace(answer, cached_tokens=cached) if answer.cached_tokens is None else answer
        if not body.get("stream"):
            return _send(out, 200, whole(answer, model=self.model, prompt_tokens=prompt_tokens))
        out.begin(200, {"content-type": "text/event-stream; charset=utf-8"})
        options = body.get("stream_options")
        told = isinstance(options, dict) and bool(options.get("include_usage"))
        sent = frames(answer, model=self.model, prompt_tokens=prompt_tokens, with_usage=told)
        for frame in sent[: answer.stop_after]:
            await asyncio.sleep(answer.delay_s)
            await _write(out, frame, answer.write_bytes)
        return await _finish(out, answer.ending)

    def _tried_out(self, body: dict[str, Any]) -> Step | None:
        """The answer to a request that only finds out what the server or the model can do; None for a real one."""
        choices, said = (body.get("structured_outputs") or {}).get("choice"), msgspec.json.encode(body.get("messages"))
        if choices:
            return self._choice(choices)
        if 1 in (body.get("max_tokens"), body.get("max_completion_tokens")):
            return Answer(("ok",), finish="length")
        if _CALL_TRIED in said:
            return Answer((f"{_CALL}\n" if self.begins_calls else "I would list them.",), finish="length")
        return "Hello!" if _TRIED in said else None

    def _choice(self, choices: list[str]) -> str:
        """The first, but for a choice between a call and an answer: then what comes next in the script."""
        upcoming = self._script[self._played] if self._played < len(self._script) else ""
        is_call = _CALL in text_of(upcoming)
        return str(choices[0] if is_call or _CALL not in choices else choices[-1])

    async def _raw(self, raw: Raw, out: ServerConnection) -> None:
        out.begin(200, {"content-type": raw.content_type})
        await _write(out, raw.body, raw.write_bytes)
        await _finish(out, raw.ending)


async def _write(out: ServerConnection, data: bytes, size: int | None) -> None:
    """Write in pieces of `size`, each on its way before the next one."""
    step = size or len(data)
    for start in range(0, len(data), step or 1):
        out.send(data[start : start + step])
        if size:
            await asyncio.sleep(0)


async def _finish(out: ServerConnection, ending: str) -> None:
    match ending:
        case "cut":
            out.close()
        case "reset":
            out.drop()
        case "silence":
            await asyncio.Event().wait()
        case _:
            out.end()


def _send(out: ServerConnection, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
    data = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    kind = "text/plain" if isinstance(body, str) else "application/json"
    out.begin(status, {"content-type": kind, **(headers or {})}, length=len(data))
    out.send(data)
    out.end()


def _images(body: dict[str, Any]) -> int:
    return msgspec.json.encode(body.get("messages")).count(b'"image_url":{')


def _is_tag(structured: Any) -> bool:
    """Whether a structural tag, where there is one, has a format that there is."""
    tag = structured.get("structural_tag") if isinstance(structured, dict) else None
    return tag is None or any(f'"{form}"' in str(tag) for form in ("triggered_tags", "sequence"))


def _error(code: int, kind: str, message: str, param: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
