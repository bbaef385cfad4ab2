"""`run.json` says what was planned and what ran, with null for what is not known."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from made_stacks import Tree, budget, plan, scenario, three_stacks

from bench import catalog, estimate, pace, record
from bench.deployment import Census, Deployment
from bench.launch import Tools
from bench.machine import find_nginx
from bench.model import BenchError, Failed
from bench.plan import CONNECTIONS, Plan, plan_stack
from bench.render import Command, Endpoint, Rendered
from bench.service import Database


@pytest.fixture
def made(tree: Tree) -> Plan:
    return plan(three_stacks(tree), [scenario("json"), scenario("db")], latency=("db",), copies=2)


def deployment(made: Plan, **changes: Any) -> Deployment:
    endpoint = Endpoint(host="127.0.0.1", port=1)
    rendered = Rendered(commands=(), files={}, folders=(), client=endpoint, servers=(endpoint,))
    return Deployment(id="0-ant--plain--direct-0", planned=made.stacks[0], copy=0, rendered=rendered, **changes)


def test_the_header_holds_machine_placement_and_plan(made: Plan) -> None:
    found = record.header(made, "bench run --profile tiny")
    assert json.loads(json.dumps(found)) == found
    assert found.keys() == {
        "kind", "profile", "seed", "mode", "started", "ended", "command", "environment", "placement", "plan", "observed", "verified",
        "pilot", "notes", "hashes", "parts", "elapsed_s", "blocks_done", "stopped", "sampling_cpu_s", "planned_s",
    }  # fmt: skip
    assert (found["profile"], found["seed"], found["mode"], found["ended"]) == ("tiny", 7, "native", None)
    assert found["placement"] == {
        "server": [0],
        "front": [0],
        "load": [1],
        "load_workers": 1,
        "database": [2],
        "pinned": False,
        "shared": [],
    }
    assert found["plan"]["scenarios"] == ["json", "db"]
    assert found["plan"]["titles"] == {"json": "Json", "db": "Db"}
    assert (found["plan"]["blocks"], found["plan"]["copies"], found["plan"]["connections"]) == (1, 2, CONNECTIONS)
    assert [stack["id"] for stack in found["plan"]["stacks"]] == [
        "ant/plain/direct",
        "bee/plain/direct",
        "cat/plain/direct",
    ]
    assert found["environment"]["memory_bytes"] > 0
    assert found["planned_s"] == pytest.approx(pace.expected_s(made)[0] - estimate.report_s(made), abs=0.1)


def test_a_stack_is_described_by_what_it_is_and_by_its_numbers() -> None:
    found = catalog.load()
    planned = plan_stack(catalog.resolve(found, "django+raw/gunicorn-gthread+threads=4/nginx"), budget(2))
    described = record.describe_stack(planned)
    assert json.loads(json.dumps(described)) == described
    expected = {
        "id": "django+raw/gunicorn-gthread+threads=4/nginx", "slug": "django+raw--gunicorn-gthread+threads=4--nginx",
        "app": "django", "variant": "raw", "version": None, "server": "gunicorn-gthread", "front": "nginx", "title": "Django",
        "framework": "django", "model": "threads", "data": "Django cursor on psycopg 3", "workers": 4, "threads": 4,
        "keep_alive": {"server": "75 s", "front": "75 s to clients, 60 s to servers"},
        "pool_max": 3, "transport": "unix", "options": {"threads": "4"}, "tags": ["full"], "omits": [],
    }  # fmt: skip
    assert {key: described[key] for key in expected} == expected
    assert [process["role"] for process in described["processes"]] == ["app", "front"]
    assert described["processes"][0]["argv"][0] == "gunicorn"


@pytest.mark.services
def test_the_environment_names_the_parts_that_all_share() -> None:
    found = record.environment(Tools(paths={}, missing={}), Database(), None)
    assert (found["nginx"], found["postgresql"]) == (None, None)
    nginx = find_nginx()
    found = record.environment(
        Tools(paths={"nginx": str(nginx.path)}, missing={}), Database(version="18.4 (embedded)"), "28.2"
    )
    assert (found["nginx"], found["postgresql"], found["docker"]) == (str(nginx), "18.4 (embedded)", "28.2")


def test_what_ran_is_read_back(made: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record.observe, "connections", lambda _: {"0-ant--plain--direct-0": 5, "psql": 1})
    one = deployment(made, startup_s=0.5, census=(Census(pid=7, role="app", argv=("serve", "x"), cpus=(0,)),))
    assert record.observed(Database(url="postgresql://x"), one, {"ant": "1.0"}) == {
        "versions": {"ant": "1.0"}, "server": {}, "processes": [{"role": "app", "pid": 7, "argv": ["serve", "x"], "cpus": [0]}],
        "workers": 2, "startup_s": 0.5, "stop_s": None, "stops_s": [], "database_connections": 5, "commands": [], "files": {},
    }  # fmt: skip
    assert record.observed(Database(), one, {})["database_connections"] is None


def test_commands_and_configuration_are_kept_as_they_were_given_without_passwords(made: Plan) -> None:
    command = Command(
        role="app", argv=("serve", "--workers=3"), cwd=Path("/x"), name="app-0",
        env={"DB_POOL_MAX": "4", "DATABASE_URL": "postgresql://me:secret@db/x"},
    )  # fmt: skip
    one = deployment(made)
    one.rendered = replace(one.rendered, commands=(command,), files={Path("/run/front/nginx.conf"): "daemon off;"})
    found = record.observed(Database(), one, {})
    assert json.loads(json.dumps(found)) == found
    assert found["commands"] == [{
        "role": "app", "name": "app-0", "argv": ["serve", "--workers=3"],
        "env": {"DB_POOL_MAX": "4", "DATABASE_URL": "postgresql://me:***@db/x"},
    }]  # fmt: skip
    assert found["files"] == {"nginx.conf": "daemon off;"}


def test_the_versions_of_the_server_stand_apart(made: Plan) -> None:
    one = deployment(made)
    server = replace(one.planned.stack.server, distributions=("gunicorn", "gevent"))
    one.planned = replace(one.planned, stack=replace(one.planned.stack, server=server))
    found = record.observed(Database(), one, {"gunicorn": "27.0.1", "greenlet": "3.2"})
    assert found["server"] == {"gunicorn": "27.0.1", "gevent": None}


def test_what_cannot_be_read_back_is_null(made: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise BenchError("nothing answers there")

    monkeypatch.setattr(record.observe, "connections", refuse)
    assert record.observed(Database(url="postgresql://x"), deployment(made), {})["database_connections"] is None
    assert record.observed(Database(), deployment(made, failure=Failed(reason="it died")), {}) == {"failure": "it died"}


def test_a_stack_that_ran_and_failed_later_is_still_described(made: Plan) -> None:
    one = deployment(made, failure=Failed(reason="it died"), census=(Census(pid=7, role="app", argv=(), cpus=()),))
    assert record.observed(Database(), one, {})["processes"][0]["pid"] == 7


def test_moments_are_utc_to_the_millisecond() -> None:
    moment = datetime.fromisoformat(record.now())
    assert moment.tzinfo == UTC
    assert moment.microsecond % 1000 == 0
