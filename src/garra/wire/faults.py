"""The border: what the system, TLS and the HTTP parser raise becomes an error of ours, here and nowhere else.

`CROSSING` lists every foreign exception that may cross; a test holds the list against the libraries' own. Messages
name the URL (never its credentials), what happened, and the command that shows it.
"""

import socket
import ssl

import httptools

from garra.errors import ModelError, ModelUnreachable, ServerSilent, StreamBroken, Unreachable
from garra.wire.address import Target
from garra.wire.connection import TunnelRefused, is_refusal
from garra.wire.exchange import Deserted, HeadTooLong, HungUp, Silent

CROSSING: tuple[type[BaseException], ...] = (
    OSError,  # refused, reset, unreachable, unknown host, TLS, and asyncio's TimeoutError
    httptools.HttpParserError,
    httptools.HttpParserUpgrade,
    HungUp,
    Silent,
    Deserted,
    HeadTooLong,
    TunnelRefused,
)


def unreachable(exc: BaseException, target: Target, *, proxy: Target | None, limit_s: float) -> ModelError:
    """What failed before a request could be sent."""
    via = f" through the proxy {proxy.shown}" if proxy else ""
    return ModelUnreachable(
        f"No connection to {target.shown}{via}: {_why_not(exc, proxy or target, limit_s)}. "
        f"Is the server running, and is the address right? Check with: {target.check}",
        why=_kind(exc),
    )


def broken(exc: BaseException, target: Target, *, headed: bool) -> ModelError:
    """What failed after the request was sent: before the answer began, or within it (`headed`)."""
    if isinstance(exc, Silent):
        what = "stopped sending" if headed else "did not answer"
        return ServerSilent(
            f"{target.shown} {what}: nothing came for {exc.limit_s:g} s. The model may be loading or overloaded; "
            f"look at the server's log, or allow more with timeoutSeconds. Check with: {target.check}"
        )
    if isinstance(exc, httptools.HttpParserError | httptools.HttpParserUpgrade | HeadTooLong):
        return StreamBroken(
            f"{target.shown} answered with something that is no HTTP ({_parser_word(exc)}). "
            f"Is another service on that port, or is it https? Check with: {target.check}"
        )
    if isinstance(exc, Deserted):
        return _deserted(target, headed=headed)
    if headed:
        return StreamBroken(f"The reply from {target.shown} stopped before its end: {_gone(exc)}.")
    return ModelUnreachable(
        f"{target.shown} hung up before it answered: {_gone(exc)}. "
        f"The server may have crashed or be restarting. Check with: {target.check}",
        why="hung up",
    )


def _deserted(target: Target, *, headed: bool) -> ModelError:
    what = "fell silent in the middle of its reply" if headed else "did not answer"
    text = (
        f"{target.shown} {what}, and nothing listens on port {target.port} any more: the server was stopped, or it "
        f"crashed. Its log says why. Check with: {target.check}"
    )
    return StreamBroken(text) if headed else ModelUnreachable(text, why="refused")


def _kind(exc: BaseException) -> Unreachable:
    """Why there is no connection, for those who decide whether to try again."""
    match exc:
        case ssl.SSLError():
            return "untrusted"
        case socket.gaierror():
            return "unknown host"
        case OSError() if is_refusal(exc):
            return "refused"
        case HungUp():
            return "hung up"
        case _:
            return "no answer"


def _why_not(exc: BaseException, peer: Target, limit_s: float) -> str:
    match exc:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted ({getattr(exc, 'verify_message', 'unknown reason')})"
        case ssl.SSLError():
            return f"TLS failed ({getattr(exc, 'reason', None) or 'unknown reason'}); if the server has no TLS, write http://"
        case socket.gaierror():
            return f"the host name {peer.host} is not known"
        case TimeoutError():
            return f"no answer within {limit_s:g} s"
        case TunnelRefused():
            return f"the proxy refused with HTTP {exc.status}"
        case OSError() if is_refusal(exc):
            return f"connection refused (nothing listens on port {peer.port})"
        case OSError():
            return _system_word(exc)
        case _:
            return "the other side hung up, or spoke no HTTP"


def _system_word(exc: OSError) -> str:
    return (exc.strerror or "the connection failed").lower()


def _gone(exc: BaseException) -> str:
    return _system_word(exc) if isinstance(exc, OSError) else "the server closed the connection"


def _parser_word(exc: BaseException) -> str:
    if isinstance(exc, HeadTooLong):
        return "headers without end"
    if isinstance(exc, httptools.HttpParserUpgrade):
        return "a switch to another protocol"
    return str(exc).strip() or "unreadable"
