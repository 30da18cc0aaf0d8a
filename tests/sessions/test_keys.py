"""Which names `--session` takes, and which keys they stand for."""

import pytest

from garra.errors import UsageFault
from garra.sessions.keys import agent_of, explicit_key, main_key, normalise_key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("main", "agent:main:main"),
        ("work", "agent:main:explicit:work"),
        ("  two words ", "agent:main:explicit:two words"),
        ("Überblick", "agent:main:explicit:Überblick"),
        ("agent:main:main", "agent:main:main"),
        ("agent:ops:telegram:group:-100:topic:7", "agent:ops:telegram:group:-100:topic:7"),
        ("cron:nightly", "cron:nightly"),
        ("hook:7f3", "hook:7f3"),
    ],
)
def test_a_full_key_stays_and_a_short_name_becomes_an_explicit_session(text: str, key: str) -> None:
    assert normalise_key(text) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "a\nb",
        "tab\there",
        "\x1b[31m",
        "half\ud800",
        "n" * 513,
        "agnt:main:main",
        "agent:main",
        "agent::main",
        "cron:",
        ":",
    ],
)
def test_what_is_no_key_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageFault, match=r"is no session key.*(work|agent:main:main)") as refused:
        normalise_key(text)

    assert refused.value.exit_code == 2
    assert len(str(refused.value)) < 400


def test_keys_of_an_agent_name_it() -> None:
    assert main_key() == "agent:main:main"
    assert main_key("ops") == "agent:ops:main"
    assert explicit_key("x", "ops") == "agent:ops:explicit:x"
    assert agent_of("agent:ops:explicit:x") == "ops"
    assert agent_of("cron:nightly") == "main"
