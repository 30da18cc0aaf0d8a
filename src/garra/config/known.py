"""What the schema knows about a key: whether it exists, and its default."""

import types
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from garra.config.check import fields_of, hint
from garra.config.keypath import KeyPath, format_path
from garra.config.schema import Config
from garra.config.section import Section


class Key(msgspec.Struct, frozen=True):
    """A key that the schema allows. `kind` is Any where everything is accepted."""

    kind: Any
    default: Any = None
    used: bool = True


class UnknownKey(Exception):
    """The schema has no such key; the text says which part, and what was meant."""


def known_key(path: KeyPath) -> Key:
    """What the schema says about the path; raises UnknownKey."""
    key = Key(Config)
    for depth, part in enumerate(path):
        step = next((found for kind in _kinds(key.kind) if (found := _step(kind, part))), None)
        if step is None:
            raise UnknownKey(f"{format_path(path[: depth + 1])} is not a key{_near(key.kind, part)}")
        key = Key(step.kind, step.default, step.used and key.used)
    return key


def _kinds(kind: Any) -> list[Any]:
    """The alternatives of a union."""
    if get_origin(kind) is Annotated:
        return _kinds(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return [each for inner in get_args(kind) for each in _kinds(inner)]
    return [kind]


def _step(kind: Any, part: str | int) -> Key | None:
    if kind is Any:
        return Key(Any)
    if isinstance(part, int):
        return Key(get_args(kind)[0]) if get_origin(kind) is tuple else None
    if get_origin(kind) is dict:
        return Key(get_args(kind)[1])
    return _field(kind, part) if isinstance(kind, type) and issubclass(kind, Section) else None


def _field(section: type[Section], name: str) -> Key | None:
    if name in section.unused:
        return Key(Any, used=False)
    field = fields_of(section).get(name)
    if field is None:
        return None
    default = field.default if field.default is not msgspec.NODEFAULT else None
    return Key(field.type, msgspec.to_builtins(default))


def _near(kind: Any, part: str | int) -> str:
    sections = [each for each in _kinds(kind) if isinstance(each, type) and issubclass(each, Section)]
    names = [name for section in sections for name in (*fields_of(section), *section.unused)]
    return hint(part, names) if isinstance(part, str) else ""


def takes_text_only(path: KeyPath, value: Any) -> bool:
    """Whether the key wants a text, and the value, though it reads as something else, must be meant as one."""
    from garra.config.check import fits

    try:
        kinds = _kinds(known_key(path).kind)
    except UnknownKey:
        return False
    return Any not in kinds and any(fits("", kind) for kind in kinds) and not any(fits(value, kind) for kind in kinds)
