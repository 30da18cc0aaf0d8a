"""Where a provider's key comes from, and where it may go."""

from collections.abc import Callable
from typing import Any

import pytest

from garra.config.load import Configuration
from garra.errors import ConfigError, MissingVariable
from garra.models.auth import Key, key_variable
from garra.models.profiles import Profiles
from garra.models.providers import find_access

Configure = Callable[..., Configuration]
URL = "http://127.0.0.1:8000/v1"


def provider(**settings: Any) -> dict[str, Any]:
    return {"models": {"providers": {"vllm": {"baseUrl": URL, **settings}}}}


def key_of(configuration: Configuration, profiles: Profiles | None = None, **options: Any) -> Key | None:
    return find_access("vllm", configuration, profiles or Profiles(), **options).key


def test_a_stored_profile_goes_before_the_environment_and_that_before_the_configuration(configure: Configure) -> None:
    configuration = configure(provider(apiKey="from-config"), VLLM_API_KEY="from-env")
    stored = Profiles().with_key("vllm:default", "from-profile")

    assert key_of(configuration, stored) == Key("auth profile vllm:default", "from-profile")
    assert key_of(configuration) == Key("environment variable VLLM_API_KEY", "from-env")
    assert key_of(configure(provider(apiKey="from-config"))) == Key("models.providers.vllm.apiKey", "from-config")
    assert key_of(configure(provider())) is None


@pytest.mark.parametrize(
    "api_key", ["${OTHER_KEY}", "$OTHER_KEY", {"source": "env", "provider": "default", "id": "OTHER_KEY"}]
)
def test_every_form_of_a_variable_is_filled_in(configure: Configure, api_key: Any) -> None:
    key = key_of(configure(provider(apiKey=api_key), OTHER_KEY="sekret"))

    assert key is not None
    assert key.value == "sekret"


@pytest.mark.parametrize(
    "api_key", ["${NOPE_KEY}", "$NOPE_KEY", {"source": "env", "provider": "default", "id": "NOPE_KEY"}]
)
def test_a_variable_without_a_value_is_an_error_that_names_it_and_its_key(configure: Configure, api_key: Any) -> None:
    with pytest.raises(MissingVariable, match=r"models\.providers\.vllm\.apiKey.*NOPE_KEY"):
        key_of(configure(provider(apiKey=api_key)))


def test_a_missing_variable_does_not_matter_where_its_key_is_not_used(configure: Configure) -> None:
    stored = Profiles().with_key("vllm:default", "from-profile")

    key = key_of(configure(provider(apiKey="${NOPE_KEY}")), stored)

    assert key is not None
    assert key.value == "from-profile"


def test_the_name_of_a_key_variable_alone_stands_for_its_value_and_is_never_sent(configure: Configure) -> None:
    assert key_of(configure(provider(apiKey="BOX_API_KEY"), BOX_API_KEY="sekret")) == Key(
        "models.providers.vllm.apiKey (environment variable BOX_API_KEY)", "sekret"
    )
    with pytest.raises(MissingVariable, match="BOX_API_KEY"):
        key_of(configure(provider(apiKey="BOX_API_KEY")))


@pytest.mark.parametrize("marker", ["custom-local", "ollama-local"])
def test_a_marker_that_no_key_is_wanted_is_not_sent(configure: Configure, marker: str) -> None:
    assert find_access("vllm", configure(provider(apiKey=marker)), Profiles()).endpoint.api_key is None


def test_the_documented_dummy_is_sent_since_a_server_may_want_just_that(configure: Configure) -> None:
    key = key_of(configure(provider(), VLLM_API_KEY="vllm-local"))

    assert key is not None
    assert key.value == "vllm-local"


def test_a_variable_of_spaces_counts_as_not_set(configure: Configure) -> None:
    assert key_of(configure(provider(), VLLM_API_KEY="  ")) is None


def test_the_configured_order_of_profiles_is_honoured(configure: Configure) -> None:
    stored = Profiles().with_key("vllm:default", "d").with_key("vllm:work", "w")
    data = provider() | {"auth": {"order": {"vllm": ["vllm:gone", "vllm:work"]}}}

    key = key_of(configure(data), stored)

    assert key is not None
    assert key.value == "w"


def test_a_pinned_profile_goes_before_all_and_one_that_is_not_there_is_refused(configure: Configure) -> None:
    stored = Profiles().with_key("vllm:default", "d").with_key("vllm:work", "w")

    key = key_of(configure(provider()), stored, pinned="vllm:work")
    assert key is not None
    assert key.value == "w"
    with pytest.raises(ConfigError, match=r"vllm:gone .*vllm:default, vllm:work.*garra auth set vllm:gone"):
        key_of(configure(provider()), stored, pinned="vllm:gone")


def test_the_variable_of_a_provider_is_its_name_in_capitals() -> None:
    assert key_variable("vllm") == "VLLM_API_KEY"
    assert key_variable("my-box.2") == "MY_BOX_2_API_KEY"


def test_no_key_is_in_the_repr_of_what_holds_it(configure: Configure) -> None:
    access = find_access("vllm", configure(provider(apiKey="sekret", headers={"X-Token": "t0ken"})), Profiles())

    assert "sekret" not in repr(access)
    assert "t0ken" not in repr(access)


def test_headers_of_ones_own_replace_the_bearer(configure: Configure) -> None:
    access = find_access("vllm", configure(provider(apiKey="k", headers={"authorization": "Token abc"})), Profiles())

    sent = {name.lower(): value for name, value in access.endpoint.request_headers().items()}
    assert sent["authorization"] == "Token abc"


def test_a_key_can_be_sent_under_another_header(configure: Configure) -> None:
    auth = {"mode": "header", "headerName": "X-Key", "value": "$BOX_KEY", "prefix": "Key "}

    access = find_access("vllm", configure(provider(request={"auth": auth}), BOX_KEY="sekret"), Profiles())

    assert access.endpoint.request_headers()["X-Key"] == "Key sekret"
    assert "authorization" not in access.endpoint.request_headers()


def test_the_login_of_a_base_url_is_sent_as_a_header_and_not_shown(configure: Configure) -> None:
    data = {"models": {"providers": {"vllm": {"baseUrl": "http://me:pass@127.0.0.1:8000/v1/"}}}}

    endpoint = find_access("vllm", configure(data), Profiles()).endpoint

    assert endpoint.base_url == URL
    assert endpoint.request_headers()["Authorization"] == "Basic bWU6cGFzcw=="


def test_secrets_from_a_source_that_cannot_be_read_are_refused_by_key(configure: Configure) -> None:
    ref = {"source": "exec", "provider": "default", "id": "vault"}

    with pytest.raises(ConfigError, match=r"models\.providers\.vllm\.apiKey"):
        key_of(configure(provider(apiKey=ref)))
