"""Reads a table (of TOML or JSON) into a dataclass; every mistake names the file, the key and the nearest right one."""

import dataclasses
import difflib
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from loadtests.errors import LoadError


def build[T](cls: type[T], table: object, where: str) -> T:
    """An instance of the dataclass `cls` from `table`. Raises LoadError on unknown, missing or ill-typed keys.

    Knows `str`, `Path`, `int`, `float`, `bool`, `None`, `Literal`, unions of these, `tuple[X, ...]`, `Mapping[str, X]` and dataclasses.
    """
    if not isinstance(table, Mapping):
        raise LoadError(f"{where}: expected a table, got {table!r}")
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cast(Any, cls))}
    for key in table:
        if key not in fields:
            raise LoadError(f"{where}: unknown key {key!r}{nearest(key, fields)}")
    values = {key: _convert(hints[key], value, f"{where}: {key}") for key, value in table.items()}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise LoadError(f"{where}: missing key {name!r}")
    return cls(**values)


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause that offers the nearest known names, to be put at the end of an error's line."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.65)
    if close:
        return f"; did you mean {' or '.join(repr(each) for each in close)}?"
    return f"; known: {', '.join(names)}" if names else ""


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _convert_union(get_args(hint), value, where)
    if origin is Literal:
        if value in get_args(hint):
            return value
        raise LoadError(f"{where}: {value!r} is none of {', '.join(map(repr, get_args(hint)))}")
    if origin is tuple and isinstance(value, list):
        return tuple(_convert(get_args(hint)[0], each, where) for each in value)
    if origin is not None and issubclass(origin, Mapping) and isinstance(value, Mapping):
        return {str(key): _convert(get_args(hint)[1], each, f"{where}.{key}") for key, each in value.items()}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return build(hint, value, where)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise LoadError(f"{where}: expected {_name(hint)}, got {value!r}")


def _convert_union(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    for choice in choices:
        try:
            return _convert(choice, value, where)
        except LoadError:
            if isinstance(value, Mapping):
                raise
    raise LoadError(f"{where}: expected {' or '.join(map(_name, choices))}, got {value!r}")


def _name(hint: Any) -> str:
    words = {str: "a string", int: "a whole number", float: "a number", bool: "true or false", types.NoneType: "null"}
    words[Path] = "a path"
    return words.get(hint) or {tuple: "a list"}.get(get_origin(hint), "a table")
