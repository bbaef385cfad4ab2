"""Which engine is used: every `docker` of a command goes to the one that DOCKER_HOST or a context names, and what is far is said."""

import json
import os
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import catalog, site
from bench.compose import ComposeLauncher, contained, engine, launcher, topfile
from bench.compose.docker import docker
from bench.compose.tunnel import Tunnels
from bench.deployment import Deployment, probe
from bench.model import BenchError
from bench.plan import plan_stack
from bench.render import Endpoint, Rendered
from bench.session import Session, recover

pytestmark = pytest.mark.services
INSPECTED = {"Id": "c1", "State": {"Pid": 0, "Running": True, "ExitCode": 0}, "NetworkSettings": {"Networks": {}}}
SAYS = rf"""
case "$*" in
    "version"*) echo 28.2;;
    "context show") echo lab;;
    "context inspect"*) printf 'lab\tssh://bench:secret@server\n';;
    "container inspect"*) echo '{json.dumps([INSPECTED])}';;
    *"ps -aq"*) echo c1;;
esac
"""


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        # Set first, so that what a test changes is undone.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Callable[[], list[str]]]:
    """A `docker` made of these shell lines; what is returned reads its calls, each as `HOST|CONTEXT|arguments`."""

    def make(lines: str = SAYS) -> Callable[[], list[str]]:
        noted = tmp_path / "calls"
        path = tmp_path / "bin" / "docker"
        path.parent.mkdir(exist_ok=True)
        note = 'printf "%s\\n" "$(echo "$DOCKER_HOST|$DOCKER_CONTEXT|$*" | tr "\\n" " ")"'
        path.write_text(f"#!/bin/sh\n{note} >> {noted}\n{lines}\n", encoding="utf-8")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
        noted.touch()
        return lambda: noted.read_text(encoding="utf-8").splitlines()

    return make


def use_everything(session: Session, tmp_path: Path) -> None:
    """All ways in which a command calls Docker."""
    started = ComposeLauncher(session, topfile.BUDGET, None, logs=tmp_path, results=None)  # type: ignore[arg-type]
    started.bring(tmp_path / "x.job.json", [tmp_path / "x.result.json"])
    started.fetch([tmp_path / "x.result.json"])
    contained.logs("c1")
    contained.nginx_version("c1")
    contained.look("c1", "app")
    with Tunnels("c1") as tunnels, socket.create_connection(("127.0.0.1", tunnels.to("db", 5432).port)) as one:
        assert one.recv(1) == b""
    spawned = session.spawn(
        started.load_command(Path("x")), role="generator", cwd=tmp_path, env=os.environ, log=tmp_path / "log"
    )
    spawned.popen.wait(timeout=30)


