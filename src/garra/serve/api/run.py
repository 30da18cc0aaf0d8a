"""`garra serve` from weights to the last reply: find, load, listen, stop."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from garra.errors import ServeError
from garra.serve.api.app import create_app
from garra.serve.api.listening import bind, url_of
from garra.serve.api.server import Server, Stopping
from garra.serve.api.settings import Settings
from garra.serve.engines import Engine, start_openvino
from garra.serve.text.template import ChatTemplate
from garra.serve.text.tokenizer import Tokenizer, load_tokenizer
from garra.serve.weights import Progress, Weights, default_model, resolve

T = TypeVar("T")


class Plan(Struct, frozen=True, kw_only=True):
    """What is to be served, and how."""

    model: str
    cache: Path
    host: str = "127.0.0.1"
    port: int = 8000
    api_keys: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    max_model_len: int | None = None
    max_num_seqs: int = 32
    kv_cache_gb: float | None = None
    exact: bool = False
    generation: dict[str, Any] = {}
    shutdown_s: float = 30.0
    ready_fd: int | None = None
    stop_with_parent: bool = False


class Loaded(Struct, frozen=True):
    """What is being served now."""

    url: str
    weights: Weights
    engine: Engine
    settings: Settings


class Teller(Progress, Protocol):
    """Who is told how it goes."""

    def ready(self, loaded: Loaded) -> None:
        """The server answers now."""
        ...


Parts = tuple[Weights, Engine, Tokenizer, ChatTemplate | None]


async def load_model(plan: Plan, teller: Teller) -> Parts:
    """Find the weights, and start the engine on them."""
    weights = await resolve(plan.model, cache=plan.cache, progress=teller)
    for note in weights.notes:
        teller.say(note)
    tokenizer = await asyncio.to_thread(_ready_tokenizer, weights)
    template = template_of(weights, tokenizer)
    teller.say(f"Loading {weights.name} ({weights.architecture} {weights.quantisation}) from {weights.path}")
    engine = await start_openvino(
        weights,
        max_model_len=plan.max_model_len,
        kv_cache_gb=plan.kv_cache_gb,
        max_num_seqs=plan.max_num_seqs,
        exact=plan.exact,
    )
    return weights, engine, tokenizer, template


def _ready_tokenizer(weights: Weights) -> Tokenizer:
    """With what is computed once: the first request need not wait for it."""
    tokenizer = load_tokenizer(weights)
    tokenizer.warm_up()
    return tokenizer


Load = Callable[[Plan, Teller], Coroutine[Any, Any, Parts]]


async def serve(plan: Plan, teller: Teller, load: Load = load_model) -> int:
    """Serve until told to stop; the exit code. Raises `ServeError` when it cannot, or when the engine dies."""
    stopping = Stopping()
    stopping.listen()
    following = asyncio.create_task(stopping.follow_parent()) if plan.stop_with_parent else None
    sock = bind(plan.host, plan.port)
    try:
        loading = asyncio.create_task(load(plan, teller))
        if not await _unless_stopped(loading, stopping):
            return stopping.exit_code
        async with _closing(*loading.result()) as (weights, engine, tokenizer, template):
            settings = _settings(plan, weights)
            app = create_app(engine, tokenizer, template, settings)
            loaded = Loaded(url_of(sock), weights, engine, settings)
            server = Server(
                app, stopping, grace_s=plan.shutdown_s, on_ready=lambda: _say_ready(plan.ready_fd, teller, loaded)
            )
            await server.run_until_stopped(sock, engine.dead)
            if engine.dead.is_set() and not stopping.asked.is_set():
                raise ServeError(
                    f"The engine's process ended ({engine.ending}), and the server with it. Running requests were "
                    "answered with an error. Start the server again."
                )
    finally:
        sock.close()
        if following is not None:
            following.cancel()
        stopping.deaf()
    return stopping.exit_code


async def _unless_stopped(work: "asyncio.Task[T]", stopping: Stopping) -> bool:
    """Whether the work was done before somebody asked to stop; otherwise it is cancelled."""
    asked = asyncio.create_task(stopping.asked.wait())
    try:
        await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
        return work.done()
    finally:
        asked.cancel()
        if not work.done():
            work.cancel()
            with suppress(asyncio.CancelledError, ServeError):
                await work


@asynccontextmanager
async def _closing(
    weights: Weights, engine: Engine, tokenizer: Tokenizer, template: ChatTemplate | None
) -> AsyncGenerator[Parts]:
    try:
        yield weights, engine, tokenizer, template
    finally:
        await engine.close()


def template_of(weights: Weights, tokenizer: Tokenizer) -> ChatTemplate | None:
    """The model's chat template, or None for a model that has none."""
    if not weights.chat_template:
        return None
    eos = weights.eos_token_ids[0] if weights.eos_token_ids else None
    special = {
        name: token
        for name, number in (("bos_token", weights.bos_token_id), ("eos_token", eos))
        if number is not None and (token := tokenizer.token(number)) is not None
    }
    return ChatTemplate(weights.chat_template, controls=tuple(tokenizer.controls), special_tokens=special)


_SAMPLED = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
_OVERRIDING = {"max_new_tokens": "max_tokens"} | {name: name for name in _SAMPLED}
"""vLLM's names in `--override-generation-config`, and ours for them."""


def generation_defaults(folder: Path) -> dict[str, Any]:
    """The sampling that the model's makers advise in its `generation_config.json`, as vLLM takes it over."""
    try:
        found = json.loads((folder / "generation_config.json").read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: found[name] for name in _SAMPLED if isinstance(found.get(name), int | float)}


def overriding(text: str) -> dict[str, Any]:
    """The sampling that `--override-generation-config` sets for requests that name none. Raises `ServeError`."""
    flag, known = "--override-generation-config", ", ".join(_OVERRIDING)
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ServeError(f"{flag} is not JSON: {error}.") from None
    if not isinstance(given, dict):
        raise ServeError(f'{flag} takes a JSON object, such as {{"temperature": 0.7}}.')
    for name, value in given.items():
        if name not in _OVERRIDING:
            raise ServeError(f"{flag} has no {name}; it takes {known}.")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ServeError(f"{flag}: {name} must be a number.")
    return {_OVERRIDING[name]: value for name, value in given.items()}


def _settings(plan: Plan, weights: Weights) -> Settings:
    folder = weights.source if weights.source.is_dir() else weights.source.parent
    defaults = dict(default_model.SAMPLING) if weights.source.name == default_model.FILE else {}
    defaults |= generation_defaults(folder) | plan.generation
    return Settings(names=plan.names or (weights.name,), root=weights.name, api_keys=plan.api_keys, defaults=defaults)


def _say_ready(ready_fd: int | None, teller: Teller, loaded: Loaded) -> None:
    teller.ready(loaded)
    if ready_fd is None:
        return
    with suppress(OSError):  # whoever started us may be gone
        os.write(ready_fd, b"ready\n")
        os.close(ready_fd)


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run on the quickest event loop there is."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
