"""URLs taken apart: what is shown, what counts as this machine, which proxy is meant."""

import pytest

from garra.errors import ConfigError
from garra.wire.address import is_loopback, parse_url, proxy_for


def test_a_url_is_shown_without_its_secrets() -> None:
    target = parse_url("https://user:pass@models.example:8443/v1/chat/completions?key=abc")

    assert (target.host, target.port, target.path) == ("models.example", 8443, "/v1/chat/completions?key=abc")
    assert target.credentials == "user:pass"
    assert target.shown == "https://models.example:8443/v1/chat/completions?…"
    assert target.authority == "models.example:8443"


def test_a_path_in_another_alphabet_is_sent_as_ascii() -> None:
    assert parse_url("http://h/modèle?q=é").path == "/mod%C3%A8le?q=%C3%A9"


def test_the_check_asks_for_the_models() -> None:
    assert parse_url("http://127.0.0.1:8000/v1/chat/completions").check == "curl http://127.0.0.1:8000/v1/models"
    assert parse_url("http://127.0.0.1:8000/v1/models").check == "curl http://127.0.0.1:8000/v1/models"


def test_an_ipv6_address_keeps_its_brackets_where_they_belong() -> None:
    target = parse_url("http://[::1]:8000/v1")

    assert (target.host, target.authority, target.shown) == ("::1", "[::1]:8000", "http://[::1]:8000/v1")


@pytest.mark.parametrize("written", ["http://[fe80::1%25eth0]:8000/v1", "http://[fe80::1%eth0]:8000/v1"])
def test_the_zone_of_an_ipv6_address_is_for_this_machine_alone(written: str) -> None:
    target = parse_url(written)

    assert (target.host, target.authority) == ("fe80::1%eth0", "[fe80::1]:8000")
    assert parse_url(target.shown) == target


def test_a_target_is_written_out_without_its_secrets() -> None:
    target = parse_url("https://user:hidden@models.example/v1?key=hidden")

    assert "hidden" not in f"{target!r} {target.__rich_repr__()}"
    assert "models.example" in repr(target)


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8000", "ftp://h/v1", "http://", "http://h:port/", "http://h/a b", "http://h/\r\nx: y", "http://[::1/v1",
     "http://h:99999/", "http://u:secret@/v1", "http://h:0/v1", "http://[v1.a:b]/v1",
     "http://[::zz]/v1", "u:secret@h:8000", "${VLLM_URL}"],
)  # fmt: skip
def test_what_is_no_url_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_url(url)

    assert "secret" not in str(caught.value)
    assert "http://127.0.0.1:8000/v1" in str(caught.value)


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("a.localhost", True),
     ("::ffff:127.0.0.1", True), ("127.evil.example", False), ("10.0.0.1", False), ("0.0.0.0", True), ("::", True),
     ("localhost.", True), ("::ffff:10.0.0.1", False), ("fe80::1%lo", False),
     ("fe80::1", False), ("localhost.example", False)],
)  # fmt: skip
def test_loopback_is_told_by_the_name(host: str, here: bool) -> None:
    assert is_loopback(host) is here


ENV = {
    "http_proxy": "http://proxy.example:3128",
    "HTTPS_PROXY": "secure.example:3129",
    "NO_PROXY": "corp.example, 10.0.0.0/8",
}


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://models.example/v1", "http://proxy.example:3128"),
        ("https://models.example/v1", "http://secure.example:3129"),
        ("http://127.0.0.1:8000/v1", None),
        ("http://localhost:8000/v1", None),
        ("http://[::1]:8000/v1", None),
        ("http://corp.example/v1", None),
        ("http://gpu.corp.example/v1", None),
        ("http://notcorp.example/v1", "http://proxy.example:3128"),
        ("http://10.2.3.4:8000/v1", None),
    ],
)
def test_proxies_come_from_the_environment_but_never_for_this_machine(url: str, proxy: str | None) -> None:
    found = proxy_for(parse_url(url), ENV)

    assert (found.shown if found else None) == proxy


def test_a_proxy_for_all_is_the_last_resort_and_a_star_excepts_everything() -> None:
    target = parse_url("http://models.example/v1")

    assert proxy_for(target, {"ALL_PROXY": "http://p:1"}) == parse_url("http://p:1")
    assert proxy_for(target, {"ALL_PROXY": "http://p:1", "no_proxy": "*"}) is None
    assert proxy_for(target, {}) is None


@pytest.mark.parametrize("proxy", ["socks5://user:hidden@p:1080", "https://user:hidden@p:1"])
def test_a_proxy_that_cannot_be_spoken_to_is_refused_with_the_variable_that_names_it(proxy: str) -> None:
    with pytest.raises(ConfigError, match=r"NO_PROXY \(all_proxy or ALL_PROXY") as caught:
        proxy_for(parse_url("http://models.example/v1"), {"ALL_PROXY": proxy})

    assert "hidden" not in str(caught.value)
