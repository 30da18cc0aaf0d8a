from pathlib import Path

import pytest

from garra.config.paths import private_folder, replace_file, resolve_paths, write_private
from garra.errors import ConfigError, UsageFault


def test_everything_lies_in_the_hidden_folder_of_the_home_by_default() -> None:
    paths = resolve_paths({"HOME": "/h"})

    assert paths.home == Path("/h/.garra")
    assert paths.config_file == Path("/h/.garra/garra.json")
    assert paths.sessions_db == Path("/h/.garra/sessions.sqlite")
    assert paths.default_workspace == Path("/h/.garra/workspace")
    assert paths.models_cache == Path("/h/.cache/garra")


@pytest.mark.parametrize(
    ("env", "config_file", "profile", "home", "file"),
    [
        ({"GARRA_HOME": "/g"}, None, None, "/g", "/g/garra.json"),
        ({"GARRA_HOME": "~/g"}, None, None, "/h/g", "/h/g/garra.json"),
        ({"GARRA_HOME": ""}, None, None, "/h/.garra", "/h/.garra/garra.json"),
        ({"GARRA_CONFIG": "/c.json"}, None, None, "/h/.garra", "/c.json"),
        ({"GARRA_CONFIG": "/c.json"}, "/flag.json", None, "/h/.garra", "/flag.json"),
        ({}, None, "work", "/h/.garra-work", "/h/.garra-work/garra.json"),
        ({"GARRA_HOME": "/g"}, None, "work", "/g-work", "/g-work/garra.json"),
    ],
)
def test_flags_and_variables_say_where_things_are(
    env: dict[str, str], config_file: str | None, profile: str | None, home: str, file: str
) -> None:
    paths = resolve_paths({"HOME": "/h", **env}, config_file=config_file, profile=profile)

    assert (str(paths.home), str(paths.config_file)) == (home, file)


def test_the_cache_of_weights_follows_its_own_variable_then_the_shared_one() -> None:
    assert resolve_paths({"HOME": "/h", "XDG_CACHE_HOME": "/x"}).models_cache == Path("/x/garra")
    assert resolve_paths({"HOME": "/h", "XDG_CACHE_HOME": "/x", "GARRA_CACHE": "/y"}).models_cache == Path("/y")


@pytest.mark.parametrize("profile", ["../x", "a/b", "", "-x", "a b"])
def test_a_profile_cannot_lead_elsewhere(profile: str) -> None:
    with pytest.raises(UsageFault, match="letters"):
        resolve_paths({"HOME": "/h"}, profile=profile)


def test_a_private_file_and_its_folder_are_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    file = folder / "x.json"
    file.write_text("old")
    file.chmod(0o644)

    write_private(file, b"new")

    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_replacing_a_file_leaves_no_other_file_and_the_folder_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)

    replace_file(folder / "x", b"1")

    assert [path.name for path in folder.iterdir()] == ["x"]
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="file/below"):
        private_folder(tmp_path / "file" / "below")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gone/x"):
        replace_file(tmp_path / "gone" / "x", b"")


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    kept, link = tmp_path / "dotfiles.json", tmp_path / "garra.json"
    kept.write_text("old")
    link.symlink_to(kept)

    replace_file(link, b"new")

    assert link.is_symlink()
    assert kept.read_bytes() == b"new"
