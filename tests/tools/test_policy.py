"""Which tools are there."""

import pytest

from garra.tools.policy import offered

ALL = ("read", "write", "edit", "exec", "jobs")


def test_without_any_policy_all_tools_are_there() -> None:
    assert offered(ALL) == set(ALL)


def test_deny_wins_over_allow() -> None:
    assert offered(ALL, allow=["read", "write"], deny=["WRITE"]) == {"read"}


def test_names_compare_without_case_and_with_globs() -> None:
    assert offered(ALL, allow=["E*"]) == {"edit", "exec"}


def test_groups_stand_for_their_tools() -> None:
    assert offered(ALL, deny=["group:fs"]) == {"exec", "jobs"}
    assert offered(ALL, allow=["group:fs"]) == {"read", "write", "edit"}


@pytest.mark.parametrize("profile", ["minimal", "messaging"])
def test_profiles_without_files_and_commands_have_none_of_ours(profile: str) -> None:
    assert offered(ALL, profile=profile) == frozenset()


def test_also_allow_adds_to_a_profile() -> None:
    assert offered(ALL, profile="minimal", also_allow=["read"]) == {"read"}


def test_the_names_that_openclaw_uses_mean_our_tools() -> None:
    assert offered(ALL, deny=["process", "bash", "apply_patch", "web_search"]) == {"read", "write", "edit"}
