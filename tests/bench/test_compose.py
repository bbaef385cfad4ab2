"""Containers from the same catalogue: what docker-compose.yml holds, that both modes run the same commands, and Docker's refusals."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench import catalog, cli, service
from bench.compose import topfile
from bench.compose.docker import docker
from bench.compose.project import FRONT, FRONT_PORT, RUN, Member, database, place, rendered_in_containers, valkey
from bench.model import BenchError
from bench.plan import plan_stack
from bench.render import Site, ports_needed, render
from bench.session import Session, recover
from bench.site import open_site

FOUND = catalog.load()
CONTAINED = list(FOUND.stacks.values())
BASES = {"python:3.13-slim-trixie", "debian:trixie-slim", "nginx:1.28", "postgres:17", "valkey/valkey:8.1"}


@pytest.fixture(scope="module")
def top() -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # of a megabyte, which takes seconds in Python
    found: dict[str, Any] = yaml.load((catalog.ROOT / topfile.NAME).read_text(encoding="utf-8"), Loader=loader)
    return found


def test_the_file_is_what_the_catalogue_says() -> None:
    assert topfile.current(catalog.ROOT) == topfile.expected(FOUND), "run `bench compose --write`"


def test_every_stack_has_a_profile_that_brings_up_all_it_needs(top: dict[str, Any]) -> None:
    for stack in CONTAINED:
        profile = topfile.profile(stack)
        own = {name: one for name, one in top["services"].items() if one.get("profiles") == [profile]}
        planned = plan_stack(stack, topfile.BUDGET)
        apps = planned.workers if stack.server.endpoints == "many" else 1
        assert len(own) >= apps + bool(stack.front.processes), profile
        assert sum("ports" in one for one in own.values()) == 1, profile
        for one in own.values():
            assert one["healthcheck"]
            assert all(name in top["services"] for name in one["depends_on"])


def test_whatever_serves_is_checked(top: dict[str, Any]) -> None:
    unchecked = {name for name, one in top["services"].items() if "healthcheck" not in one}
    assert unchecked == {"data", "load"}, "they end by themselves, or load and answer nobody"
    for one in (valkey(), database(cpus=None, connections=100, publish=True)):
        assert "healthcheck" not in one, "in a run it would take CPU time from what is measured"
    assert top["services"]["valkey"]["healthcheck"]["test"] == ["CMD", "valkey-cli", "-p", "6379", "ping"]


def test_nothing_is_published_but_on_loopback_and_everything_is_pinned(top: dict[str, Any]) -> None:
    published = [port for one in top["services"].values() for port in one.get("ports", [])]
    assert published
    assert all(port.startswith(("127.0.0.1:", "${FORKLOOP_ADDRESS:-127.0.0.1}:")) for port in published)
    assert all("cpuset" in one for name, one in top["services"].items() if name != "valkey")


def test_base_images_are_the_five_and_no_application_runs_as_root(top: dict[str, Any]) -> None:
    recipes = [path.read_text(encoding="utf-8") for path in (catalog.ROOT / "deploy" / "images").glob("*.Dockerfile")]
    used = {line.split()[1] for text in recipes for line in text.splitlines() if line.startswith("FROM ")}
    used |= {one["image"] for one in top["services"].values() if "build" not in one}
    assert used <= BASES
    for text in recipes:
        assert re.findall(r"^USER (.*)$", text, re.MULTILINE)[-1] == "10001:10001"


@pytest.mark.parametrize("stack", CONTAINED, ids=lambda stack: stack.id)
def test_both_modes_run_the_same_commands_and_configuration(stack: Any) -> None:
    """Natively and in containers only paths, hosts and ports differ: translated, every word is the same."""
    planned = plan_stack(stack, topfile.BUDGET)
    member = Member(planned=planned, name="it", id="it")
    contained = rendered_in_containers(member)
    ports = [20000 + number for number in range(max(1, ports_needed(planned)))]
    native = render(
        planned,
        Site(
            host="127.0.0.1", ports=ports, folder=Path("/n/own"), app_dir=Path("/n/app"), env_dir=Path("/n/env"),
            runners=Path("/n/runners"), static_dir=Path("/n/static"), shm=Path("/n/shm"), tools={"nginx": "/n/nginx"},
            user="nobody nogroup", database_url=None,
        ),
    )  # fmt: skip
    names = {
        "/n/own/front/nginx.conf": "/etc/nginx/nginx.conf", "/n/own/front": str(FRONT), "/n/own": str(RUN), "/n/app": "/app",
        "/n/env": "/venv", "/n/runners": "/runners", "/n/static": "/static", "/n/shm": "/dev/shm", "/n/nginx": "nginx",
    }  # fmt: skip

    def translated(text: str) -> str:
        for old, new in names.items():
            text = text.replace(old, new)
        if stack.front.processes:
            text = text.replace(f"127.0.0.1:{ports[0]}", f"0.0.0.0:{FRONT_PORT}")
        over_tcp = [pair for pair in zip(native.servers, contained.servers, strict=True) if pair[0].socket is None]
        for endpoint, one in over_tcp:
            # nginx is told the server's name, the server itself to listen on all addresses of its container.
            text = re.sub(rf"server 127\.0\.0\.1:{endpoint.port}\b", f"server {one.host}:{one.port}", text)
        # Where host and port are two words the host is there over a unix socket too, and not looked at.
        text = text.replace("--host=127.0.0.1", "--host=0.0.0.0")
        for endpoint, one in over_tcp:
            text = text.replace(str(endpoint.port), str(one.port)).replace("127.0.0.1", "0.0.0.0")
        return text

    for ours, theirs in zip(native.commands, contained.commands, strict=True):
        assert tuple(map(translated, ours.argv)) == theirs.argv
        assert ours.role == theirs.role
        assert {key: translated(value) for key, value in ours.env.items()} == {
            key: value for key, value in theirs.env.items() if key != "DATABASE_URL"
        }
    assert [translated(text) for text in native.files.values()] == list(contained.files.values())


def test_processes_that_share_an_address_share_a_network(top: dict[str, Any]) -> None:
    stack = FOUND.stacks["flask/gunicorn-sync/direct"]
    process = replace(stack.server.processes[0], instances="2")
    shared = replace(stack, server=replace(stack.server, processes=(process,)))
    member = Member(planned=replace(plan_stack(stack, topfile.BUDGET), stack=shared), name="it", id="it")
    placed = place(member, [shared.server], cpus="0")
    assert list(placed.services) == ["it-app-0", "it-app-1"]
    assert placed.services["it-app-1"]["network_mode"] == "service:it-app-0"
    assert placed.client == "it-app-0"


def test_a_front_may_have_cpus_of_its_own() -> None:
    stack = FOUND.stacks["flask/gunicorn-sync/nginx"]
    member = Member(planned=plan_stack(stack, topfile.BUDGET), name="it", id="it")
    together = place(member, [stack.server], cpus="0-1").services
    assert {name: one["cpuset"] for name, one in together.items()} == {"it-app": "0-1", "it-front": "0-1"}
    apart = place(member, [stack.server], cpus="0-1", front_cpus="2").services
    assert {name: one["cpuset"] for name, one in apart.items()} == {"it-app": "0-1", "it-front": "2"}


def test_a_front_finds_processes_that_share_an_address(top: dict[str, Any]) -> None:
    placed = place(
        Member(planned=plan_stack(FOUND.stacks["tornado/reuse-port/nginx-tcp"], topfile.BUDGET), name="it", id="it"),
        [],
        cpus="0",
    )
    assert list(placed.services) == ["it-app-0", "it-app-1", "it-front"]
    (config,) = placed.configs.values()
    assert "server it-app:8000 fail_timeout=0;" in config["content"]
    assert placed.services["it-app-0"]["networks"]["default"]["aliases"] == ["it-app"]
    assert placed.services["it-app-1"]["network_mode"] == "service:it-app-0"
    assert all("--reuse-port" in placed.services[name]["command"] for name in ("it-app-0", "it-app-1"))


def test_what_has_no_image_is_one_clear_line() -> None:
    stack = FOUND.stacks["flask/gunicorn-sync/direct"]
    foreign = replace(stack, app=replace(stack.app, language="perl"))
    planned = replace(plan_stack(stack, topfile.BUDGET), stack=foreign)
    with pytest.raises(BenchError, match="no image is built for perl yet"):
        rendered_in_containers(Member(planned=planned, name="it", id="it"))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A `docker` in front of all others, made of these shell lines; returns the file where it notes its calls."""

    def make(lines: str) -> Path:
        folder, calls = tmp_path / "bin", tmp_path / "calls"
        folder.mkdir(exist_ok=True)
        calls.touch()
        program = folder / "docker"
        program.write_text(f'#!/bin/sh\necho "$*" >> {calls}\n{lines}\n', encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return calls

    return make


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "daemon does not answer: start it"),
        (
            "permission denied while trying to connect to the docker daemon socket (docker.sock)",
            "join the group docker",
        ),
        ("docker: 'compose' is not a docker command.", "no Compose v2: install the package docker-compose-plugin"),
        ("Bind for 127.0.0.1:8080 failed: port is already allocated", "set FORKLOOP_PORT"),
        ("Error response from daemon: No such image: nginx:1.28", "an image is missing and cannot be fetched"),
        ("something else went wrong", "docker ps failed: something else went wrong"),
    ],
)
def test_dockers_refusals_are_one_line_with_the_remedy(fake: Callable[[str], Path], said: str, line: str) -> None:
    fake(f'echo "{said}" >&2; exit 1')
    with pytest.raises(BenchError) as caught:
        docker("ps")
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_stack_is_held_up_or_the_reason_is_one_line(
    fake: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = fake("")
    monkeypatch.setenv("FORKLOOP_PORT", "8081")
    assert cli.stacks.compose(up="flask/gunicorn-sync/nginx") == 0
    assert "http://127.0.0.1:8081/ until `make compose-down`" in capsys.readouterr().out
    assert "--profile flask-gunicorn-sync-nginx up --build --detach --wait" in calls.read_text()
    fake("echo 'Bind for 127.0.0.1:8081 failed: port is already allocated' >&2; exit 1")
    with pytest.raises(BenchError, match="a port is published already: end what listens there, or set FORKLOOP_PORT"):
        cli.stacks.compose(up="flask/gunicorn-sync/nginx")
    with pytest.raises(
        BenchError, match=r"^flask/gunicorn-sync\+workers=2/nginx: docker-compose.yml has no such stack"
    ):
        cli.stacks.compose(up="flask/gunicorn-sync+workers=2/nginx")


def test_no_docker_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="docker is not on the path: install"):
        docker("ps")


