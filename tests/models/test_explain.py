"""The words that mend: made for where the key came from, without saying anything twice."""

import pytest

from garra.errors import AuthRejected, GarraError, ModelNotFound, ModelUnreachable, ServerSilent
from garra.models.catalogue import Listing, Served
from garra.models.explain import age, explain_error, not_served
from garra.models.refs import ModelRef
from garra.wire.request import Endpoint

ENDPOINT = Endpoint("http://127.0.0.1:8000/v1", provider="vllm")
REF = ModelRef("vllm", "Qwen/Qwen3-8B")


def explained(error: GarraError, *, key_source: str | None = None, served: tuple[str, ...] = ()) -> str:
    listing = Listing(0.0, tuple(Served(model_id) for model_id in served))
    return str(explain_error(error, ENDPOINT, ref=REF, listing=listing, key_source=key_source))


@pytest.mark.parametrize(
    ("source", "mend"),
    [
        ("auth profile vllm:work", "garra auth set vllm:work"),
        ("environment variable VLLM_API_KEY", "export VLLM_API_KEY="),
        ("models.providers.vllm.apiKey", "garra auth set vllm"),
        (None, "garra auth set vllm"),
    ],
)
def test_a_rejected_key_is_mended_where_it_came_from(source: str | None, mend: str) -> None:
    assert mend in explained(AuthRejected("it wants another key"), key_source=source)


def test_what_the_error_says_already_is_not_said_again() -> None:
    said = "The model does not exist. It serves: a. Choose one with: garra models set vllm/a"

    found = explained(ModelNotFound(said, ["a"]), served=("a",))

    assert found == f"{said}\nThe model asked for was vllm/Qwen/Qwen3-8B."


def test_the_nearest_of_the_served_ids_is_the_one_to_set() -> None:
    error = not_served(REF, ENDPOINT, ("llama", "Qwen/Qwen3-4B"))

    assert error.served == ("llama", "Qwen/Qwen3-4B")
    assert "garra models set vllm/Qwen/Qwen3-4B" in str(error)


def test_a_server_that_serves_nothing_is_told_with_the_command_that_shows_it() -> None:
    assert "curl http://127.0.0.1:8000/v1/models" in str(not_served(REF, ENDPOINT, ()))


@pytest.mark.parametrize(
    ("seconds", "words"), [(-3, "0 s"), (4.4, "4 s"), (59, "59 s"), (600, "10 min"), (7200, "2 h"), (172_800, "2 d")]
)
def test_an_age_is_told_roughly(seconds: float, words: str) -> None:
    assert age(seconds) == words


def test_what_was_explained_before_stays_as_it_is_though_time_went_by() -> None:
    once = ModelUnreachable(explained(ModelUnreachable("No connection"), served=("a",)))

    assert explained(once, served=("a", "b")) == str(once)
    assert "it served: a." in str(once)


def test_an_error_that_is_explained_still_says_why_the_server_was_not_reached() -> None:
    error = explain_error(ModelUnreachable("gone", why="refused"), ENDPOINT, ref=REF, listing=None, key_source=None)

    assert isinstance(error, ModelUnreachable)
    assert error.why == "refused"


@pytest.mark.parametrize(
    ("replicas", "mend"),
    [
        ((), "garra config set models.providers.vllm.baseUrl http://HOST:PORT/v1"),
        (
            ("http://10.0.0.7/v1", "http://10.0.0.8/v1"),
            "garra config set models.providers.vllm.baseUrls '[\"http://HOST:PORT/v1\"]'",
        ),
    ],
)
def test_another_address_is_set_where_the_address_came_from(replicas: tuple[str, ...], mend: str) -> None:
    error = explain_error(
        ModelUnreachable("No connection"), ENDPOINT, ref=REF, listing=None, key_source=None, replicas=replicas
    )

    assert str(error).endswith(mend)


def test_a_model_that_is_not_served_can_be_changed_in_the_chat_too() -> None:
    assert "/model vllm/llama" in str(not_served(REF, ENDPOINT, ("llama",)))


def test_a_server_that_is_silent_is_not_started_again_but_waited_for() -> None:
    found = explained(ServerSilent("nothing came for 2 s"), served=("a",))

    assert found.endswith("garra config set models.providers.vllm.timeoutSeconds SECONDS")
    assert "Start a server" not in found
