"""HTTP errors become errors of ours that say what to do. The bodies are recordings of vLLM, and others' wording."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from garra.errors import (
    AuthRejected,
    ContextOverflow,
    ModelError,
    ModelNotFound,
    RequestRefused,
    ServerBusy,
    ServerFailed,
)
from garra.wire.chat import Endpoint, error_of
from garra.wire.http import HttpResponse

RECORDINGS = Path(__file__).parent.parent / "recordings"
ENDPOINT = Endpoint("http://127.0.0.1:8000/v1", "sekret-key")
URL = "http://127.0.0.1:8000/v1/chat/completions"


def recorded(name: str) -> ModelError:
    response = json.loads((RECORDINGS / f"{name}.json").read_text())["response"]
    return error_of(
        HttpResponse(response["status"], response["headers"], response["body"].encode()), ENDPOINT, model="m"
    )


def answered(status: int, body: Any, headers: dict[str, str] | None = None) -> ModelError:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return error_of(HttpResponse(status, headers or {}, data), ENDPOINT, model="m")


def test_an_unknown_model_is_named_together_with_what_is_served() -> None:
    error = recorded("tools/error-model")

    assert isinstance(error, ModelNotFound)
    assert error.served == ("smollm2",)
    assert URL in str(error)
    assert "'m'" in str(error)
    assert "garra models set vllm/smollm2" in str(error)


@pytest.mark.parametrize(
    ("message", "served"),
    [
        ("The model `x` does not exist. Valid aliases: a/b.c, d.", ("a/b.c", "d")),
        ("The model `x` does not exist.", ()),
        ('model "x" not found, try pulling it first', ()),
    ],
)
def test_served_ids_are_read_whole(message: str, served: tuple[str, ...]) -> None:
    error = answered(404, {"error": {"message": message, "type": "NotFoundError", "param": "model", "code": 404}})

    assert isinstance(error, ModelNotFound)
    assert error.served == served


def test_a_prompt_that_is_too_long_carries_the_numbers() -> None:
    error = recorded("tools/error-too-long")

    assert isinstance(error, ContextOverflow)
    assert (error.limit, error.asked) == (8192, 8193)


@pytest.mark.parametrize(
    ("body", "limit", "asked"),
    [
        ({"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you requested "
          "5000 tokens (4900 in the messages, 100 in the completion).", "code": 400}, 4096, 5000),
        ({"error": {"message": "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
                    "code": 400}}, 8192, 9000),
        ({"error": {"code": 400, "message": "the request exceeds the available context size, try increasing it",
                    "type": "exceed_context_size_error", "n_prompt_tokens": 1234, "n_ctx": 1024}}, 1024, 1234),
        ({"error": {"message": "Too much.", "code": "context_length_exceeded"}}, None, None),
    ],
)  # fmt: skip
def test_other_servers_words_for_too_long_are_known(body: Any, limit: int | None, asked: int | None) -> None:
    error = answered(400, body)

    assert isinstance(error, ContextOverflow)
    assert (error.limit, error.asked) == (limit, asked)


def test_a_rejected_key_says_which_variable_and_command_mend_it() -> None:
    error = recorded("key/chat-none")

    assert isinstance(error, AuthRejected)
    assert all(word in str(error) for word in (URL, "401", "Unauthorized", "VLLM_API_KEY", "garra auth set vllm"))


def test_a_key_that_was_not_sent_is_told_apart_from_one_that_does_not_fit() -> None:
    answer = HttpResponse(401, {}, b"")

    assert "No key was sent" in str(error_of(answer, Endpoint("http://h/v1", None)))
    assert "does not fit" in str(error_of(answer, Endpoint("http://h/v1", "k")))


@pytest.mark.parametrize(
    "name",
    ["tools/error-temperature", "tools/error-schema", "plain/tools-auto", "plain/tools-required", "tools/error-json"],
)
def test_other_refusals_quote_the_server(name: str) -> None:
    error = recorded(name)

    said = json.loads(json.loads((RECORDINGS / f"{name}.json").read_text())["response"]["body"])["error"]
    assert type(error) is RequestRefused
    assert " ".join(said["message"].split())[:60].rstrip(".") in str(error)
    assert error.param == said["param"]


def test_a_route_that_is_not_there_points_at_the_base_url() -> None:
    error = recorded("tools/unknown-route")

    assert type(error) is RequestRefused
    assert error.http_status == 404
    assert "is the base URL http://127.0.0.1:8000/v1 right" in str(error)


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8000", "http://127.0.0.1:8000/"])
def test_a_base_url_without_v1_is_told_the_one_to_set(base_url: str) -> None:
    error = error_of(HttpResponse(404, {}, b'{"detail":"Not Found"}'), Endpoint(base_url), model="m")

    assert "garra config set models.providers.vllm.baseUrl http://127.0.0.1:8000/v1" in str(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, ServerBusy), (503, ServerBusy), (500, ServerFailed), (502, ServerFailed), (403, AuthRejected),
     (422, RequestRefused), (307, RequestRefused), (405, RequestRefused), (418, RequestRefused)],
)  # fmt: skip
@pytest.mark.parametrize(
    "body", ["", "{}", "null", "[1]", "<html><title>x</title></html>", '{"detail":[{"msg":"m"}]}', "\x00\x1b["]
)
def test_every_status_has_its_error_whatever_the_body(status: int, kind: type[ModelError], body: str) -> None:
    error = answered(status, body)

    assert type(error) is kind
    assert str(status) in str(error)
    assert "\x1b" not in str(error)


def test_a_busy_server_may_say_when_to_come_back() -> None:
    error = answered(429, "", {"retry-after": "7"})

    assert isinstance(error, ServerBusy)
    assert error.retry_after_s == 7


def test_the_wait_that_a_busy_server_asks_for_is_in_the_message() -> None:
    assert "Try again in 7 s, as it says." in str(answered(429, "", {"retry-after": "7"}))
    assert "Try again in a moment." in str(answered(429, ""))


@pytest.mark.parametrize(
    ("body", "loading"),
    [
        ('{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}', True),
        ('{"error":"the model is not ready"}', True),
        ("Service is starting up", True),
        ('{"error":{"message":"Too many requests, the queue is full"}}', False),
        ("", False),
    ],
)
def test_a_server_that_is_still_loading_is_told_from_one_that_is_full(body: str, loading: bool) -> None:
    error = answered(503, body)

    assert isinstance(error, ServerBusy)
    assert (error.loading, error.http_status) == (loading, 503)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(408, ServerFailed), (499, ServerFailed), (504, ServerFailed), (524, ServerFailed), (529, ServerBusy)],
)
def test_the_statuses_of_gateways_that_pass_by_themselves_may_be_tried_again(
    status: int, kind: type[ServerBusy | ServerFailed]
) -> None:
    error = answered(status, "")

    assert isinstance(error, kind)
    assert (error.retryable, error.http_status) == (True, status)


def test_a_busy_server_may_say_so_as_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)

    error = answered(503, "", {"retry-after": later})

    assert isinstance(error, ServerBusy)
    assert error.retry_after_s is not None
    assert 60 < error.retry_after_s <= 100


@pytest.mark.parametrize("value", ["", "soon", "-1", "Mon, 99 Foo 2026 00:00:00 GMT", "9" * 400])
def test_a_senseless_retry_after_is_no_answer(value: str) -> None:
    error = answered(503, "", {"retry-after": value})

    assert isinstance(error, ServerBusy)
    assert error.retry_after_s is None


def test_a_redirect_names_where_to_but_not_its_credentials() -> None:
    error = answered(307, "", {"location": "https://user:pw@other.example/v1?token=abc"})

    assert "https://other.example/v1" in str(error)
    assert not any(secret in str(error) for secret in ("user", "pw", "abc"))


def test_a_key_that_the_server_echoes_is_not_repeated() -> None:
    endpoint = Endpoint("http://h/v1", 'se"kret', {"X-Api-Key": "header-secret", "Authorization": "Basic dXNlcjpwYXNz"})
    body = json.dumps({"error": {"message": 'no se"kret or header-secret or dXNlcjpwYXNz here'}}).encode()

    text = str(error_of(HttpResponse(400, {}, body), endpoint))

    assert not any(secret in text for secret in ('se"kret', "header-secret", "dXNlcjpwYXNz"))


def test_a_long_error_is_cut() -> None:
    assert len(str(answered(500, {"error": {"message": "x" * 100_000}}))) < 800


def test_an_endpoint_does_not_show_its_key() -> None:
    endpoint = Endpoint("http://user:pw@h/v1", "sekret", {"x-api-key": "header-secret"})

    assert not any(secret in repr(endpoint) for secret in ("sekret", "pw", "header-secret"))
