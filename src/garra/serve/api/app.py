"""The ASGI app: which route is answered where, and how whatever is raised becomes an answer."""

import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from garra.errors import GarraError
from garra.serve.api.auth import Keys
from garra.serve.api.chat import chat_completions
from garra.serve.api.completions import completions
from garra.serve.api.cut_off import CutOff
from garra.serve.api.errors import Refused, refused_of
from garra.serve.api.info import health, models, version
from garra.serve.api.settings import Settings
from garra.serve.api.state import Served
from garra.serve.api.tokens import detokenize, tokenize
from garra.serve.engines.base import Engine
from garra.serve.text.template import ChatTemplate
from garra.serve.text.tokenizer import Tokenizer

log = logging.getLogger("garra.serve")

ROUTES = [
    Route("/v1/models", models, methods=["GET"]),
    Route("/v1/chat/completions", chat_completions, methods=["POST"]),
    Route("/v1/completions", completions, methods=["POST"]),
    Route("/tokenize", tokenize, methods=["POST"]),
    Route("/detokenize", detokenize, methods=["POST"]),
    Route("/health", health, methods=["GET"]),
    Route("/ping", health, methods=["GET", "POST"]),
    Route("/version", version, methods=["GET"]),
]


def create_app(engine: Engine, tokenizer: Tokenizer, template: ChatTemplate | None, settings: Settings) -> Starlette:
    """vLLM's API over one engine. Whoever started the engine closes it."""
    app = Starlette(
        routes=ROUTES,
        middleware=[Middleware(CutOff), Middleware(Keys, keys=settings.api_keys)],
        exception_handlers={
            HTTPException: _plain_error,
            Refused: _refused,
            GarraError: _tree_error,
            RecursionError: _too_deep,
            Exception: _surprise,
        },
    )
    app.state.served = Served(engine, tokenizer, template, settings)
    return app


def _plain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, error.status_code, headers=dict(error.headers or {}))


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return error.response()


def _tree_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, GarraError)
    return refused_of(error).response()


def _too_deep(request: Request, error: Exception) -> Response:
    return Refused("The body of the request is nested too deeply.").response()


def _surprise(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return Refused("Something failed on our side.", status=500).response()
