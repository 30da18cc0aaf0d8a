import asyncio
import json

import pytest

from garra.serve.api.protocol import BoundedHeaders
from tests.serve.api.doubles import PlayedEngine, app_over, client_of, saying
from tests.serve.api.listening import listening, post

pytestmark = pytest.mark.anyio

BODY = json.dumps({"prompt": "a"})
JSON = {"content-type": "application/json"}


async def test_a_body_that_says_that_it_is_too_large_is_not_read() -> None:
    async with client_of(app_over(PlayedEngine(saying("never")), limit_body_bytes=10)) as client:
        response = await client.post("/tokenize", content=BODY + " " * 50, headers=JSON)

    assert response.status_code == 413
    assert response.json()["error"]["code"] == 413


async def test_a_body_that_grows_too_large_is_cut_off() -> None:
    app = app_over(PlayedEngine(saying("never")), limit_body_bytes=1_000)

    async with listening(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /tokenize HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        for _ in range(30):
            writer.write(b"64\r\n" + b" " * 100 + b"\r\n")
        await writer.drain()
        status = await reader.readline()
        writer.close()

    assert status.split()[1] == b"413"


async def test_a_body_that_stops_coming_is_not_waited_for() -> None:
    app = app_over(PlayedEngine(saying("never")), body_silence_s=0.2)

    async with listening(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /tokenize HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"
        )
        async with asyncio.timeout(20):
            status = await reader.readline()
        writer.close()

    assert status.split()[1] == b"408"


class Hasty(BoundedHeaders):
    headers_s = 0.3


@pytest.mark.parametrize("beginning", [b"", b"GET /health HTTP/1.1\r\nhost: x\r\n"])
async def test_headers_that_do_not_come_are_not_waited_for(beginning: bytes) -> None:
    async with listening(app_over(PlayedEngine(saying("never"))), Hasty) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(beginning)
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        writer.close()


async def test_a_reply_may_take_longer_than_its_headers_and_the_connection_be_used_again() -> None:
    engine = PlayedEngine(saying("one two three four five six"), gap_s=0.1)

    async with listening(app_over(engine), Hasty) as port:
        reader, writer = await post(port, "/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]})
        async with asyncio.timeout(20):
            assert b"five six" in await reader.readuntil(b'"metrics":null}')
            writer.write(b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n")
            assert b"garra" in await reader.readuntil(b"}")
        writer.close()


async def test_headers_without_end_are_cut_off() -> None:
    async with listening(app_over(PlayedEngine(saying("never")))) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(20):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await send_headers_for_ever(reader, writer)
        writer.close()


async def send_headers_for_ever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET /health HTTP/1.1\r\n")
    for number in range(100_000):
        writer.write(b"x-%d: %s\r\n" % (number, b"y" * 1_000))
        await writer.drain()
    await reader.readexactly(1)


async def test_a_large_body_that_comes_with_its_headers_is_no_large_header() -> None:
    async with listening(app_over(PlayedEngine(saying("never")))) as port:
        reader, writer = await post(port, "/tokenize", {"prompt": "a", "unknown": "x" * 2_000_000})
        async with asyncio.timeout(20):
            assert b'"count":1' in await reader.readuntil(b"}")
        writer.close()


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_only_what_calls_itself_json_is_read(content_type: str) -> None:
    async with client_of(app_over(PlayedEngine(saying("never")))) as client:
        response = await client.post("/tokenize", content=BODY, headers={"content-type": content_type})

    assert response.status_code == 400
    assert "application/json" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"3", b"null", b'"x"', b"\xff\xfe", b"{", b'{"prompt": ' + b"[" * 100_000]
)
async def test_whatever_is_no_request_is_the_clients_fault(body: bytes) -> None:
    async with client_of(app_over(PlayedEngine(saying("never")))) as client:
        for path in ("/tokenize", "/v1/chat/completions", "/v1/completions", "/detokenize"):
            response = await client.post(path, content=body, headers=JSON)
            assert response.status_code == 400
            assert response.json()["error"]["code"] == 400


async def test_messages_that_are_nested_too_deeply_are_refused() -> None:
    deep: object = "x"
    for _ in range(700):
        deep = {"a": deep}
    asked = {"messages": [{"role": "user", "content": "x"}], "chat_template_kwargs": {"a": deep}}

    async with client_of(app_over(PlayedEngine(saying("ok")))) as client:
        response = await client.post("/v1/chat/completions", json=asked)

    assert response.status_code in (200, 400)


async def test_an_error_never_repeats_a_long_body() -> None:
    async with client_of(app_over(PlayedEngine(saying("never")))) as client:
        response = await client.post("/v1/chat/completions", json={"messages": ["x" * 5_000] * 3_000})

    assert response.status_code == 400
    assert len(response.content) < 15_000


@pytest.mark.parametrize("header", ["Bearer sekret", "bearer sekret"])
async def test_any_of_the_keys_opens_what_is_guarded(header: str) -> None:
    async with client_of(app_over(PlayedEngine(saying("ok")), api_keys=("other", "sekret"))) as client:
        assert (await client.get("/v1/models", headers={"authorization": header})).status_code == 200


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "sekret", "Basic sekret", "Bearer ", "Bearer sekret2", "Bearer sekre"]
)
async def test_nothing_else_does(header: str) -> None:
    async with client_of(app_over(PlayedEngine(saying("ok")), api_keys=("other", "sekret"))) as client:
        response = await client.get("/v1/models", headers={"authorization": header})

    assert response.status_code == 401
    assert response.text == '{"error":"Unauthorized"}'


async def test_health_tells_when_the_engine_is_dead() -> None:
    engine = PlayedEngine(saying("ok"))
    engine.dead.set()

    async with client_of(app_over(engine)) as client:
        assert [(await client.get(path)).status_code for path in ("/health", "/ping")] == [503, 503]
