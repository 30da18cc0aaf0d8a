import os
from pathlib import Path

import pytest

from garra.config.includes import read_document
from garra.errors import ConfigError


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.json5").write_text(text)
    return folder / "main.json5"


def test_an_included_object_takes_the_place_of_the_one_that_names_it(tmp_path: Path) -> None:
    file = write(tmp_path, main="{a: {$include: './x.json5'}, b: 1}", x="{c: [2]}")

    assert read_document(file, {}).data == {"a": {"c": [2]}, "b": 1}


def test_of_several_the_later_wins_and_siblings_win_over_all(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        main="{$include: ['a.json5', 'b.json5'], three: 'sibling', deep: {z: 's'}}",
        a="{one: 'a', two: 'a', three: 'a', deep: {x: 'a', y: 'a'}, list: [1]}",
        b="{two: 'b', three: 'b', deep: {y: 'b', z: 'b'}, list: [2]}",
    )

    assert read_document(file, {}).data == {
        "one": "a",
        "two": "b",
        "three": "sibling",
        "deep": {"x": "a", "y": "b", "z": "s"},
        "list": [1, 2],
    }


def test_an_include_is_relative_to_the_file_that_holds_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "in.json5").write_text("{$include: 'deeper.json5'}")
    (tmp_path / "sub" / "deeper.json5").write_text("{x: 1}")

    assert read_document(write(tmp_path, main="{$include: 'sub/in.json5'}"), {}).data == {"x": 1}


@pytest.mark.parametrize("variable", ["GARRA_INCLUDE_ROOTS", "OPENCLAW_INCLUDE_ROOTS"])
def test_an_include_outside_the_folder_is_refused_unless_its_root_is_named(tmp_path: Path, variable: str) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "x.json5").write_text("{x: 1}")
    file = write(tmp_path / "home", main="{$include: '../else/x.json5'}")

    with pytest.raises(ConfigError, match=r"main\.json5.*else/x\.json5.*GARRA_INCLUDE_ROOTS"):
        read_document(file, {})

    assert read_document(file, {variable: f"/nowhere{os.pathsep}{tmp_path / 'else'}"}).data == {"x": 1}


def test_a_link_does_not_lead_outside(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "secret.json5").write_text("{x: 1}")
    (tmp_path / "home" / "link.json5").symlink_to(tmp_path / "secret.json5")

    with pytest.raises(ConfigError, match="lies outside"):
        read_document(write(tmp_path / "home", main="{$include: 'link.json5'}"), {})


def test_a_circle_is_named(tmp_path: Path) -> None:
    file = write(tmp_path, main="{$include: 'a.json5'}", a="{b: {$include: 'main.json5'}}")

    with pytest.raises(ConfigError, match="circle"):
        read_document(file, {})


def test_ten_levels_are_read_and_eleven_are_not(tmp_path: Path) -> None:
    levels = {f"l{at}": f"{{$include: 'l{at + 1}.json5'}}" for at in range(2, 11)}
    file = write(tmp_path, main="{$include: 'l2.json5'}", **levels, l11="{x: 1}")

    assert read_document(file, {}).data == {"x": 1}

    write(tmp_path, l11="{$include: 'l12.json5'}", l12="{x: 1}")
    with pytest.raises(ConfigError, match="10 levels"):
        read_document(file, {})


@pytest.mark.parametrize(
    ("include", "said"),
    [
        ("'gone.json5'", "does not exist"),
        ("5", "must be a path"),
        ("''", "must be a path"),
        ("['ok.json5', null]", "must be a path"),
        ("'a\\u0000b'", "must be a path"),
        ("'broken.json5'", "broken.json5 is not valid JSON5"),
        ("'big.json5'", "larger than 2 MB"),
        ("['list.json5', 'ok.json5']", "must be an object"),
    ],
)
def test_a_bad_include_names_the_file(tmp_path: Path, include: str, said: str) -> None:
    file = write(tmp_path, main=f"{{a: {{$include: {include}}}}}", ok="{}", broken="{", list="[1]")
    (tmp_path / "big.json5").write_text(" " * (2 * 1024 * 1024) + "{}")

    with pytest.raises(ConfigError, match=said):
        read_document(file, {})


@pytest.mark.parametrize("text", ["[]", "5", "null", "'x'"])
def test_a_configuration_is_an_object(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="must be an object"):
        read_document(write(tmp_path, main=text), {})


def test_a_folder_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a file"):
        read_document(tmp_path, {})

    (tmp_path / "main.json5").write_bytes(b"{a: '\xff'}")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_document(tmp_path / "main.json5", {})


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("{\n  a: 1\n  b: 2\n}", "main.json5:3:3", "expected ',' or '}', found 'b'"),
        ("{\n  a 1\n}", "main.json5:2:5", "expected ':' after the key"),
        ('{a: "x\n}', "main.json5:1:5", "never closed"),
        ("{a: [1, 2}", "main.json5:1:10", "expected ',' or ']', found '}'"),
        ("{a: hello}", "main.json5:1:5", "a text needs quotes"),
        ("{a: 1", "main.json5:1:6", "the file ends here"),
        ("{a: 1} x", "main.json5:1:8", "expected the end of the file"),
        ("{a: 1 /* x }", "main.json5:1:7", "never closed"),
        ("", "main.json5:1:1", "expected a value"),
    ],
)
def test_broken_json5_is_told_with_line_column_and_what_was_expected(
    tmp_path: Path, text: str, place: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_document(write(tmp_path, main=text), {})

    assert place in caught.value.issues[0]
    assert expected in caught.value.issues[0]
