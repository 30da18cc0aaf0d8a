"""Bodies of requests: read within bounds, parsed, and checked, with vLLM's words where they are wrong."""

import asyncio
import json
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from garra.serve.api.errors import Refused
from garra.serve.api.settings import Settings

Model = TypeVar("Model", bound=BaseModel)

LIMIT_ERRORS, LIMIT_INPUT_CHARS = 10, 200


async def parse(request: Request, model: type[Model], settings: Settings) -> Model:
    """The body of a request as a checked value."""
    return checked(await parse_json(request, settings), model)


async def parse_json(request: Request, settings: Settings) -> Any:
    """The body of a request as JSON. Only what calls itself JSON is read."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise _bad_request("1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed")
    return _json(await read_body(request, settings))


def checked(data: Any, model: type[Model]) -> Model:
    """A body as a value of the model."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _described(error.errors(include_url=False)) from None


async def read_body(request: Request, settings: Settings) -> bytes:
    """The body, unless it is too large or stops coming."""
    limit = settings.limit_body_bytes
    if int(request.headers.get("content-length") or 0) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(settings.body_silence_s):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise Refused("The body of the request stopped coming.", status=408) from None
        except ClientDisconnect:
            raise Refused("The client went away.", status=400) from None
        if chunk is None:
            return b"".join(chunks)
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)


def _too_large(limit: int) -> Refused:
    return Refused(f"The body of the request is larger than {limit} bytes.", status=413)


def _json(body: bytes) -> Any:
    if not body:
        raise _described([{"type": "missing", "loc": (), "msg": "Field required", "input": None}])
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _lenient_json(body)


def _lenient_json(body: bytes) -> Any:
    """What the quick parser refuses: either truly broken, or odd in a way that vLLM accepts (lone surrogates, NaN)."""
    try:
        return _without_surrogates(json.loads(body))
    except json.JSONDecodeError as error:
        detail = {"type": "json_invalid", "loc": (error.pos,), "msg": "JSON decode error", "input": {}}
        raise _described([{**detail, "ctx": {"error": error.msg}}]) from None
    except UnicodeDecodeError:
        raise _bad_request("There was an error parsing the body") from None


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def _described(errors: Any) -> Refused:
    """Validation errors in the text form that vLLM gives them, bounded in number and length."""
    lines = [_line(error) for error in errors[:LIMIT_ERRORS]]
    label = "error" if len(errors) == 1 else "errors"
    if len(errors) > LIMIT_ERRORS:
        lines.append(f"...and {len(errors) - LIMIT_ERRORS} more {label}")
    text = "\n".join(f"  {line}" for line in lines)
    return _bad_request(f"{len(errors)} validation {label}:\n{text}", _place(errors[0]["loc"]))


def _line(error: dict[str, Any]) -> str:
    shown = {**error, "loc": _place(error["loc"]), "input": _shown(error.get("input"))}
    if "ctx" in shown:
        shown["ctx"] = {
            key: value if isinstance(value, str | int) else str(value) for key, value in shown["ctx"].items()
        }
    return str(shown)[:1000]


def _place(loc: tuple[int | str, ...]) -> str:
    """The path to a field; the names that the validator gives to branches of a union are left out."""
    names = [str(part) for part in loc]
    return ".".join(["body", *(name for name in names if name not in _BRANCHES and not set(name) & set("[](){}"))])


_BRANCHES = {"str", "int", "float", "bool", "list", "dict", "constrained-str", "function-after", "function-before"}


def _shown(value: Any) -> Any:
    if isinstance(value, list | dict | tuple):
        return f"<{type(value).__name__} of {len(value)} items>"
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    return text if len(text) <= LIMIT_INPUT_CHARS else text[:LIMIT_INPUT_CHARS] + "...[truncated]"


def _bad_request(message: str, param: str | None = None) -> Refused:
    return Refused(message, kind="Bad Request", param=param)
