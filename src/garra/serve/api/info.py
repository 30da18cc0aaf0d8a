"""What is served and how it is: `/v1/models`, `/health`, `/ping`, `/version`."""

import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from garra.serve.api.frames import encode
from garra.serve.api.settings import VERSION
from garra.serve.api.state import Served, served


async def models(request: Request) -> Response:
    """Every name of the served model, with its context window."""
    state = served(request)
    rows = [_row(name, state) for name in state.settings.names]
    return Response(encode({"object": "list", "data": rows}), media_type="application/json")


def _row(name: str, state: Served) -> dict[str, Any]:
    created = state.settings.started_at
    return {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": "vllm",
        "root": state.settings.root,
        "parent": None,
        "max_model_len": state.window,
        "permission": [
            {
                "id": f"modelperm-{uuid.uuid4().hex[:16]}",
                "object": "model_permission",
                "created": created,
                "allow_create_engine": False,
                "allow_sampling": True,
                "allow_logprobs": True,
                "allow_search_indices": False,
                "allow_view": True,
                "allow_fine_tuning": False,
                "organization": "*",
                "group": None,
                "is_blocking": False,
            }
        ],
    }


async def health(request: Request) -> Response:
    """200 while the engine can answer, 503 once it cannot."""
    return Response(status_code=503 if served(request).engine.dead.is_set() else 200)


async def version(request: Request) -> Response:
    """Which vLLM's answers these are, and whose server it is."""
    return Response(encode({"version": VERSION}), media_type="application/json")
