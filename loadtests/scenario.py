"""Scenarios: one small TOML file each under `scenarios/`, found by discovery. Keys are those of `Scenario` and `CheckTable`.

A value may hold `{name}`, which stands for a parameter. The files are plain data, so that the orchestrator can list them without Locust.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from loadtests.checks import KINDS, Anything, Check, filler
from loadtests.errors import LoadError
from loadtests.schema import build, nearest

FOLDER = Path(__file__).parent / "scenarios"
Parameters = Mapping[str, int | str]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One file of `scenarios/`, as written. Its name is the file's."""

    title: str
    description: str
    path: str
    """Path and query; may hold `{parameter}`."""
    check: Mapping[str, str | int | bool]
    """`kind` (one of `checks.KINDS`) and that kind's keys; also `status`, `content_type`, `every`: see `CheckTable`."""
    needs: tuple[str, ...]
    """The contract's endpoints it asks for, without the slash."""
    order: int
    """Its place within a block, ascending; what writes to the database comes last."""
    method: Literal["GET", "POST", "PUT", "DELETE"] = "GET"
    parameters: Mapping[str, int | str] = field(default_factory=dict)
    """Defaults; a job may override them."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body_bytes: int | str | None = None
    """Length of the request's body; its content is fixed (`checks.filler`)."""
    windows: Literal["slice", "window"] = "slice"
    """`window` for services slower than about 10 ms: seconds at a time rather than slices of 20 to 250 ms."""
    journey: str | None = None
    """Instead of one request: the users of `loadtests/journeys/NAME.py`. `path` then says only where they are."""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheckTable:
    """The keys of `[check]` that every kind has."""

    kind: str
    status: int = 200
    content_type: str | None = None
    """Compared on every response, without regard to case and blanks."""
    every: int = 10
    """The body is checked on the first response of each pooled connection, on the first one after it was lost, and on one in `every` after;
    a close that belongs to an answer loses nothing. 1: on all."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A scenario with its parameters filled in: what is sent, and what must come back."""

    name: str
    method: str
    path: str
    head: bytes
    """The request's head from the second line on, without `Host`, up to the blank line."""
    body: bytes
    check: Check
    status: int | None
    """None: any below 400."""
    content_type: str | None
    every: int
    journey: str | None = None

    def encode(self, host: str) -> bytes:
        """The bytes on the wire, for a target whose `Host` is `host`."""
        return f"{self.method} {self.path} HTTP/1.1\r\nHost: {host}\r\n".encode() + self.head + b"\r\n" + self.body


def inline(method: str, path: str, headers: Mapping[str, str]) -> Request:
    """A request without a scenario: any status below 400 is right, and only the framing of its body is looked at.

    Raises LoadError for what cannot stand in a request's head.
    """
    head = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    if not f"{path}{head}".isascii() or re.search(r"[\s\x00-\x1f]", path) or head.count("\n") != len(headers):
        raise LoadError(f"{path!r}: a path and headers are ASCII, without blanks in the path or line breaks")
    return Request(
        name=path,
        method=method,
        path=path,
        head=head.encode(),
        body=b"",
        check=Anything(),
        status=None,
        content_type=None,
        every=1 << 30,
    )


def names(folder: Path = FOLDER) -> list[str]:
    """All scenarios there are, by name."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def read(name: str, folder: Path = FOLDER) -> Scenario:
    """The scenario called `name`. Raises LoadError where there is none, or its file is wrong."""
    if name not in names(folder):
        raise LoadError(f"unknown scenario {name!r}{nearest(name, names(folder))}")
    path = folder / f"{name}.toml"
    try:
        table = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise LoadError(f"{path}: {error}") from None
    return build(Scenario, table, str(path))


def resolve(name: str, overrides: Parameters | None = None, folder: Path = FOLDER) -> Request:
    """The scenario `name` with its parameters filled in. Raises LoadError for an unknown scenario or parameter."""
    scenario = read(name, folder)
    where = str(folder / f"{name}.toml")
    for key in overrides or {}:
        if key not in scenario.parameters:
            raise LoadError(f"scenario {name!r} has no parameter {key!r}{nearest(key, scenario.parameters)}")
    parameters = {**scenario.parameters, **(overrides or {})}
    filled = {key: _fill(value, parameters, f"{where}: check.{key}") for key, value in scenario.check.items()}
    shared = {key: filled.pop(key) for key in CheckTable.__dataclass_fields__ if key in filled}
    table = build(CheckTable, shared, f"{where}: check")
    if table.kind not in KINDS:
        raise LoadError(f"{where}: check.kind: unknown kind {table.kind!r}{nearest(table.kind, KINDS)}")
    if table.every < 1:
        raise LoadError(f"{where}: check.every: must be 1 or more")
    check = build(KINDS[table.kind], filled, f"{where}: check")
    size = _fill(scenario.body_bytes, parameters, f"{where}: body_bytes")
    if not isinstance(size, int | None):
        raise LoadError(f"{where}: body_bytes: expected a whole number, got {size!r}")
    headers = dict(scenario.headers)
    if size is not None:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size), **headers}
    return Request(
        name=name,
        method=scenario.method,
        path=str(_fill(scenario.path, parameters, f"{where}: path")),
        head="".join(f"{key}: {value}\r\n" for key, value in headers.items()).encode(),
        body=filler(size or 0),
        check=check,
        status=table.status,
        content_type=table.content_type,
        every=table.every,
        journey=scenario.journey,
    )


_PARAMETER = re.compile(r"\{(\w+)\}")


def _fill(value: Any, parameters: Parameters, where: str) -> Any:
    """`value` with each `{name}` replaced; a value that is nothing but `{name}` takes the parameter's own type."""
    if not isinstance(value, str):
        return value
    for name in _PARAMETER.findall(value):
        if name not in parameters:
            raise LoadError(f"{where}: unknown parameter {name!r}{nearest(name, parameters)}")
    whole = _PARAMETER.fullmatch(value)
    return parameters[whole[1]] if whole else _PARAMETER.sub(lambda match: str(parameters[match[1]]), value)
