"""A deployment is held to what its stack claims: no less than its application's endpoints, no more than its front adds."""

from dataclasses import replace
from typing import Any

import pytest
from made_stacks import Tree, budget

from bench import contract, environments
from bench.deployment import Deployment
from bench.plan import plan_stack
from bench.render import Endpoint, Rendered
from bench.verify import Report
from bench.verify.endpoints import ENDPOINTS


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def verify(url: str, **how: Any) -> Report:
        calls.append({"url": url, **how})
        return Report(target=url, checks=(), skipped=())

    monkeypatch.setattr(contract, "verify", verify)
    return calls


def deployment(tree: Tree, missing: list[str]) -> Deployment:
    tree.app("ant", missing=missing)
    tree.server("plain", omits=["server", "date"])
    tree.front("direct", adds=["date"])
    endpoint = Endpoint(host="127.0.0.1", port=8123)
    rendered = Rendered(commands=(), files={}, folders=(), client=endpoint, servers=(endpoint,))
    return Deployment(id="x", planned=plan_stack(tree.stack("ant/plain/direct"), budget()), copy=0, rendered=rendered)


def test_all_endpoints_with_a_database(tree: Tree, asked: list[dict[str, Any]]) -> None:
    contract.verify_deployment(deployment(tree, []), "postgresql://x")
    assert asked == [{
        "url": "http://127.0.0.1:8123", "omits": {"server"}, "endpoints": None, "database_url": "postgresql://x",
        "data": "psycopg 3", "static_dir": environments.STATIC,
    }]  # fmt: skip


def test_without_a_database_only_what_needs_none(tree: Tree, asked: list[dict[str, Any]]) -> None:
    contract.verify_deployment(deployment(tree, []), None)
    assert asked[0]["endpoints"] == contract.ENDPOINTS - contract.DATABASE_ENDPOINTS
    assert {"json", "static", "io"} <= asked[0]["endpoints"]
    assert not {"db", "io-db"} & asked[0]["endpoints"]


def test_what_an_application_lacks_is_not_asked_for(tree: Tree, asked: list[dict[str, Any]]) -> None:
    contract.verify_deployment(deployment(tree, ["upload", "db"]), "postgresql://x")
    assert asked[0]["endpoints"] == contract.ENDPOINTS - {"upload", "db"}


def test_the_endpoints_are_those_of_the_verifier() -> None:
    assert {endpoint.name for endpoint in ENDPOINTS} == contract.ENDPOINTS


def test_whoami_is_held_to_the_label_of_the_variant(tree: Tree, asked: list[dict[str, Any]]) -> None:
    one = deployment(tree, [])
    variant = '[variants.raw]\ndescription = "SQL"\ndata = "a cursor"'
    tree.app("ant", tables=f'{variant}\n\n[interfaces]\nwsgi = "app:application"')
    planned = plan_stack(tree.stack("ant+raw/plain/direct"), budget())
    contract.verify_deployment(replace(one, planned=planned), None)
    assert asked[0]["data"] == "a cursor"
