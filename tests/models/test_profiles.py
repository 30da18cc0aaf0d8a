"""The store of keys: its file, its names, its care."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from garra.errors import ConfigError, UsageFault
from garra.models.profiles import Profiles, change_profiles, clean_key, load_profiles, profile_id


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "auth.json"


def test_a_stored_key_is_read_back(file: Path) -> None:
    Profiles().with_key("vllm:default", "sekret").save(file)

    assert load_profiles(file).key("vllm:default") == "sekret"


def test_the_file_has_the_documented_form(file: Path) -> None:
    Profiles().with_key("vllm:default", "sekret").save(file)

    assert json.loads(file.read_text()) == {
        "version": 1,
        "profiles": {"vllm:default": {"type": "api_key", "provider": "vllm", "key": "sekret"}},
    }


def test_only_the_owner_can_read_the_file_even_where_others_could(file: Path) -> None:
    file.parent.mkdir(mode=0o755)
    file.write_text('{"version": 1, "profiles": {}}')
    file.chmod(0o644)

    load_profiles(file).with_key("vllm:default", "sekret").save(file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_profiles_of_kinds_that_are_not_ours_survive_a_change(file: Path) -> None:
    file.parent.mkdir()
    oauth = {"type": "oauth", "provider": "cloud", "access": "a", "refresh": "r", "expires": 1}
    file.write_text(json.dumps({"version": 1, "profiles": {"cloud:me": oauth}}))

    load_profiles(file).with_key("vllm:default", "k").without("vllm:none").save(file)

    assert json.loads(file.read_text())["profiles"]["cloud:me"] == oauth
    assert load_profiles(file).of("cloud") == ()


def test_a_damaged_file_is_an_error_that_names_it_and_is_not_touched(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("{not json")

    with pytest.raises(ConfigError, match=str(file)):
        load_profiles(file)

    assert file.read_text() == "{not json"


def test_the_default_profile_comes_first_and_the_others_by_name() -> None:
    profiles = Profiles()
    for name in ("vllm:work", "vllm:default", "vllm:home", "other:default"):
        profiles = profiles.with_key(name, "k")

    assert profiles.of("vllm") == ("vllm:default", "vllm:home", "vllm:work")


def test_a_removed_profile_is_gone() -> None:
    assert Profiles().with_key("vllm:default", "k").without("vllm:default").key("vllm:default") is None


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [("VLLM", None, "vllm:default"), ("vllm", "work", "vllm:work"), ("my-box:Work", None, "my-box:Work")],
)
def test_a_profile_is_named_by_its_provider_and_a_name(text: str, name: str | None, expected: str) -> None:
    assert profile_id(text, name) == expected


@pytest.mark.parametrize(("text", "name"), [("vllm/model", None), ("", None), ("vllm:a", "b"), ("vllm", "a b")])
def test_what_is_no_profile_is_wrong_usage(text: str, name: str | None) -> None:
    with pytest.raises(UsageFault):
        profile_id(text, name)


def test_the_space_around_a_key_is_dropped() -> None:
    assert clean_key("  sekret\n") == "sekret"


@pytest.mark.parametrize("text", ["", " \n", "two words", "line\nbreak", "clé"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(UsageFault) as caught:
        clean_key(text)

    assert not text.strip() or text.strip() not in str(caught.value)


def test_keys_that_are_stored_at_the_same_time_are_all_kept(file: Path) -> None:
    names = [f"vllm:key{number}" for number in range(40)]

    def keep(name: str) -> None:
        change_profiles(file, lambda stored: stored.with_key(name, "k"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(keep, names))

    assert set(load_profiles(file).of("vllm")) == set(names)
