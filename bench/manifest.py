"""Reading manifests: TOML files whose every key is known, with errors that name file and key and suggest the nearest right one."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from bench.model import BenchError

_UNKNOWN = re.compile(r"unknown field `(?P<key>[^`]*)`(?: - at `\$(?P<where>[^`]*)`)?")
_MISSING = re.compile(r"missing required field `(?P<key>[^`]*)`(?: - at `\$(?P<where>[^`]*)`)?")
_WRONG = re.compile(r"(?P<what>.*?) - at `\$\.?(?P<where>[^`]*)`")


OptionalEndpoint = Literal["fault", "fanout", "report", "async"]
"""What applications may have beside the contract's endpoints, where the environment switches it on."""


class Variant(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[variants.NAME]` of an `app.toml`."""

    description: str
    data: str
    env: dict[str, str] = {}


class AppManifest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`apps/NAME/app.toml`."""

    title: str
    framework: str
    source: str
    data: str
    interfaces: dict[str, str]
    language: str = "python"
    default: str | None = None
    core: list[str] = []
    full: list[str] = []
    missing: list[str] = []
    optional: list[OptionalEndpoint] = []
    thread_connections: list[str] = []
    versions: list[str] = []
    variants: dict[str, Variant] = {}


class Process(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[[process]]` of a `server.toml` or `front.toml`."""

    role: str
    argv: list[str]
    instances: str = "1"
    env: dict[str, str] = {}


class Workers(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[workers]` of a `server.toml`: expressions over `cpus`; `processes` also over `workers` and `threads`."""

    rule: str
    processes: str
    threads: str = "1"


class Option(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[options.NAME]`: what `+NAME=value` in a stack id may say."""

    description: str
    default: str
    values: list[str] = []
    words: dict[str, str] = {}


class ServerManifest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`deploy/servers/NAME/server.toml`."""

    title: str
    description: str
    source: str
    accepts: list[str]
    speaks: str
    bind: dict[str, str]
    model: str
    restart: str
    workers: Workers
    process: list[Process]
    distributions: list[str] = []
    omits: list[str] = []
    tags: list[str] = []
    endpoints: str = "one"
    traps: list[str] = []
    keep_alive: str | None = None
    options: dict[str, Option] = {}


class FrontManifest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`deploy/fronts/NAME/front.toml`."""

    title: str
    description: str
    source: str
    speaks: str
    transports: list[str]
    accepts_many: bool = False
    needs_many: bool = False
    serves_static: bool = False
    adds: list[str] = []
    omits: list[str] = []
    template: str | None = None
    process: list[Process] = []
    tags: list[str] = []
    traps: list[str] = []
    keep_alive: str | None = None
    options: dict[str, Option] = {}


class ScenarioManifest(msgspec.Struct, kw_only=True):
    """What the orchestrator reads of `loadtests/scenarios/NAME.toml`; the load generator checks every key of it."""

    title: str
    description: str
    needs: list[str] = []
    order: int = 0
    path: str = "/"
    method: str = "GET"
    journey: str = ""
    parameters: dict[str, int | str] = {}
    tags: list[str] = []
    windows: str = "slice"


def read[T: msgspec.Struct](path: Path, kind: type[T]) -> T:
    """The manifest at `path` as a `kind`. Raises BenchError naming file and key for anything amiss."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BenchError(f"{path}: is not valid TOML: {error}") from None
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise BenchError(f"{path}: {_explain(str(error), kind)}") from None


def nearest(word: str, known: list[str]) -> str:
    """` Did you mean ...?` with the nearest of `known`, or what there is when nothing is near."""
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    if close:
        return f" Did you mean {' or '.join(close)}?"
    return f" Known: {', '.join(known[:12])}{', ...' if len(known) > 12 else ''}." if known else ""


def _explain(message: str, kind: type[msgspec.Struct]) -> str:
    if found := _UNKNOWN.search(message):
        key = _key(found["where"], found["key"])
        return f"unknown key '{key}'.{nearest(found['key'], _known(kind, found['where']))}"
    if found := _MISSING.search(message):
        return f"the key '{_key(found['where'], found['key'])}' is missing; add it (see docs/manifests.md)"
    if found := _WRONG.search(message):
        return f"key '{found['where']}': {found['what'][0].lower()}{found['what'][1:]}"
    return message


def _key(where: str | None, key: str) -> str:
    return f"{where.lstrip('.')}.{key}" if where else key


def _known(kind: type[msgspec.Struct], where: str | None) -> list[str]:
    """The keys that are right at `where`, a path such as `.process[0]` or `.options[...]`."""
    for part in re.findall(r"\.(\w+)", where or ""):
        field = next((one for one in msgspec.structs.fields(kind) if one.encode_name == part), None)
        inner = _table(field.type) if field else None
        if inner is None:
            break
        kind = inner
    return list(kind.__struct_fields__)


def _table(hint: Any) -> type[msgspec.Struct] | None:
    """The kind of table in a type such as `list[Process]` or `Text | None`."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint
    return next((found for inner in get_args(hint) if (found := _table(inner))), None)