@pytest.mark.parametrize("chosen", ["tcp://there:2375", None])
def test_every_docker_goes_to_the_engine_that_was_chosen(
    calls: Callable[..., Callable[[], list[str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None
) -> None:
    read = calls()
    if chosen:
        monkeypatch.setenv("DOCKER_HOST", chosen)
    else:
        monkeypatch.setenv("DOCKER_HOST", "tcp://another:1")
        engine.choose("lab")
    with Session(home=tmp_path / "home") as session:
        use_everything(session, tmp_path)
    wanted = f"{chosen}||" if chosen else "|lab|"
    assert len(read()) > 10
    assert {line[: len(wanted)] for line in read()} == {wanted}
    told = " ".join(read())
    for word in ("compose", "exec", "cp", "logs", "ps -aq", "rm", "network ls", "volume ls"):
        assert word in told


def test_what_a_killed_command_left_is_removed_where_it_is(
    calls: Callable[..., Callable[[], list[str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = calls()
    with Session(home=tmp_path / "home") as session:
        session.own_project("forkloop-x", engine.selection())
        record = next((tmp_path / "home").glob("*.json")).read_text(encoding="utf-8")
    (tmp_path / "calls").write_text("")
    (tmp_path / "home" / "left.json").write_text(record, encoding="utf-8")
    monkeypatch.setenv("DOCKER_HOST", "tcp://another:1")
    assert len(recover(tmp_path / "home")) == 1
    assert {line[:5] for line in read()} == {"|lab|"}, "the context in use then, though nobody had named it"


def test_a_record_of_an_older_version_is_cleaned_up_too(
    calls: Callable[..., Callable[[], list[str]]], tmp_path: Path
) -> None:
    read = calls()
    with Session(home=tmp_path / "home"):
        record = json.loads(next((tmp_path / "home").glob("*.json")).read_text(encoding="utf-8"))
    (tmp_path / "home" / "left.json").write_text(json.dumps({**record, "projects": ["forkloop-x"]}), encoding="utf-8")
    recover(tmp_path / "home")
    assert any("rm -f -v c1" in line for line in read())


@pytest.mark.parametrize(
    ("endpoint", "remote"),
    [
        ("unix:///var/run/docker.sock", False),
        ("unix:///run/user/1000/docker.sock", False),
        ("npipe:////./pipe/docker_engine", False),
        ("ssh://bench@server", True),
        ("tcp://127.0.0.1:2375", True),
    ],
)
def test_an_engine_is_far_unless_its_address_is_a_file(endpoint: str, remote: bool) -> None:
    assert engine.Engine(version="28.2", context="lab", endpoint=endpoint).remote == remote


def test_the_engine_is_named_with_its_address_and_without_a_password(
    calls: Callable[..., Callable[[], list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls()
    assert str(engine.engine()) == "28.2 at ssh://bench:***@server (context lab)"
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/mine.sock")
    assert str(engine.engine()) == "28.2 at unix:///run/mine.sock (context lab)", "DOCKER_HOST goes before the context"


# Another machine

INFO = {
    "ID": "AB:CD", "NCPU": 4, "MemTotal": 8 * 1024**3, "OperatingSystem": "Debian 13", "KernelVersion": "6.12", "Architecture": "x86_64",
}  # fmt: skip
SCRIPT = "cpu 0 0,2\ncpu 1 1,3\ncpu 2 0,2\ncpu 3 1,3\nmodel name\t: Some CPU\n"


def test_the_cpus_of_another_machine_are_grouped_by_core() -> None:
    topology, facts = engine.read_machine(INFO, SCRIPT)
    assert topology.cores == ((0, 2), (1, 3))
    assert (facts["cpu_model"], facts["cpus"], facts["cores"], facts["os"]) == ("Some CPU", 4, 2, "Debian 13")
    assert engine.read_machine(INFO, "")[0].cores == ((0,), (1,), (2,), (3,)), "siblings are not always visible"
    assert engine.read_machine({**INFO, "ID": "other"}, "")[1]["host"] != facts["host"]


def test_an_engine_that_says_too_little_is_one_clear_line() -> None:
    with pytest.raises(
        BenchError, match=r"^docker info of the engine lacks what is needed \('MemTotal'\): is it Docker Engine"
    ):
        engine.read_machine({key: value for key, value in INFO.items() if key != "MemTotal"}, SCRIPT)


def test_the_machine_that_is_planned_for_is_the_engines(
    calls: Callable[..., Callable[[], list[str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "info").write_text(json.dumps(INFO))
    (tmp_path / "script").write_text(SCRIPT)
    calls(f"{SAYS}\ncase $1 in info) cat {tmp_path}/info;; run) cat {tmp_path}/script;; esac")
    topology, facts = site.machine_of("compose")
    assert (topology.cores, facts["os"]) == (((0, 2), (1, 3)), "Debian 13")
    assert site.machine_of("native")[1] == {}
    monkeypatch.setenv("DOCKER_HOST", "unix:///var/run/docker.sock")
    assert site.machine_of("compose") == site.machine_of("native")


# Containers out of sight


def test_processes_inside_are_read_with_their_cpus(calls: Callable[..., Callable[[], list[str]]]) -> None:
    calls(r"printf '1\t0-1\tnginx: master process\037\037\n7\t3\tnginx\037-c\037x y\037\n'")
    first, second = contained.look("c1", "front")
    assert (first.pid, first.role, first.argv, first.cpus) == (1, "front", ("nginx: master process",), (0, 1))
    assert (second.pid, second.argv, second.cpus) == (7, ("nginx", "-c", "x y"), (3,))


@pytest.mark.skipif(sys.platform != "linux", reason="reads proc")
def test_a_process_is_in_sight_if_its_number_is_the_same_process_here(
    calls: Callable[..., Callable[[], list[str]]],
) -> None:
    calls(f"sed 's/x/x/' /proc/sys/kernel/random/boot_id; sed 's/.*) //' /proc/{os.getpid()}/stat | cut -d ' ' -f 20")
    assert contained.in_sight({"Id": "c1", "State": {"Pid": os.getpid()}})
    assert not contained.in_sight({"Id": "c1", "State": {"Pid": 1}}), "another process has that number here"
    assert not contained.in_sight({"Id": "c1", "State": {"Pid": 0}})


def test_a_stack_without_an_image_fails_alone(calls: Callable[..., Callable[[], list[str]]], tmp_path: Path) -> None:
    calls()
    found = catalog.load()
    stack = found.stacks["flask/gunicorn-sync/direct"]
    planned = replace(plan_stack(stack, topfile.BUDGET), stack=replace(stack, app=replace(stack.app, language="perl")))
    with Session(home=tmp_path / "home") as session:
        started = ComposeLauncher(session, topfile.BUDGET, found, logs=tmp_path, results=None)
        (deployment,) = started.start([(planned, 0)], block=0)
    assert deployment.failure is not None
    assert "no image is built for perl" in deployment.failure.reason


# What an image is missing for

STARTS = """
case "$*" in
    "version"*) [ ! -e {gone} ] || {{ echo "Cannot connect to the Docker daemon." >&2; exit 1; }}; echo 28.2;;
    *"build {broken}"*) echo "npm error: no such package"; echo "failed to solve: npm ci: exit code: 1" >&2; exit 1;;
    "pull"*) echo "Error: pull access denied for nginx" >&2; exit 1;;
    "context inspect"*) printf 'lab\\tunix:///docker.sock\\n';;
    "ps -aq"*) echo c0 c1;;
    "container inspect"*) echo '{inspected}';;
esac
"""
TRIED = ("koa/node/direct", "flask/gunicorn-sync/direct", "flask/gunicorn-sync/nginx", "koa/node-cluster/direct")


@pytest.fixture
def starts(
    calls: Callable[..., Callable[[], list[str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[str]]:
    """An engine on which koa's image cannot be built nor nginx's fetched; everything that is started there runs."""
    labelled = [
        {**INSPECTED, "Id": name, "Config": {"Labels": {"com.docker.compose.service": service}}}
        for name, service in (("c0", "s1-app"), ("c1", "s5-app"))
    ]
    monkeypatch.setattr(launcher, "probe", lambda _: None)
    monkeypatch.setattr(launcher, "read_back", lambda *_, **__: None)
    return calls(STARTS.format(gone=tmp_path / "gone", broken="s0-app", inspected=json.dumps(labelled)))


def test_an_image_that_cannot_be_had_fails_the_stacks_that_need_it_and_no_others(
    starts: Callable[[], list[str]], tmp_path: Path
) -> None:
    found = catalog.load()
    wanted = [(plan_stack(found.stacks[name], topfile.BUDGET), 0) for name in TRIED]
    with Session(home=tmp_path / "home") as session:
        started = ComposeLauncher(session, topfile.BUDGET, found, logs=tmp_path, results=None)
        first, flask, front, cluster = started.start(wanted, block=0)
        began = len(starts())
        again = started.start(wanted, block=1)
    assert flask.failure is None
    assert [one.service for one in flask.spawned if isinstance(one, contained.Contained)] == ["s1-app"]
    for one in (first, cluster, again[0]):
        assert one.failure is not None
        assert one.failure.reason == (
            "the image forkloop-koa could not be built: failed to solve: npm ci: exit code: 1; "
            f"mend what it says, then try `bench verify --mode compose {one.planned.stack.id}`"
        )
        assert "no such package" in str(one.failure.log_tail)
    assert front.failure is not None
    assert front.failure.reason.startswith("the image nginx:1.28 could not be fetched: Error: pull access denied")
    assert [line.rpartition(" --no-build ")[2].strip() for line in starts() if " up " in line] == ["s1-app", "s5-app"]
    assert not [line for line in starts()[began:] if " build " in line or "pull" in line], (
        "what failed is not tried again"
    )


def test_an_engine_that_is_gone_is_not_taken_for_a_missing_image(
    starts: Callable[[], list[str]], tmp_path: Path
) -> None:
    found = catalog.load()
    with Session(home=tmp_path / "home") as session:
        started = ComposeLauncher(session, topfile.BUDGET, found, logs=tmp_path, results=None)
        (tmp_path / "gone").touch()
        with pytest.raises(BenchError, match="daemon does not answer: start it"):
            started.start([(plan_stack(found.stacks[TRIED[0]], topfile.BUDGET), 0)], block=0)


# The way to an address that only a container reaches

RELAYS = f'while [ "$1" != python ]; do shift; done; shift; exec {sys.executable} "$@"'


def echo(listener: socket.socket, count: int) -> None:
    for _ in range(count):
        one, _ = listener.accept()
        data = b""
        while piece := one.recv(65536):
            data += piece
        one.sendall(data[::-1])
        one.close()


def test_a_tunnel_carries_both_ways_and_the_end_of_each(calls: Callable[..., Callable[[], list[str]]]) -> None:
    read = calls(RELAYS)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = threading.Thread(target=echo, args=(listener, 2))
    server.start()
    sent = os.urandom(300_000)
    with Tunnels("helper") as tunnels:
        door = tunnels.to("127.0.0.1", port)
        assert tunnels.to("127.0.0.1", port) == door
        for _ in range(2):
            with socket.create_connection((door.host, door.port), 30) as one:
                one.sendall(sent)
                one.shutdown(socket.SHUT_WR)
                answer = b""
                while piece := one.recv(65536):
                    answer += piece
            assert answer == sent[::-1]
    server.join(30)
    listener.close()
    assert len(read()) == 2
    assert all("|exec -i helper python" in line for line in read())
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((door.host, door.port), 5)


def test_nobody_behind_a_tunnel_is_the_end_of_the_connection(calls: Callable[..., Callable[[], list[str]]]) -> None:
    calls(RELAYS)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with Tunnels("helper") as tunnels:
        door = tunnels.to("127.0.0.1", port)
        with socket.create_connection((door.host, door.port), 30) as one:
            assert one.recv(1) == b""


def test_what_prepares_and_checks_takes_the_door_and_load_the_address_itself() -> None:
    there, door = Endpoint(host="192.0.2.1", port=8080), Endpoint(host="127.0.0.1", port=1)
    rendered = Rendered(commands=(), files={}, folders=(), client=there, servers=())
    planned: Any = plan_stack(catalog.load().stacks["flask/gunicorn-sync/direct"], topfile.BUDGET)
    one = Deployment(id="x", planned=planned, copy=0, rendered=rendered, door=door)
    assert (one.client, one.reached) == (there, door)
    assert str(probe(one)).startswith("http://127.0.0.1:1: ")
    assert Deployment(id="x", planned=planned, copy=0, rendered=rendered).reached == there


def test_docker_s_words_about_contexts_and_cpus_have_a_remedy(calls: Callable[..., Callable[[], list[str]]]) -> None:
    for said, line in (
        (
            'current context "lab" is not found on the file system',
            "no such Docker context: `docker context ls` lists them",
        ),
        ("Requested CPUs are not available - requested 5, available: 0-1", "choose others with --cpus"),
    ):
        calls(f"echo '{said}' >&2; exit 1")
        with pytest.raises(BenchError) as caught:
            docker("ps")
        assert line in str(caught.value)
