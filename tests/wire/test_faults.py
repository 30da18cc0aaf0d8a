"""The border with foreign exceptions: none may cross unnamed."""

import asyncio
import inspect
import socket
import ssl

import httptools
import httptools.parser.errors
import pytest

from garra.errors import ModelUnreachable
from garra.wire import connection, exchange
from garra.wire.address import parse_url
from garra.wire.faults import CROSSING, broken, unreachable

TARGET = parse_url("https://user:secret@models.example:8443/v1/chat/completions")


def raised_by(module: object) -> list[type[BaseException]]:
    members = inspect.getmembers(module, inspect.isclass)
    return [kind for name, kind in members if issubclass(kind, BaseException) and not name.startswith("_")]


FOREIGN = [
    *raised_by(httptools.parser.errors),
    *raised_by(httptools),
    *raised_by(ssl),
    *raised_by(socket),
    *raised_by(connection),
    *raised_by(exchange),
    ConnectionResetError,
    BrokenPipeError,
    TimeoutError,
    asyncio.TimeoutError,
]


@pytest.mark.parametrize("kind", sorted(set(FOREIGN), key=str), ids=lambda kind: kind.__name__)
def test_every_exception_of_the_libraries_is_caught_at_the_border(kind: type[BaseException]) -> None:
    assert issubclass(kind, CROSSING), f"{kind} is new: name it in faults.CROSSING"


@pytest.mark.parametrize("kind", sorted(set(FOREIGN), key=str), ids=lambda kind: kind.__name__)
def test_every_fault_names_the_url_and_no_secret(kind: type[BaseException]) -> None:
    exc = kind.__new__(kind)
    BaseException.__init__(exc)
    if isinstance(exc, exchange.Silent):
        exc.limit_s = 3
    if isinstance(exc, connection.TunnelRefused):
        exc.status = 407

    for error in (
        unreachable(exc, TARGET, proxy=None, limit_s=5),
        broken(exc, TARGET, headed=False),
        broken(exc, TARGET, headed=True),
    ):
        assert "https://models.example:8443/v1" in str(error)
        assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("exc", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "the host name models.example is not known"),
        (TimeoutError(), "no answer within 5 s"),
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 111] Connect call failed"), "refused"),
        (OSError(113, "No route to host"), "no route to host"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "write http://"),
    ],
)
def test_what_kept_a_connection_from_opening_is_said_plainly(exc: OSError, words: str) -> None:
    error = unreachable(exc, TARGET, proxy=None, limit_s=5)

    assert isinstance(error, ModelUnreachable)
    assert words in str(error)
    assert "curl https://models.example:8443/v1/models" in str(error)


@pytest.mark.parametrize(
    ("exc", "why"),
    [
        (socket.gaierror(-2, "Name or service not known"), "unknown host"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "untrusted"),
        (ConnectionRefusedError(111, "Connection refused"), "refused"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 111] Connect call failed"), "refused"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 101] unreachable"), "no answer"),
        (TimeoutError(), "no answer"),
        (OSError(113, "No route to host"), "no answer"),
        (exchange.HungUp(), "hung up"),
    ],
)
def test_an_error_of_connecting_says_why_to_those_who_may_try_again(exc: Exception, why: str) -> None:
    error = unreachable(exc, TARGET, proxy=None, limit_s=5)

    assert isinstance(error, ModelUnreachable)
    assert error.why == why


def test_a_server_that_is_gone_or_hangs_up_before_it_answers_was_not_reached() -> None:
    gone, hung_up = (broken(exc, TARGET, headed=False) for exc in (exchange.Deserted(), exchange.HungUp()))

    assert isinstance(gone, ModelUnreachable)
    assert isinstance(hung_up, ModelUnreachable)
    assert (gone.why, hung_up.why) == ("refused", "hung up")
