import pytest

from garra.errors import ServeError, UsageFault
from garra.serve.api.listening import bind, check_exposed, url_of


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "localhost", "::1"])
def test_this_machine_alone_needs_no_key(host: str) -> None:
    check_exposed(host, ())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_any_other_address_needs_one(host: str) -> None:
    with pytest.raises(UsageFault, match="--api-key"):
        check_exposed(host, ())
    check_exposed(host, ("key",))


def test_an_address_that_is_not_of_this_machine_is_told() -> None:
    with pytest.raises(ServeError, match=r"203\.0\.113\.9"):
        bind("203.0.113.9", 0)


def test_a_server_on_every_address_is_reached_on_the_loopback_one() -> None:
    with bind("0.0.0.0", 0) as sock:
        assert url_of(sock) == f"http://127.0.0.1:{sock.getsockname()[1]}"