def test_a_docker_that_hangs_is_given_up(fake: Callable[[str], Path]) -> None:
    fake("exec sleep 30")
    with pytest.raises(BenchError, match="no answer within"):
        docker("ps", deadline_s=0.2)


def test_a_sessions_containers_end_with_it_and_a_killed_ones_with_the_next(
    fake: Callable[[str], Path], tmp_path: Path
) -> None:
    calls = fake('case "$1 $2" in "ps -aq") echo c1 c2;; "volume ls") echo v1;; esac')
    with Session(home=tmp_path / "home") as session:
        session.own_project("forkloop-x", {})
        record = next((tmp_path / "home").glob("*.json")).read_text(encoding="utf-8")
    label = "--filter label=com.docker.compose.project=forkloop-x"
    wanted = [f"ps -aq {label}", "rm -f -v c1 c2", f"network ls -q {label}", f"volume ls -q {label}", "volume rm v1"]
    assert calls.read_text(encoding="utf-8").splitlines() == wanted
    calls.write_text("", encoding="utf-8")
    (tmp_path / "home" / "left.json").write_text(record, encoding="utf-8")
    assert len(recover(tmp_path / "home")) == 1
    assert calls.read_text(encoding="utf-8").splitlines() == wanted


def test_a_container_that_cannot_be_removed_is_named_and_the_session_still_ends(
    fake: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake("exit 1")
    with Session(home=tmp_path / "home") as session:
        session.own_project("forkloop-x", {})
        scratch = session.scratch
    assert "of forkloop-x may be left" in capsys.readouterr().err
    assert not scratch.exists()


def test_an_unknown_mode_and_a_port_for_containers_are_refused(tmp_path: Path) -> None:
    planned = [plan_stack(FOUND.stacks["flask/gunicorn-sync/direct"], topfile.BUDGET)]
    with Session(home=tmp_path / "home") as session:
        for mode, port, says in (
            ("podman", None, "unknown mode 'podman'; known: native, compose"),
            ("compose", 8000, "--port"),
        ):
            with pytest.raises(BenchError, match=says):
                open_site(session, planned, topfile.BUDGET, mode=mode, connections=10, logs=tmp_path, port=port)


def test_backends_are_those_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Process ids that PostgreSQL tells are those of its container; what is outside is translated, what is gone is left out."""
    monkeypatch.setattr(service.observe, "backends", lambda _: {61: "0-a-0", 62: "0-b-0", 63: "gone"})
    monkeypatch.setattr(service, "_inner_pids", lambda pid: {61: 9061, 62: 9062} if pid == 9000 else {})
    assert service.Database(url="x", container_pid=9000).backends() == {9061: "0-a-0", 9062: "0-b-0"}
    assert service.Database(url="x").backends() == {}
    assert service.Database(url="x", pids=(7,)).backends() == {61: "0-a-0", 62: "0-b-0", 63: "gone"}
