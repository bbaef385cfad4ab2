"""Applications, servers, fronts and plans that exist nowhere: as values, and as a tree of manifests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import catalog
from bench.model import Budget, Scenario, Stack
from bench.plan import Plan, Profile, make

APP = """
title = "{name}"
framework = "{name}"
source = "https://example.org/{name}"
data = "psycopg 3"
"""
SERVER = """
title = "{name}"
description = "A server."
source = "https://example.org/{name}"
speaks = "http"
bind = {{ tcp = "{{host}}:{{port}}", unix = "unix:{{socket}}" }}
model = "sync"
restart = "None."
"""
FRONT = """
title = "{name}"
description = "A front."
source = "https://example.org/{name}"
speaks = "http"
transports = ["tcp"]
"""
SCENARIO = """
title = "{name}"
description = "A scenario."
path = "/{name}"
"""


class Tree:
    """A root with `apps/`, `deploy/` and `loadtests/scenarios/`, filled folder by folder.

    Keys given to a method replace those of the skeleton; `tables` follow as they are.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def app(self, name: str, tables: str = '[interfaces]\nwsgi = "app:application"', **keys: Any) -> Path:
        return self._write(f"apps/{name}/app.toml", APP.format(name=name), keys, tables)

    def server(
        self, name: str, tables: str = "", *, argv: str = '["serve", "{bind}", "{target}"]', **keys: Any
    ) -> Path:
        workers = "" if "[workers]" in tables else '[workers]\nrule = "2"\nprocesses = "workers"\n'
        process = f'[[process]]\nrole = "app"\nargv = {argv}\n'
        keys = {"accepts": ["wsgi"], **keys}
        return self._write(
            f"deploy/servers/{name}/server.toml", SERVER.format(name=name), keys, f"{workers}{tables}\n{process}"
        )

    def front(self, name: str, tables: str = "", **keys: Any) -> Path:
        return self._write(f"deploy/fronts/{name}/front.toml", FRONT.format(name=name), keys, tables)

    def scenario(self, name: str, tables: str = "", **keys: Any) -> Path:
        return self._write(f"loadtests/scenarios/{name}.toml", SCENARIO.format(name=name), keys, tables)

    def load(self) -> catalog.Catalog:
        return catalog.load(self.root)

    def stack(self, text: str) -> Stack:
        return catalog.resolve(self.load(), text)

    def _write(self, place: str, skeleton: str, keys: Mapping[str, Any], tables: str) -> Path:
        lines = [line for line in skeleton.strip().splitlines() if line.partition(" =")[0] not in keys]
        lines += [f"{key} = {_toml(value)}" for key, value in keys.items()]
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([*lines, tables, ""]), encoding="utf-8")
        return path


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value) if isinstance(value, int) else f'"{value}"'


def budget(server: int = 1, *, pinned: bool = False) -> Budget:
    """`server` CPUs for the server, two more for the rest."""
    return Budget(
        server_cpus=frozenset(range(server)),
        load_cpus=frozenset({server}),
        database_cpus=frozenset({server + 1}),
        pinned=pinned,
    )


def scenario(name: str, *, order: int = 0, needs: tuple[str, ...] = (), windows: bool = False) -> Scenario:
    return Scenario(
        name=name, title=name.title(), description="", needs=frozenset(needs), order=order, parameters={},
        tags=frozenset(), windows=windows, path=Path(name),
    )  # fmt: skip


def profile(**changes: Any) -> Profile:
    """One block, one copy, a second each."""
    values = {
        "name": "tiny", "description": "", "stacks": (), "scenarios": (), "latency": (), "blocks": 1, "copies": 1, "capacity_s": 1.0,
        "latency_s": 1.0, "warmup_s": 0.1, "slice_s": 0.05, "window_s": 1.0, "ceiling": False,
        "idle_s": 0.0,
    }  # fmt: skip
    return Profile(**{**values, **changes})


def three_stacks(tree: Tree) -> list[Stack]:
    """`ant`, `bee` and `cat`, each on `plain/direct`."""
    tree.server("plain")
    tree.front("direct")
    for name in ("ant", "bee", "cat"):
        tree.app(name)
    return list(tree.load().stacks.values())


def plan(stacks: list[Stack], scenarios: list[Scenario], **changes: Any) -> Plan:
    """A plan over one server CPU with seed 7."""
    return make(profile(**changes), stacks, scenarios, budget(), seed=7)
