"""The fixed prefix of a session."""

import time
from pathlib import Path

import pytest

from garra.agent.prompt import Limits, build_prompt, cut, stamped
from garra.sessions.entries import written_text


def test_a_new_workspace_gives_a_prompt_with_its_own_path_and_no_files(tmp_path: Path) -> None:
    prompt = build_prompt(tmp_path, Limits())

    assert str(tmp_path) in prompt.text
    assert "#" not in prompt.text
    assert prompt.notices == ()


def test_files_in_chinese_are_cut_to_their_share_of_the_window_in_tokens(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("请记住这一行。" * 3_000)
    (tmp_path / "SOUL.md").write_text("请记住这一行。" * 3_000)

    kept = build_prompt(tmp_path, Limits().within(8_192)).text.count("请")

    assert 50 < kept * 7 < 8_192 // 4  # a character may be a token, or more


def test_the_workspace_files_come_in_their_documented_order(tmp_path: Path) -> None:
    for name in ("MEMORY.md", "USER.md", "AGENTS.md", "SOUL.md", "IDENTITY.md", "NOTES.md"):
        (tmp_path / name).write_text(f"text of {name}")

    text = build_prompt(tmp_path, Limits()).text

    places = [text.index(f"# {name}\ntext of {name}") for name in ("AGENTS.md", "SOUL.md", "IDENTITY.md", "USER.md")]
    assert places == sorted(places)
    assert text.index("text of USER.md") < text.index("text of MEMORY.md")
    assert "NOTES.md" not in text


def test_the_prompt_does_not_depend_on_the_moment(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("Be kind.")

    first = build_prompt(tmp_path, Limits())
    time.sleep(0.01)

    assert build_prompt(tmp_path, Limits()) == first


def test_a_file_over_its_limit_is_cut_with_a_notice_in_the_prompt_and_one_for_the_person(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("a" * 900 + "THE END")

    prompt = build_prompt(tmp_path, Limits(file_chars=100, total_chars=1000))

    assert "characters of AGENTS.md left out" in prompt.text
    assert "THE END" in prompt.text
    assert prompt.notices == ("AGENTS.md: 100 of 907 characters are in the prompt",)


def test_all_files_together_stay_within_the_total(tmp_path: Path) -> None:
    for name in ("AGENTS.md", "SOUL.md", "IDENTITY.md", "MEMORY.md"):
        (tmp_path / name).write_text(name[0] * 5000)
    bare = len(build_prompt(tmp_path / "empty", Limits()).text)

    prompt = build_prompt(tmp_path, Limits(file_chars=20_000, total_chars=4_000))

    assert len(prompt.text) - bare < 4_000 + 4 * 80  # the notes on what is missing come on top
    assert len(prompt.notices) == 4


def test_a_small_file_leaves_its_share_to_a_large_one(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("short")
    (tmp_path / "MEMORY.md").write_text("m" * 900)

    prompt = build_prompt(tmp_path, Limits(file_chars=20_000, total_chars=1_000))

    assert prompt.notices == ()


@pytest.mark.parametrize(("window", "total"), [(None, 60_000), (8_192, 6_144), (4_096, 3_072), (1_000_000, 60_000)])
def test_a_small_window_lowers_the_limits(window: int | None, total: int) -> None:
    assert Limits().within(window).total_chars == total


def test_user_md_is_capped_at_4000_characters(tmp_path: Path) -> None:
    (tmp_path / "USER.md").write_text("u" * 4_500)

    assert build_prompt(tmp_path, Limits()).notices == ("USER.md: 4,000 of 4,500 characters are in the prompt",)


def test_a_cut_keeps_head_and_tail_and_says_how_much_is_gone() -> None:
    assert cut("abcdefghij", 5, "X.md") == "abcd\n[… 5 characters of X.md left out …]\nj"


def test_a_message_is_stamped_with_its_time_and_the_stamp_comes_off_again() -> None:
    sent = stamped("[hello] there", 1_795_358_806)

    assert sent.endswith("] [hello] there")
    assert "2026-11-2" in sent
    assert written_text(sent) == "[hello] there"
    assert written_text("[hello] there") == "[hello] there"


def test_a_file_that_cannot_be_read_is_told_to_the_person_and_the_rest_stays_whole(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").symlink_to("AGENTS.md")
    (tmp_path / "SOUL.md").mkdir()
    (tmp_path / "USER.md").write_text("Likes tea.")

    prompt = build_prompt(tmp_path, Limits())

    loop, folder = prompt.notices
    assert loop.startswith(f"{tmp_path / 'AGENTS.md'} cannot be read (")
    assert folder == f"{tmp_path / 'SOUL.md'} cannot be read (Is a directory); the prompt goes without it"
    assert "Likes tea." in prompt.text
    assert "cut" not in prompt.text
