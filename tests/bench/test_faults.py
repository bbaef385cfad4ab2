"""The switch for failures on request, and the code that applications share without knowing of each other."""

import dataclasses

import pytest
from made_stacks import Tree, budget

from bench import catalog, faults
from bench.compose import Member
from bench.compose.project import place
from bench.model import BenchError
from bench.plan import plan_stack

FOUND = catalog.load()


def test_every_run_has_a_secret_of_its_own() -> None:
    secret = faults.new_secret()
    assert len(secret) >= 32
    assert secret != faults.new_secret()
    assert faults.are_on(faults.environment(secret))
    assert not faults.are_on({})
    assert list(faults.headers(secret).values()) == [secret]


def test_all_applications_in_python_fail_alike() -> None:
    apps = [app for app in FOUND.apps.values() if "fault" in app.optional and app.language == "python"]
    copies = {path.read_text() for app in apps for path in app.folder.rglob("faults.py")}
    assert len(apps) >= 8
    assert len(copies) == 1


def test_every_application_says_which_optional_endpoints_it_has() -> None:
    for app in FOUND.apps.values():
        text = "".join(path.read_text() for path in app.folder.rglob("*.*") if path.suffix in (".py", ".js", ".go"))
        assert ("FAULT_SECRET" in text) == ("fault" in app.optional), app.name
        assert ("UPSTREAM_URL" in text) == ("fanout" in app.optional), app.name
        assert ("BROKER_URL" in text) == ("report" in app.optional), app.name
        assert ("async/plaintext" in text) == ("async" in app.optional), app.name


def test_a_stack_with_faults_is_not_published(tree: Tree) -> None:
    tree.app("ant")
    tree.server("plain")
    tree.front("direct")
    planned = plan_stack(tree.stack("ant/plain/direct"), budget())
    member = Member(planned=planned, name="s0", id="x", env=faults.environment("abc"))
    with pytest.raises(BenchError, match="s0: an application with faults on request is not published"):
        place(member, [], cpus="0", publish="127.0.0.1:8000")
    services = place(member, [], cpus="0").services
    assert services["s0-app"]["environment"]["FAULT_SECRET"] == "abc"
    assert services["s0-app"]["restart"] == "no"
    supervised = place(dataclasses.replace(member, supervised=True), [], cpus="0").services
    assert supervised["s0-app"]["restart"] == "always"


@pytest.mark.parametrize(("options", "kept", "gone"), [
    ("", "proxy_next_upstream error;", "max_fails"),
    ("+retry=off", "proxy_next_upstream off;", "max_fails"),
    ("+fails=0", "max_fails=0;", "proxy_next_upstream off"),
])  # fmt: skip
def test_nginx_retries_and_remembers_failures_unless_told_not_to(options: str, kept: str, gone: str) -> None:
    planned = plan_stack(catalog.resolve(FOUND, f"tornado/multi/nginx{options}"), budget(2))
    placed = place(Member(planned=planned, name="s0", id="x"), [], cpus="0")
    (config,) = placed.configs.values()
    assert kept in config["content"]
    assert gone not in config["content"]
