"""Holds data against the schema and collects every fault, not only the first.

What comes back is clean: keys that are not used yet are taken out and listed, whole numbers are whole. A rejected
value is only repeated where one of a few words, or a number in a range, was wanted: anything else could be a secret.
"""

import math
import types
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from garra.config.keypath import KeyPath
from garra.config.secrets import is_secret
from garra.config.section import Section

_WORDS = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", type(None): "null"}


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong, and where."""

    path: KeyPath
    message: str


@cache
def fields_of(section: type[msgspec.Struct]) -> dict[str, FieldInfo]:
    """The section's fields by the name they have in the file."""
    return {field.encode_name: field for field in msgspec.structs.fields(section)}


class Checker:
    """One walk over one configuration."""

    def __init__(self, unresolved: dict[KeyPath, str]) -> None:
        self.unresolved = unresolved
        self.faults: list[Fault] = []
        self.unused: list[KeyPath] = []

    def clean(self, value: Any, kind: Any, path: KeyPath) -> Any:
        """The value as the schema wants it."""
        if get_origin(kind) is Annotated:
            kind, *meta = get_args(kind)
            value = self.clean(value, kind, path)
            self._limits(value, meta, path)
            return value
        if get_origin(kind) in (Union, types.UnionType):
            return self._one_of(value, get_args(kind), path)
        if get_origin(kind) is Literal:
            return self._choice(value, get_args(kind), path)
        return self._plain(value, kind, path)

    def _plain(self, value: Any, kind: Any, path: KeyPath) -> Any:
        if kind is Any:
            return value
        if not fits(value, kind):
            self.fault(path, f"must be {words(kind)}, not {_kind_of(value)}")
            return value
        if isinstance(kind, type) and issubclass(kind, Section):
            return self._section(value, kind, path)
        return self._inside(value, kind, path)

    def _inside(self, value: Any, kind: Any, path: KeyPath) -> Any:
        arguments = get_args(kind)
        if get_origin(kind) is dict:
            return {key: self.clean(item, arguments[1], (*path, key)) for key, item in value.items()}
        if get_origin(kind) is tuple:
            return [self.clean(item, arguments[0], (*path, at)) for at, item in enumerate(value)]
        return int(value) if kind is int else value

    def _section(self, value: dict[str, Any], section: type[Section], path: KeyPath) -> dict[str, Any]:
        fields, clean = fields_of(section), {}
        for key, item in value.items():
            if key in section.later:
                self.unused.append((*path, key))
            if key in fields:
                clean[key] = self.clean(item, fields[key].type, (*path, key))
            elif key in section.unused:
                self.unused.append((*path, key))
            else:
                self.fault((*path, key), "unknown key" + hint(key, (*fields, *section.unused)))
        for name, field in fields.items():
            if field.required and name not in value:
                self.fault(path, f"{name} is missing")
        return clean

    def _one_of(self, value: Any, kinds: tuple[Any, ...], path: KeyPath) -> Any:
        for kind in kinds:
            if fits(value, kind):
                return self.clean(value, kind, path)
        wanted = " or ".join(words(kind) for kind in kinds if kind is not type(None))
        self.fault(path, f"must be {wanted}, not {_kind_of(value)}")
        return value

    def _choice(self, value: Any, choices: tuple[Any, ...], path: KeyPath) -> Any:
        if isinstance(value, bool) or value not in choices:
            near = hint(value, choices) if isinstance(value, str) else ""
            given = self._given(value, path)
            self.fault(path, f"must be one of {', '.join(map(str, choices))}, not {given}{near}")
        return value

    def _limits(self, value: Any, meta: Iterable[Any], path: KeyPath) -> None:
        for limit in meta:
            if isinstance(value, int | float) and not isinstance(value, bool):
                self._range(value, limit, path)
            if isinstance(value, str) and limit.min_length and len(value) < limit.min_length:
                self.fault(path, "must not be empty")

    def _range(self, value: float, limit: Any, path: KeyPath) -> None:
        if limit.gt is not None and value <= limit.gt:
            self.fault(path, f"must be more than {limit.gt}, not {self._given(value, path)}")
        if limit.ge is not None and value < limit.ge:
            self.fault(path, f"must be {limit.ge} or more, not {self._given(value, path)}")
        if limit.le is not None and value > limit.le:
            self.fault(path, f"must be {limit.le} or less")

    def fault(self, path: KeyPath, message: str) -> None:
        """Note what is wrong; where a variable is missing, that is what is wrong."""
        if path in self.unresolved:
            message = f"the environment variable {self.unresolved[path]} is not set"
        self.faults.append(Fault(path, message))

    def _given(self, value: Any, path: KeyPath) -> str:
        if is_secret(path) or isinstance(value, dict | list):
            return _kind_of(value)
        if isinstance(value, str):
            return repr(value) if len(value) <= 60 else "a longer text"
        return {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value))


def fits(value: Any, kind: Any) -> bool:
    """Whether the value has the right JSON type; what is inside is looked at later."""
    origin = get_origin(kind)
    if origin is Annotated:
        return fits(value, get_args(kind)[0])
    if origin is Literal:
        return isinstance(value, str)
    if kind is type(None) or value is None:
        return value is None and kind is type(None)
    if origin is dict or (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return isinstance(value, dict)
    return isinstance(value, list) if origin is tuple else _fits_scalar(value, kind)


def _fits_scalar(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if kind is int:
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if kind is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, kind)


def words(kind: Any) -> str:
    """The kind in words."""
    origin = get_origin(kind)
    if origin is Annotated:
        return words(get_args(kind)[0])
    if origin is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if origin is tuple:
        return "a list"
    return _WORDS.get(kind, "an object")


def _kind_of(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, float):
        return "a fraction" if math.isfinite(value) else "an endless one"
    return "a list" if isinstance(value, list) else _WORDS.get(type(value), "something else")


def hint(word: str, known: Iterable[str]) -> str:
    """What the person may have meant."""
    import difflib

    folded = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return f". Did you mean {folded[near[0]]}?" if near else ""
