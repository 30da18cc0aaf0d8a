"""Where a request goes: a URL taken apart, how it may be shown, and which proxy stands before it.

Holds no connection and sends nothing. What is shown never holds the user name, the password or the query of the URL,
since keys are kept in all three.
"""

import base64
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

import msgspec

from garra.errors import ConfigError

_PORTS = {"http": 80, "https": 443}
_URL_MARKS = "/%:@!$&'()*+,;=?~"


class Target(msgspec.Struct, frozen=True):
    """One URL. `path` is what goes into the request line; `shown` is what may go into a message."""

    scheme: str
    host: str
    port: int
    path: str
    shown: str
    credentials: str = ""

    @property
    def secure(self) -> bool:
        return self.scheme == "https"

    def __repr__(self) -> str:
        """Without the credentials and the query, since values end up in logs and test reports."""
        return f"Target({self.shown})"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("shown", self.shown)]

    @property
    def authority(self) -> str:
        """Host and port as the Host header wants them: without the zone of an IPv6 address."""
        host = f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_address(self) -> bool:
        """Whether the host is an address already, and no name to look up."""
        return ":" in self.host or self.host.replace(".", "").isdigit()

    @property
    def loopback(self) -> bool:
        return is_loopback(self.host)

    @property
    def check(self) -> str:
        """The command with which a person can see for themselves whether somebody answers there."""
        place = self.shown.removesuffix("?…")
        for route in ("/chat/completions", "/completions"):
            if place.endswith(route):
                return f"curl {place.removesuffix(route)}/models"
        return f"curl {place}"


def parse_url(url: str) -> Target:
    """Take a URL apart. Raises ConfigError for what is no http or https URL, without echoing its credentials."""
    try:
        parts = urlsplit(url.strip())
        host, port = _host(parts.hostname or ""), parts.port
    except ValueError:
        raise ConfigError(f"This is no URL: {_unreadable(url)}. Write it like http://127.0.0.1:8000/v1") from None
    if parts.scheme not in _PORTS or not host or port == 0 or _unsafe(url.strip()):
        raise ConfigError(f"This is no http or https URL: {_unreadable(url)}. Write it like http://127.0.0.1:8000/v1")
    ascii_host = _ascii(host)
    shown_host = f"[{ascii_host.replace('%', '%25')}]" if ":" in ascii_host else ascii_host
    place = f"{parts.scheme}://{shown_host}{'' if port is None else f':{port}'}{parts.path}"
    path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_URL_MARKS)
    shown = place + ("?…" if parts.query else "")
    secret = "" if parts.username is None else f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Target(parts.scheme, ascii_host, port or _PORTS[parts.scheme], path, shown, secret)


def basic(credentials: str) -> str:
    """The header value for a user name and password."""
    return "Basic " + base64.b64encode(credentials.encode()).decode()


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name alone: nothing is looked up.

    The address of no host counts too: vLLM prints it as its own, so people copy it, and a connection to it comes here.
    """
    name = host.removesuffix(".")
    if name == "localhost" or name.endswith(".localhost") or name == "0.0.0.0":
        return True
    if ":" in host:
        from ipaddress import IPv6Address

        address = IPv6Address(host.partition("%")[0])
        here = address.ipv4_mapped or address
        return here.is_loopback or here.is_unspecified
    return host.startswith("127.") and host.replace(".", "").isdigit()


def proxy_for(target: Target, env: Mapping[str, str]) -> Target | None:
    """The proxy that the environment names for this target; never one for this machine itself."""
    if target.loopback:
        return None
    names = (f"{target.scheme}_proxy", "all_proxy")
    name = next((name for name in names if _setting(env, name)), None)
    if name is None or _excepted(target.host, _setting(env, "no_proxy")):
        return None
    return _proxy(_setting(env, name), name)


def _proxy(url: str, name: str) -> Target:
    mend = f"Name an http:// proxy there, or put the server's host into NO_PROXY ({name} or {name.upper()} is set)."
    try:
        proxy = parse_url(url if "://" in url else f"http://{url}")
    except ConfigError as error:
        raise ConfigError(f"The proxy that the environment names cannot be used. {error}. {mend}") from None
    if proxy.secure:
        raise ConfigError(f"The proxy {proxy.shown} wants TLS to itself, which is not supported. {mend}")
    return proxy


def _setting(env: Mapping[str, str], name: str) -> str:
    return (env.get(name) or env.get(name.upper()) or "").strip()


def _excepted(host: str, exceptions: str) -> bool:
    entries = [entry.strip().lower() for entry in exceptions.split(",") if entry.strip()]
    return any(entry == "*" or _covers(entry, host) for entry in entries)


def _covers(entry: str, host: str) -> bool:
    """Whether one entry of NO_PROXY means this host: a name, a parent domain, an address or a range of them."""
    import ipaddress

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        name = entry.removeprefix("*").removeprefix(".").partition(":")[0]
        return bool(name) and (host == name or host.endswith(f".{name}"))


def _host(name: str) -> str:
    """The host as the system takes it. Raises ValueError for brackets around something that is no IPv6 address."""
    host = name.replace("%25", "%")
    if ":" in host:
        from ipaddress import IPv6Address

        IPv6Address(host.partition("%")[0])
    return host


def _ascii(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        raise ConfigError(f"This is no host name: {host}") from None


def _unsafe(text: str) -> bool:
    return (not text.isascii() and not text.isprintable()) or any(ord(char) <= 32 or ord(char) == 127 for char in text)


def _unreadable(url: str) -> str:
    """A URL that cannot be taken apart, without whatever stands before an @ or after a question mark."""
    scheme, mark, rest = url.partition("://")
    tail = (rest if mark else scheme).rpartition("@")[2].partition("?")[0]
    return repr(f"{scheme}://{tail}" if mark else tail)
