"""The address that is listened on: taken before the model is loaded, so that a taken port is told at once."""

import errno
import ipaddress
import socket

from garra.errors import ServeError, UsageFault


def check_exposed(host: str, api_keys: tuple[str, ...]) -> None:
    """Beyond this machine only with a key."""
    if api_keys or is_loopback(host):
        return
    raise UsageFault(
        f"--host {host} can be reached from other machines, and no API key is set. Give one (--api-key KEY, or the "
        "environment variable VLLM_API_KEY), or serve this machine alone with --host 127.0.0.1."
    )


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bind(host: str, port: int) -> socket.socket:
    """A bound socket, not yet listening. Port 0 takes any free one."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, OverflowError) as error:
        raise ServeError(f"--host {host} --port {port} is no address here: {error}.") from None
    sock = socket.socket(family, kind, protocol)
    try:
        _refuse_taken(family, address)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise cannot_listen(host, port, error) from None
    except ServeError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _refuse_taken(family: int, address: tuple[object, ...]) -> None:
    """Without reuse first: two sockets that reuse an address may both hold it until one of them listens."""
    host, port = str(address[0]), int(str(address[1]))
    if not port:
        return
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        if probe.connect_ex((host if host not in ("0.0.0.0", "::") else "localhost", port)) == 0:
            raise cannot_listen(host, port, OSError(errno.EADDRINUSE, "in use"))


def cannot_listen(host: str, port: int, error: OSError) -> ServeError:
    """Why the address cannot be had, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return ServeError(
            f"Port {port} on {host} is taken by another program. See which one: ss -ltnp 'sport = :{port}' "
            f"(macOS: lsof -i :{port}); it may be a model server already: curl http://{host}:{port}/v1/models. "
            f"Or serve on another port: --port {port + 1}"
        )
    if error.errno == errno.EACCES:
        return ServeError(f"Port {port} may not be opened by this user; take one above 1023: --port 8000")
    return ServeError(f"Cannot listen on {host} port {port}: {error.strerror or error}.")


def url_of(sock: socket.socket) -> str:
    """The base URL at which a bound socket is reached from this machine."""
    host, port = sock.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
