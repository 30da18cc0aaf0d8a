"""An HTTP status and its body become an error that says what to do.

Reads the error bodies of vLLM, of other OpenAI-compatible servers, of FastAPI, and of proxies in between. Quotes only
what has been redacted, and never more than a few hundred characters of it.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from garra.errors import (
    AuthRejected,
    ContextOverflow,
    ModelError,
    ModelNotFound,
    RequestRefused,
    ServerBusy,
    ServerFailed,
)
from garra.wire.address import parse_url
from garra.wire.body import decode
from garra.wire.http import HttpResponse
from garra.wire.request import Endpoint
from garra.wire.secrets import redact, secrets_of

QUOTE_CHARS = 400

# Patterns are text, compiled at the first error: a turn without errors does not pay for them.
_TOO_LONG = (
    r"(?i)maximum context length|longer than the maximum model length|exceeds? (?:the|this|its) (?:available )?context"
    r"|context (?:length|window|size) (?:of|is|exceeded)|exceeds model's maximum context|context_length_exceeded"
    r"|exceed_context_size|prompt is too long|input is too long|too many tokens"
)
_LIMIT = (
    r"(?i)(?:maximum context length|maximum model length|context window|available context size|context size)"
    r"(?: of| is|:)*\s*\(?(\d+)"
)
_ASKED = (
    r"(?i)parameter=input_tokens, value=(\d+)|at least (\d+) input tokens|you requested (\d+) tokens"
    r"|resulted in (\d+) tokens|\(length (\d+)\)|input length \((\d+)\)|request has (\d+) input tokens"
)
_NO_MODEL = r"(?is)\bmodel\b.*(?:does not exist|not found|not exist|unknown|not served)"
_LOADING = r"(?i)\b(?:loading|not ready|starting|warming up|initiali[sz]ing)\b"
_ALIASES = r"(?i)(?:valid aliases|available models|served models):\s*(.+?)\.?\s*$"


class Said(msgspec.Struct, frozen=True):
    """What an error body says, whatever its form."""

    message: str = ""
    code: str = ""
    param: str | None = None
    numbers: dict[str, int] = {}


def error_of(
    answer: HttpResponse, endpoint: Endpoint, *, url: str = "", model: str = "", inside: bool = False
) -> ModelError:
    """The error for an answer that is no success.

    `url` is what was asked (the chat route unless given), `model` the id that was asked for; `inside`: the error came
    in the middle of a reply that had begun well.
    """
    said = read_body(redact(answer.body.decode("utf-8", "replace"), secrets_of(endpoint)))
    target = parse_url(url or endpoint.url("chat/completions"))
    how = "broke the reply off with error" if inside else "answered HTTP"
    where = f"{target.shown} {how} {answer.status} ({said.message or 'without a word'})"
    return _sorted(answer, said, where, Asked(endpoint, model, target.check))


class Asked(msgspec.Struct, frozen=True):
    """Who was asked for what, and how a person can check."""

    endpoint: Endpoint
    model: str
    check: str


def _sorted(answer: HttpResponse, said: Said, where: str, asked: Asked) -> ModelError:
    status = answer.status
    if status in (401, 403):
        return AuthRejected(f"{where}. {_key_advice(asked.endpoint)}")
    if status in (429, 503, 529):
        return _busy(answer, said, where)
    if status >= 500 or status in (408, 499):
        advice = "the server failed at the request. Its own log says why."
        return ServerFailed(f"{where}: {advice}", http_status=status)
    if 300 <= status < 400:
        advice = "which is not followed. Set the provider's baseUrl to the final address."
        return RequestRefused(f"{where}: it redirects{_location(answer.headers)}, {advice}", http_status=status)
    return _refusal(status, said, where, asked)


def _busy(answer: HttpResponse, said: Said, where: str) -> ServerBusy:
    wait_s = _wait_s(answer.headers)
    when = "in a moment" if not wait_s else f"in {wait_s:.0f} s, as it says"
    text = f"{where}: it is busy or not ready yet. Try again {when}."
    loading = bool(re.search(_LOADING, said.message))
    return ServerBusy(text, retry_after_s=wait_s, http_status=answer.status, loading=loading)


def _refusal(status: int, said: Said, where: str, asked: Asked) -> ModelError:
    words = f"{said.code} {said.message}"
    if re.search(_TOO_LONG, words):
        limit, wanted = _overflow(said)
        return ContextOverflow(f"The prompt does not fit the model's window: {where}.", limit=limit, asked=wanted)
    if "model_not_found" in said.code or (status in (400, 404) and re.search(_NO_MODEL, words)):
        return _not_found(said, where, asked)
    if status == 404:
        return RequestRefused(f"{where}. {_route_advice(asked)}", http_status=status)
    return RequestRefused(f"{where}.", http_status=status, param=said.param)


def _route_advice(asked: Asked) -> str:
    """A base URL without /v1 is what people forget most."""
    base_url = _shown(asked.endpoint).rstrip("/")
    if base_url.endswith("/v1"):
        return f"There is no such route: is the base URL {base_url} right? Check with: {asked.check}"
    set_url = f"garra config set models.providers.{asked.endpoint.provider}.baseUrl {base_url}/v1"
    return f"There is no such route: the base URL is {base_url}, and most servers' end in /v1. Try: {set_url}"


def _not_found(said: Said, where: str, asked: Asked) -> ModelError:
    served = served_ids(said.message)
    provider = asked.endpoint.provider
    choice = f"It serves: {', '.join(served)}." if served else f"See what it serves with: {asked.check}"
    name = f"the model {asked.model!r}" if asked.model else "that model"
    nearest = f"{provider}/{served[0] if served else 'ID'}"
    mend = f"garra models set {nearest} (in a chat: /model {nearest})"
    return ModelNotFound(f"{where}: {name} is not served there. {choice}\nChoose one with: {mend}", served)


def served_ids(message: str) -> tuple[str, ...]:
    """The ids that a "does not exist" message names, none when it names none."""
    found = re.search(_ALIASES, message)
    return tuple(filter(None, (name.strip(" `'\"") for name in found[1].split(",")))) if found else ()


def read_body(text: str) -> Said:
    """What an error body says: vLLM's object, a bare string, FastAPI's detail, a web page, or nothing."""
    try:
        data = decode(text)
    except ValueError:
        return Said(_page_title(text) if text.lstrip().startswith("<") else _short(text))
    return read_error(data)


def read_error(data: Any) -> Said:
    """The same, from JSON that is parsed already."""
    if not isinstance(data, dict):
        return Said(_short(data if isinstance(data, str) else ""))
    inner = data.get("error", data)
    if not isinstance(inner, dict):
        return Said(_short(inner if isinstance(inner, str) else _json(inner)))
    message = inner.get("message") or inner.get("detail") or ""
    code, kind, param = inner.get("code"), inner.get("type"), inner.get("param")
    return Said(
        _short(message if isinstance(message, str) else _json(message)),
        " ".join(str(part) for part in (code, kind) if isinstance(part, str | int)),
        param if isinstance(param, str) else None,
        {key: value for key, value in inner.items() if type(value) is int},
    )


def _overflow(said: Said) -> tuple[int | None, int | None]:
    """The window and the tokens asked for; llama.cpp gives them as fields."""
    limit, asked = re.search(_LIMIT, said.message), re.search(_ASKED, said.message)
    return (
        int(limit[1]) if limit else said.numbers.get("n_ctx"),
        int(next(filter(None, asked.groups()))) if asked else said.numbers.get("n_prompt_tokens"),
    )


def _key_advice(endpoint: Endpoint) -> str:
    name = endpoint.provider
    sent = "The key that was sent does not fit the server" if endpoint.api_key else "No key was sent, and it wants one"
    variable = "Set VLLM_API_KEY to the key that the server was started with" if name == "vllm" else "Set the right key"
    return f"{sent}. {variable} (or: garra auth set {name}), or configure models.providers.{name}.apiKey."


def _wait_s(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    return _until(value) if value else None


def _until(date: str) -> float | None:
    import time
    from email.utils import mktime_tz, parsedate_tz

    parsed = parsedate_tz(date)
    try:
        return max(0.0, mktime_tz(parsed) - time.time()) if parsed else None
    except (ValueError, OverflowError):
        return None


def _location(headers: Mapping[str, str]) -> str:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(headers.get("location", ""))
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    place = f"{parts.scheme}://{host}{parts.path}" if host else parts.path
    return f" to {place[:QUOTE_CHARS]}" if place.isprintable() and place else ""


def _shown(endpoint: Endpoint) -> str:
    return parse_url(endpoint.base_url).shown


def _page_title(text: str) -> str:
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    return f"a web page, {_short(title[1])!r}" if title else "a web page"


def _json(value: Any) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()


def _short(text: str) -> str:
    """One line of it, without control characters: it goes to a terminal."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: QUOTE_CHARS * 4]).split())
    return line.removesuffix(".") if len(line) <= QUOTE_CHARS else line[:QUOTE_CHARS] + "…"
