"""For any configuration: it reads as it was written, damage is told, and an edit keeps all else."""

import contextlib
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from garra.config.edit import Set, edit, get_value, same, set_value, unset_value
from garra.config.includes import decode, read_document
from garra.config.keypath import KeyPath
from garra.config.load import load_configuration
from garra.config.paths import Paths
from garra.config.splice import set_in, unset_in
from garra.config.text import parse
from garra.errors import ConfigError

# No deadline: a busy machine is no fault of the code.
LIMITS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SAMPLES = Path(__file__).parent / "samples"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), TEXTS)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=5)
BLANKS = st.sampled_from(["", " ", "\n", "\t", "\r\n", " // note, with: { signs }\n", '/* a\n "b */', "\n  "])


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """A value as someone might write it in JSON5."""
    blank = draw(BLANKS)
    if isinstance(value, dict):
        members = [f"{draw(key(name))}{draw(BLANKS)}:{draw(written(item))}" for name, item in value.items()]
        return f"{blank}{{{draw(joined(members))}{draw(BLANKS)}}}{draw(BLANKS)}"
    if isinstance(value, list):
        return f"{blank}[{draw(joined([draw(written(item)) for item in value]))}{draw(BLANKS)}]{draw(BLANKS)}"
    return f"{blank}{draw(scalar(value))}{draw(BLANKS)}"


@st.composite
def joined(draw: st.DrawFn, parts: list[str]) -> str:
    text = "".join(f"{',' if at else ''}{draw(BLANKS)}{part}" for at, part in enumerate(parts))
    trailing: bool = draw(st.booleans())
    return text + ("," if parts and trailing else "")


@st.composite
def key(draw: st.DrawFn, name: str) -> str:
    if name.isascii() and name.isidentifier() and draw(st.booleans()):
        return name
    return draw(scalar(name))


@st.composite
def scalar(draw: st.DrawFn, value: Any) -> str:
    if isinstance(value, str) and draw(st.booleans()):
        inner = json.dumps(value)[1:-1].replace('\\"', '"').replace("'", "\\'")
        return f"'{inner}'"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0 and draw(st.booleans()):
        return draw(st.sampled_from([hex(value), f"+{value}"]))
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return json.dumps(value, ensure_ascii=draw(st.booleans()))


DOCUMENTS = OBJECTS.flatmap(lambda value: st.tuples(st.just(value), written(value)))


@LIMITS
@given(DOCUMENTS)
def test_any_document_reads_the_same_as_it_was_written(document: tuple[dict[str, Any], str]) -> None:
    value, text = document

    if "$include" not in text:
        assert same(read_document(Path("/none/garra.json"), {}, text).data, value)
    assert parse(text).kind == "object"


@LIMITS
@given(st.text(max_size=40) | st.text("{}[]:,'\"/*\\ \nab1.-+xe$\u2028", max_size=40))
def test_any_text_where_a_value_should_be_is_a_configuration_error_and_so_is_any_edit_of_it(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(Path(folder), Path(folder) / "garra.json", Path(folder))
        paths.config_file.write_text(f"{{\n  wibble: {text}\n}}", encoding="utf-8", newline="")
        before = paths.config_file.read_bytes()

        with pytest.raises(ConfigError):
            load_configuration(paths, {})
        with pytest.raises(ConfigError):
            edit(paths, {}, [Set(("models", "mode"), "replace")])

        assert paths.config_file.read_bytes() == before


def paths_of(value: Any) -> list[KeyPath]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, item in items for path in [(key,), *((key, *below) for below in paths_of(item))]]


@LIMITS
@given(DOCUMENTS, VALUES, st.data())
def test_what_is_set_is_there_and_nothing_else_changed(
    document: tuple[dict[str, Any], str], fresh: Any, data: st.DataObject
) -> None:
    value, text = document
    objects = [(), *(path for path in paths_of(value) if isinstance(get_value(value, path), dict))]
    inside: KeyPath = (*data.draw(st.sampled_from(objects)), data.draw(TEXTS))
    path = data.draw(st.sampled_from([inside, *paths_of(value)]))

    edited = set_in(text, path, fresh)

    assert same(decode(edited, Path("x")), set_value(value, path, fresh))
    assert comments(edited) >= comments_outside(text, path)


@LIMITS
@given(DOCUMENTS, st.data())
def test_what_is_unset_is_gone_and_nothing_else_changed(
    document: tuple[dict[str, Any], str], data: st.DataObject
) -> None:
    value, text = document
    path = data.draw(st.sampled_from([("absent",), *paths_of(value)]))

    edited = unset_in(text, path)

    assert same(decode(edited, Path("x")), unset_value(value, path))


NOTE = " // note, with: { signs }"


def comments(text: str) -> int:
    return text.count(NOTE)


def comments_outside(text: str, path: KeyPath) -> int:
    """How many notes stand outside the value that is replaced."""
    node = parse(text)
    for part in path:
        inner = [item for at, item in enumerate(node.items) if at == part] or [
            member.value for member in node.members if member.key == part
        ]
        if not inner:
            return comments(text)
        node = inner[-1]
    return comments(text[: node.start]) + comments(text[node.end :])


def sample_texts() -> list[str]:
    return [(SAMPLES / name / "openclaw.json").read_text() for name in ("older", "newer")]


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A sample with a few pieces cut out, doubled, moved or overwritten."""
    text = draw(st.sampled_from(sample_texts()))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        piece = draw(
            st.sampled_from(["", "{", "}", "[", "]", ",", ":", '"', "'", "\\", "5", "null", "/*", "\0", "${A}"])
        )
        text = text[:start] + draw(st.sampled_from([piece, text[start:end] * 2, piece + text[start:end]])) + text[end:]
    return text


@LIMITS
@given(damaged())
def test_a_damaged_file_is_still_valid_or_a_configuration_error(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name in ("base.json5", "lab.json5"):
            (home / name).write_text((SAMPLES / "newer" / name).read_text())
        (home / "garra.json").write_text(text, encoding="utf-8")
        with contextlib.suppress(ConfigError):
            assert load_configuration(Paths(home, home / "garra.json", home), {}).exists


SCHEMA_WORDS = st.sampled_from(
    "agents defaults entries list main model models primary params providers vllm baseUrl apiKey api headers tools "
    "exec mode security ask allow alsoAllow session env vars auth order profiles id compat $include".split()
)
NEARLY = st.recursive(
    st.one_of(SCALARS, SCHEMA_WORDS, st.just("${A}"), st.just("openai")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCHEMA_WORDS, inner, max_size=4),
    max_leaves=25,
)


@LIMITS
@given(st.dictionaries(SCHEMA_WORDS, NEARLY, max_size=5))
def test_any_data_with_known_words_is_valid_or_a_configuration_error(data: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "garra.json").write_text(json.dumps(data), encoding="utf-8")
        with contextlib.suppress(ConfigError):
            assert load_configuration(Paths(home, home / "garra.json", home), {"A": "a"}).exists
