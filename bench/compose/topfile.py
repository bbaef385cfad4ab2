"""docker-compose.yml at the top level: every stack as a profile of its own, rendered from the catalogue, and checked against it."""

from pathlib import Path
from typing import Any

import yaml

from bench.catalog import Catalog, server_fits
from bench.compose.project import RECIPES, Member, database, place, project, suite, valkey
from bench.model import BenchError, Budget, Stack
from bench.plan import RESERVED_CONNECTIONS, plan_stack

NAME = "docker-compose.yml"
BUDGET = Budget(server_cpus=frozenset({0}), load_cpus=frozenset({1}), database_cpus=frozenset({1}), notes=())
"""What the committed file is rendered for: the smallest machine that has a CPU for each side."""
HEAD = """\
# Every stack, as one profile each. Written by `bench compose --write` from apps/ and deploy/; a test fails where they differ.
#
#     docker compose --profile flask-gunicorn-sync-nginx up --build      then http://127.0.0.1:8080/
#     docker compose --profile flask-gunicorn-sync-nginx down --volumes
#
# Load it from a container:
#     docker compose --profile load run --rm load --host http://flask-gunicorn-sync-nginx-front:8080 --scenario db --headless -u 8 -t 5s
#
# Worker counts are those for one server CPU. FORKLOOP_SERVER_CPUS, FORKLOOP_LOAD_CPUS: on which CPUs (0 and 1); the front has the
# server's and the database the generator's unless FORKLOOP_FRONT_CPUS and FORKLOOP_DATABASE_CPUS say otherwise. FORKLOOP_ADDRESS and
# FORKLOOP_PORT: where the stack is published (127.0.0.1, 8080). `bench run --mode compose` renders its own file, with the run's plan.
"""


def expected(catalog: Catalog) -> str:
    """What the file should hold."""
    server, load = "${FORKLOOP_SERVER_CPUS:-0}", "${FORKLOOP_LOAD_CPUS:-1}"
    front, base = f"${{FORKLOOP_FRONT_CPUS:-{server}}}", f"${{FORKLOOP_DATABASE_CPUS:-{load}}}"
    placed = []
    names: dict[str, str] = {}
    for stack in catalog.stacks.values():
        if stack.app.language not in RECIPES:
            continue
        name = profile(stack)
        if name in names:
            raise BenchError(f"{stack.id} and {names[name]} would share the profile {name}; rename a folder")
        names[name] = stack.id
        servers = [one for one in catalog.servers.values() if server_fits(stack.app, one)]
        member = Member(planned=plan_stack(stack, BUDGET), name=name, id=name)
        placed.append(
            place(
                member,
                servers,
                cpus=server,
                front_cpus=front,
                profile=name,
                checked=True,
                publish="${FORKLOOP_ADDRESS:-127.0.0.1}:${FORKLOOP_PORT:-8080}",
            )
        )
    extra: dict[str, Any] = {
        "postgres": database(cpus=base, connections=100 + RESERVED_CONNECTIONS, publish=False),
        "data": {
            **suite(cpus=load), "command": ["python", "-m", "bench.database"], "restart": "no",
            "environment": {"DATABASE_URL": "postgresql://forkloop:forkloop@postgres:5432/forkloop"},
            "depends_on": {"postgres": {"condition": "service_healthy"}},
        },
        "load": {**suite(cpus=load), "profiles": ["load"], "entrypoint": ["locust", "-f", "loadtests/locustfile.py"]},
        "valkey": {**valkey(checked=True), "profiles": ["tasks"]},
    }  # fmt: skip
    rendered = project(placed, extra=extra)
    for name, service in rendered["services"].items():
        if name.endswith("-app") or "-app-" in name:
            service["depends_on"] = {"data": {"condition": "service_completed_successfully"}}
    return HEAD + yaml.dump(
        {"name": "forkloop", **rendered}, Dumper=_Dumper, sort_keys=False, width=200, allow_unicode=True
    )


def current(root: Path) -> str | None:
    """What it holds; None where there is none."""
    path = root / NAME
    return path.read_text(encoding="utf-8") if path.exists() else None


def profile(stack: Stack) -> str:
    """The stack's id as a Compose profile."""
    return stack.id.replace("/", "-").replace("+", "_").replace("=", "_").replace("@", "_")


class _Dumper(yaml.SafeDumper):
    """Long texts as blocks; no anchors, since each service is read by itself."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    """Command lines on one line."""
    flat = all(isinstance(item, str) for item in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=flat)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)
