"""The client against servers that are real, down to what they get wrong."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from garra.errors import ConfigError, ModelError, ModelUnreachable, ServerSilent, StreamBroken
from garra.wire.http import Http, Timeouts

pytestmark = pytest.mark.anyio
Raw = Callable[..., Any]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"
FAST = Timeouts(connect_s=5, first_event_s=0.2, gap_s=0.2)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.mark.parametrize(
    "reply",
    [
        OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\ncontent-type: text/plain\r\n\r\n"
        b"1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" + OK,
    ],
)
async def test_a_whole_answer_is_read_and_the_connection_used_again(raw_server: Raw, reply: bytes) -> None:
    async with raw_server([reply]) as server, Http() as http:
        first = await http.request("GET", server.url)
        second = await http.request("GET", server.url)

    assert (first.status, first.body, first.headers["content-type"]) == (200, b"ok", "text/plain")
    assert "x" not in first.headers
    assert second == first
    assert server.connections == 1


async def test_an_answer_without_a_length_ends_with_the_connection(raw_server: Raw) -> None:
    async with raw_server([b"HTTP/1.1 200 OK\r\n\r\nsome text"], close=True) as server, Http() as http:
        assert (await http.request("GET", server.url)).body == b"some text"
        assert (await http.request("GET", server.url)).body == b"some text"

    assert server.connections == 2


async def test_an_answer_may_come_byte_by_byte(raw_server: Raw) -> None:
    async with raw_server([OK], pause_s=0.0001) as server, Http() as http:
        assert (await http.request("GET", server.url)).body == b"ok"


async def test_a_request_says_who_asks_and_carries_its_json(raw_server: Raw) -> None:
    async with raw_server([OK]) as server, Http() as http:
        await http.request("POST", server.url, headers={"X-Mine": "1", "Host": "evil"}, json={"a": "é"})

        head = server.requests[0][1].decode().lower()
        assert head.startswith("post /v1/models http/1.1\r\n")
        assert f"host: 127.0.0.1:{server.port}\r\n" in head
        assert all(line in head for line in ("x-mine: 1", "content-type: application/json", "content-length: 10"))
        assert "evil" not in head


async def test_nobody_listening_is_said_at_once_with_the_url_and_how_to_check() -> None:
    url = f"http://user:pw@127.0.0.1:{free_port()}/v1/chat/completions?key=abc"
    shown = url.replace("user:pw@", "").replace("?key=abc", "")

    async with Http() as http:
        with pytest.raises(ModelUnreachable) as caught:
            await http.request("POST", url, json={}, timeout_s=60)

    text = str(caught.value)
    assert "connection refused" in text
    assert shown in text
    assert f"curl {shown.removesuffix('/chat/completions')}/models" in text
    assert not any(secret in text for secret in ("user", "pw", "abc"))


async def test_a_server_that_does_not_answer_is_silent(raw_server: Raw) -> None:
    async with raw_server([b"HTTP/1.1 200 OK\r\n"]) as server, Http() as http:
        with pytest.raises(ServerSilent, match=r"did not answer: nothing came for 0\.1 s"):
            await http.request("GET", server.url, timeout_s=0.1)

        await asyncio.wait_for(server.left.wait(), 5)


async def test_a_body_that_stops_is_silent_after_what_came(raw_server: Raw) -> None:
    async with raw_server([b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"]) as server, Http() as http:
        async with http.stream("GET", server.url, timeouts=FAST) as response, aclosing(response.chunks()) as chunks:
            assert await anext(chunks) == b"abc"
            with pytest.raises(ServerSilent, match="stopped sending"):
                await anext(chunks)


async def test_a_slow_answer_is_no_silence(raw_server: Raw) -> None:
    body = b"x" * 40
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n" + body
    limits = Timeouts(connect_s=5, first_event_s=30, gap_s=1)

    async with raw_server([reply], pause_s=0.02) as server, Http() as http:
        async with http.stream("GET", server.url, timeouts=limits) as response:
            assert await response.body(1000) == body  # took longer than any gap that is allowed


@pytest.mark.parametrize(
    ("begun", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", StreamBroken),
        (b"", ModelUnreachable),
    ],
)
async def test_a_server_that_stopped_but_keeps_the_connection_open_is_found_out(
    begun: bytes, kind: type[ModelError]
) -> None:
    """As vLLM does when it is stopped in the middle of a reply: the connection stays, without a word, for ever."""
    writers: list[asyncio.StreamWriter] = []

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begun)
        server.close()

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/models"
    patient = Timeouts(first_event_s=600, gap_s=600, look_s=0.05)
    async with asyncio.timeout(30), Http() as http:
        with pytest.raises(kind, match=r"nothing listens on port \d+ any more"):
            async with http.stream("GET", url, timeouts=patient) as response:
                await response.body(1000)
    for writer in writers:
        writer.close()


async def test_a_server_that_thinks_long_is_not_taken_for_one_that_stopped() -> None:
    async def think(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):  # a look: it asks for nothing
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.3)
            writer.write(OK)
        writer.close()

    async with await asyncio.start_server(think, "127.0.0.1", 0) as server, Http() as http:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/models"
        async with http.stream("GET", url, timeouts=Timeouts(first_event_s=60, look_s=0.05)) as response:
            assert await response.body(10) == b"ok"


async def test_a_packed_answer_is_told_as_one(raw_server: Raw) -> None:
    packed = OK.replace(b"Content-Type: text/plain", b"Content-Encoding: gzip")

    async with raw_server([packed]) as server, Http() as http:
        with pytest.raises(StreamBroken, match=r"packed as 'gzip'.*compression off"):
            await http.request("GET", server.url)


async def test_a_packed_error_keeps_its_status(raw_server: Raw) -> None:
    packed = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b"

    async with raw_server([packed]) as server, Http() as http:
        answer = await http.request("GET", server.url)

    assert (answer.status, answer.body) == (401, b"")


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (b"", ModelUnreachable, "hung up before it answered"),
        (b"HTTP/1.1 200 OK\r\nContent-", ModelUnreachable, "hung up before it answered"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", StreamBroken, "stopped before its end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", StreamBroken, "stopped before its end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", StreamBroken, "no HTTP"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", StreamBroken, "no HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x16", StreamBroken, "no HTTP"),
        (b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", StreamBroken, "no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000, StreamBroken, "no HTTP"),
    ],
)
async def test_what_is_no_answer_is_an_error_that_names_the_url(
    raw_server: Raw, reply: bytes, kind: type[ModelError], words: str
) -> None:
    async with raw_server([reply], close=True) as server, Http() as http:
        with pytest.raises(kind, match=words) as caught:
            await http.request("GET", server.url)

        assert server.url in str(caught.value)


async def test_an_answer_that_is_too_long_is_not_read_to_its_end(raw_server: Raw) -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5_000_000

    async with raw_server([reply]) as server, Http() as http:
        with pytest.raises(StreamBroken, match="more than 1000 bytes"):
            await http.request("GET", server.url, limit_bytes=1000)


async def test_a_reader_that_is_slower_than_the_server_gets_everything(raw_server: Raw) -> None:
    body = bytes(range(256)) * 40_000
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    got = []

    async with raw_server([reply]) as server, Http() as http:
        async with http.stream("GET", server.url) as response, aclosing(response.chunks()) as chunks:
            async for chunk in chunks:
                got.append(chunk)
                await asyncio.sleep(0.01)

    assert b"".join(got) == body
    assert max(map(len, got)) < 3_000_000  # what waits is bounded


async def test_leaving_a_stream_closes_the_connection_at_once(raw_server: Raw) -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"

    async with raw_server([reply]) as server, Http() as http:
        async with http.stream("GET", server.url) as response, aclosing(response.chunks()) as chunks:
            assert await anext(chunks) == b"abc"

        await asyncio.wait_for(server.left.wait(), 5)


async def test_a_second_answer_to_one_request_is_not_taken_for_the_next_ones(raw_server: Raw) -> None:
    async with raw_server([OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale", OK]) as server, Http() as http:
        assert (await http.request("GET", server.url)).body == b"ok"
        assert (await http.request("GET", server.url)).body == b"ok"

    assert server.connections == 2


async def test_a_kept_connection_that_the_server_closed_is_not_used_again(raw_server: Raw) -> None:
    async with raw_server([OK]) as server, Http() as http:
        await http.request("GET", server.url)
        await server.hang_up()

        assert (await http.request("GET", server.url)).body == b"ok"


async def test_a_server_that_hangs_up_on_a_request_is_not_sent_it_twice(raw_server: Raw) -> None:
    async with raw_server([OK, b"", OK]) as server, Http() as http:
        await http.request("GET", server.url)
        with pytest.raises(ModelUnreachable):
            await http.request("GET", server.url)

        assert len(server.requests) == 2


async def test_a_redirect_is_not_followed_and_so_no_key_goes_with_it(raw_server: Raw) -> None:
    async with raw_server([OK]) as other, Http() as http:
        away = b"HTTP/1.1 307 Go\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % other.url.encode()
        async with raw_server([away]) as server:
            answer = await http.request("GET", server.url, headers={"authorization": "Bearer k"})

        assert answer.status == 307
        assert other.requests == []


@pytest.mark.parametrize("headers", [{"authorization": "Bearer a\nb"}, {"x y": "1"}, {"x": "\u20ac"}, {"": "v"}])
async def test_a_header_that_cannot_be_sent_is_refused_without_its_value(
    raw_server: Raw, headers: dict[str, str]
) -> None:
    async with raw_server([OK]) as server, Http() as http:
        with pytest.raises(ConfigError) as caught:
            await http.request("GET", server.url, headers=headers)

        assert "Bearer" not in str(caught.value)
        assert server.connections == 0


async def test_closing_the_client_closes_every_connection(raw_server: Raw) -> None:
    async with raw_server([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na"]) as server:
        async with Http() as http:
            stream = http.stream("GET", server.url)
            await stream.__aenter__()

        await asyncio.wait_for(server.left.wait(), 5)
        await stream.__aexit__(None, None, None)


async def test_a_proxy_is_asked_for_other_hosts(raw_server: Raw) -> None:
    async with raw_server([OK]) as proxy:
        async with Http({"http_proxy": f"http://u:p@127.0.0.1:{proxy.port}"}) as http:
            answer = await http.request("GET", "http://models.example/v1/models")

        head = proxy.requests[0][1]
        assert answer.body == b"ok"
        assert head.startswith(b"GET http://models.example/v1/models HTTP/1.1\r\nhost: models.example\r\n")
        assert b"proxy-authorization: Basic dTpw\r\n" in head


async def test_a_proxy_that_refuses_the_tunnel_is_named(raw_server: Raw) -> None:
    async with raw_server([b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"]) as proxy:
        async with Http({"https_proxy": f"http://u:secret@127.0.0.1:{proxy.port}"}) as http:
            with pytest.raises(ModelUnreachable, match="refused with HTTP 403") as caught:
                await http.request("GET", "https://models.example/v1/models")

        assert proxy.requests[0][1].startswith(b"CONNECT models.example:443 HTTP/1.1\r\n")
        assert f"127.0.0.1:{proxy.port}" in str(caught.value)
        assert "secret" not in str(caught.value)


CERTIFICATE = Path(__file__).parent / "loopback-certificate.pem"


def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


async def test_https_is_spoken_with_a_server_whose_certificate_is_trusted(
    raw_server: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))

    async with raw_server([OK], tls=tls()) as server, Http() as http:
        assert (await http.request("GET", server.url)).body == b"ok"
        assert (await http.request("GET", server.url)).body == b"ok"

    assert server.connections == 1


async def test_a_certificate_that_is_not_trusted_is_refused_and_said_so(raw_server: Raw) -> None:
    async with raw_server([OK], tls=tls()) as server, Http() as http:
        with pytest.raises(ModelUnreachable, match="certificate is not trusted"):
            await http.request("GET", server.url)

    assert server.requests == []


async def test_https_to_a_server_without_tls_is_said_so(raw_server: Raw) -> None:
    async with raw_server([b"HTTP/1.1 400 Bad Request\r\n\r\n"], close=True) as server, Http() as http:
        with pytest.raises(ModelUnreachable) as caught:
            await http.request("GET", server.url.replace("http:", "https:"), timeout_s=0.5)

    assert "https://127.0.0.1" in str(caught.value)


async def test_a_tunnel_carries_tls_through_a_proxy(raw_server: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))

    async with raw_server([OK], tls=tls()) as server:
        seen: list[bytes] = []

        async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                writer.write(data)
            writer.close()

        async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(pipe(reader, far_writer), pipe(far_reader, writer), return_exceptions=True)

        async with await asyncio.start_server(tunnel, "127.0.0.1", 0) as proxy:
            address = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
            async with Http({"https_proxy": address}) as http:
                answer = await http.request("GET", f"https://models.example:{server.port}/v1/models")
            await asyncio.sleep(0.05)

    assert answer.body == b"ok"
    assert seen[0].startswith(b"CONNECT models.example:")
