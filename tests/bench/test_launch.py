"""Real processes on this machine: a small server on the standard library plays the application, well and badly."""

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import psutil
import pytest
from made_stacks import Tree, budget

from bench import catalog, environments, launch, static
from bench import deployment as deployment_module
from bench.deployment import Census, Deployment, application_name, died, probe, tail
from bench.launch import NativeLauncher, Tools, find_tools
from bench.machine import find_nginx
from bench.model import BenchError, Budget, Failed
from bench.plan import PlannedStack, plan_stack
from bench.render import Endpoint
from bench.session import Session, Spawned

HANG_S = 30.0

SERVE = """
import os, signal, socket, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import UnixStreamServer

class Handler(BaseHTTPRequestHandler):
    status = 200
    def do_GET(self):
        self.send_response(self.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def address_string(self):
        return "client"
    def log_message(self, *_):
        pass

kind, _, place = sys.argv[1].partition(":")
print("started with", os.environ["DB_POOL_MAX"], os.environ.get("DATABASE_URL"), file=sys.stderr, flush=True)

def serve():
    if kind == "unix":
        class Server(UnixStreamServer):
            def get_request(self):
                return self.socket.accept()[0], ("client", 0)
        server = Server(place, Handler)
        os.chmod(place, 0o666)
    else:
        HTTPServer.address_family = socket.AF_INET
        HTTPServer.server_bind = lambda self: (self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
            self.socket.bind(self.server_address), setattr(self, "server_name", "x"), setattr(self, "server_port", 0))
        server = HTTPServer((kind, int(place)), Handler)
    server.serve_forever()
"""
WELL = "serve()"
FORKS = "os.fork() or time.sleep(1000)\nserve()"
FORKS_LATE = """
def fork_when_answered():
    time.sleep(0.5)
    os.fork() or time.sleep(1000)
import threading
threading.Thread(target=fork_when_answered, daemon=True).start()
serve()
"""
HALF_DEAD = "Handler.status = 503\nserve()"
SAYS_WHY = 'sys.exit("no module named app")'
KILLED = "os.kill(os.getpid(), 9)"
ANOTHER_NAME = """
if "--again" not in sys.argv: os.execv(sys.executable, [sys.executable, *sys.argv, "--again"])
serve()
"""
WANDERS = "os.sched_setaffinity(0, {cpu for cpu in map(int, sys.argv[2].split(','))})\nserve()"
STRANGER = """
if not os.fork():
    os.setsid()
    if not os.fork():
        print("pid", os.getpid(), file=sys.stderr, flush=True)
        serve()
    os._exit(0)
os.wait()
time.sleep(1000)
"""

ONE_PORT = """
try: os.close(os.open(__file__ + ".first", os.O_CREAT | os.O_EXCL))
except FileExistsError:
    while not os.path.exists(__file__ + ".open"): time.sleep(0.01)
class Server(HTTPServer):
    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "x", 0
Server((kind, int(place)), Handler).serve_forever()
"""

Launch = Callable[..., NativeLauncher]


@pytest.fixture
def world(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """A tree whose applications are scripts, and an environment for them that is only this interpreter."""
    bin_dir = tmp_path / "env" / "bin"
    bin_dir.mkdir(parents=True)
    (bin_dir / "python").symlink_to(sys.executable)
    monkeypatch.setattr(environments, "path_of", lambda _: tmp_path / "env")
    monkeypatch.setattr(environments, "STATIC", tmp_path / "static")
    monkeypatch.setattr(static, "FILES", {"1kb.bin": 1024})
    tree.front("direct")
    tree.server(
        "plain", '[workers]\nrule = "1"\nprocesses = "workers"', argv='["python", "-I", "-S", "{target}", "{bind}"]'
    )
    return tree


@pytest.fixture
def native(live: Session, here: Budget, tmp_path: Path) -> Launch:
    def make(**changes: object) -> NativeLauncher:
        values: dict[str, object] = {
            "tools": Tools(paths={}, missing={}), "database_url": None, "logs": tmp_path / "logs", "configs": tmp_path / "configs",
        }  # fmt: skip
        return NativeLauncher(live, here, **{**values, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture(autouse=True)
def impatient_census(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment_module, "FORKING_S", 0.2)


def app(world: Tree, script: str, name: str = "ant", stack: str = "plain/direct") -> PlannedStack:
    folder = world.app(name, '[interfaces]\nwsgi = "app.py"').parent
    (folder / "app.py").write_text(SERVE + script)
    return plan_stack(world.stack(f"{name}/{stack}"), budget())


def start(launcher: NativeLauncher, *planned: PlannedStack) -> list[Deployment]:
    return launcher.start([(one, 0) for one in planned], block=0)


def failure(launcher: NativeLauncher, planned: PlannedStack) -> Failed:
    (deployment,) = start(launcher, planned)
    assert deployment.failure is not None
    return deployment.failure


def all_gone(pids: list[int]) -> bool:
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "READY_DEADLINE_S", 0.5)


# A good day


def test_a_stack_becomes_ready_and_stopping_leaves_nothing(
    world: Tree, native: Launch, live: Session, here: Budget, tmp_path: Path
) -> None:
    launcher = native(database_url="postgresql://bench@127.0.0.1/bench")
    (deployment,) = start(launcher, app(world, WELL))
    assert deployment.failure is None
    assert deployment.id == "0-ant--plain--direct-0"
    assert deployment.startup_s is not None
    assert deployment.startup_s > 0
    assert died(deployment) is None
    assert httpx.get(f"{deployment.client.url}/healthz", trust_env=False).text == "ok"
    (one,) = deployment.census
    assert (one.role, one.cpus) == ("app", tuple(sorted(here.server_cpus)) if here.pinned else ())
    assert one.argv[1:] == ("-I", "-S", "app.py", f"127.0.0.1:{deployment.client.port}")
    assert deployment.pids("app") == [one.pid]
    assert deployment.pids("front") == []
    log = (tmp_path / "logs/block-0/ant--plain--direct-0/app-0.log").read_text()
    assert log.startswith("started with 12 postgresql://bench@127.0.0.1/bench?")
    assert "application_name=" in log
    launcher.stop([deployment])
    assert all_gone([one.pid])
    assert deployment.pids("app") == []
    with socket.socket() as probe_socket:
        assert probe_socket.connect_ex(("127.0.0.1", deployment.client.port)) != 0


def test_stacks_and_copies_run_side_by_side_on_ports_of_their_own(world: Tree, native: Launch) -> None:
    ant, bee = app(world, WELL), app(world, WELL, "bee")
    launcher = native()
    deployments = launcher.start([(ant, 0), (ant, 1), (bee, 0)], block=2)
    assert [one.failure for one in deployments] == [None] * 3
    assert [one.id for one in deployments] == [
        "2-ant--plain--direct-0",
        "2-ant--plain--direct-1",
        "2-bee--plain--direct-0",
    ]
    assert len({one.client.port for one in deployments}) == 3
    assert len({one.rendered.folders[0] for one in deployments}) == 3
    launcher.stop(deployments[:1])
    assert died(deployments[1]) is None
    assert probe(deployments[2]) is None
    launcher.stop(deployments)


def test_one_of_a_deployments_processes_is_restarted_in_its_place(world: Tree, native: Launch) -> None:
    launcher = native()
    (deployment,) = start(launcher, app(world, WELL))
    before, at = deployment.spawned[0], deployment.client
    launcher.restart(deployment, 0)
    assert all_gone([before.pid])
    assert (deployment.spawned[0].argv, deployment.client) == (before.argv, at)
    assert probe(deployment) is None
    launcher.signal(deployment, 0, signal.SIGKILL)
    deployment.spawned[0].popen.wait(HANG_S)
    assert died(deployment) == Failed(reason="the app process was ended by signal 9", log_tail=tail(before.log))
    launcher.signal(deployment, 0, signal.SIGKILL)  # nobody is there any more
    launcher.stop([deployment])


def test_a_restart_that_does_not_succeed_is_named(world: Tree, native: Launch) -> None:
    launcher, planned = native(), app(world, WELL)
    (deployment,) = start(launcher, planned)
    (planned.stack.app.folder / "app.py").write_text("raise SystemExit(3)")
    with pytest.raises(BenchError, match="ant/plain/direct: app-0 does not answer after its restart"):
        launcher.restart(deployment, 0)
    launcher.stop([deployment])


def test_what_an_experiment_switches_on_reaches_the_application(world: Tree, native: Launch) -> None:
    launcher = native(database_url="postgresql://bench@127.0.0.1/bench")
    planned = app(world, WELL)
    (deployment,) = launcher.start([(planned, 0)], block=0, env={"DB_POOL_MAX": "77"})
    assert "started with 77" in deployment.spawned[0].log.read_text()
    launcher.stop([deployment])


def test_a_supervised_deployment_is_its_supervisors(
    world: Tree, native: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a script in supervisord's place, which starts the one program of its configuration, and another when that ends."""
    program = tmp_path / "supervisor" / "bin" / "supervisord"
    program.parent.mkdir(parents=True)
    program.write_text(
        f"#!{sys.executable}\n"
        "import configparser, shlex, subprocess, sys\n"
        "read = configparser.RawConfigParser(); read.read(sys.argv[3]); one = read[read.sections()[1]]\n"
        "env = dict(pair.split('=', 1) for pair in one['environment'].replace('%%', '%').replace('\"', '').split(','))\n"
        "while True: subprocess.run(shlex.split(one['command']), cwd=one['directory'], env=env)\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(environments, "runtime", lambda name: tmp_path / name)
    launcher = native()
    (deployment,) = launcher.start([(app(world, WELL), 0)], block=0, supervised=True)
    assert deployment.failure is None
    assert deployment.planned.processes == len(deployment.census) == 2
    (leader,) = deployment.spawned
    assert leader.argv[1:] == ("-n", "-c", str(deployment.rendered.folders[0] / "supervisord.conf"))
    victim = next(one.pid for one in deployment.census if one.pid != leader.pid)
    os.kill(victim, signal.SIGKILL)
    deadline = time.monotonic() + HANG_S
    while probe(deployment) is not None or victim in deployment.pids("app"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    pids = deployment.pids("app")
    launcher.stop([deployment])
    assert all_gone(pids)


def test_companions_of_a_launcher_end_when_they_are_dismissed(world: Tree, native: Launch) -> None:
    launcher, planned = native(), app(world, WELL)
    env = launcher.accompany(["upstream"], planned)
    assert env == {"UPSTREAM_URL": launcher.companion("upstream").url}
    assert httpx.get(f"{env['UPSTREAM_URL']}/wait?ms=1", trust_env=False).json() == {"waited_ms": 1}
    (pid,) = launcher.companion_pids("upstream")
    launcher.dismiss()
    assert all_gone([pid])
    assert launcher.companion_pids("upstream") == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it cannot be known who listens")
def test_of_several_on_one_port_all_have_to_listen(
    world: Tree, native: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "READY_DEADLINE_S", 2.0)
    path = world.server(
        "plain", '[workers]\nrule = "2"\nprocesses = "workers"', argv='["python", "-I", "-S", "{target}", "{bind}"]'
    )
    path.write_text(path.read_text() + 'instances = "workers"\n')
    planned = app(world, ONE_PORT)
    (deployment,) = start(native(), planned)
    late = [one for one in deployment.spawned if not deployment_module.listens(one.pid)]
    assert deployment.failure is not None
    assert deployment.failure.reason == f"not ready within 2 s: process {late[0].pid} does not listen yet"
    (planned.stack.app.folder / "app.py.open").touch()
    deadline = time.monotonic() + HANG_S
    while probe(deployment) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    port = deployment.client.port
    assert [deployment_module.listens(one.pid, port) for one in deployment.spawned] == [True, True]
    assert deployment_module.listens(deployment.spawned[0].pid, port + 1) is False
    assert deployment_module.listens(2**22 + 1) is None


def test_the_next_is_started_when_the_one_before_is_ready_or_hangs(
    world: Tree, native: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "ALONE_S", 0.3)
    monkeypatch.setattr(launch, "READY_DEADLINE_S", 1.0)
    launcher, planned = native(), app(world, f"time.sleep(0.1)\n{WELL}")
    first, second = launcher.start([(planned, 0), (planned, 1)], block=0)
    ready = first.spawned[0].began + (first.startup_s or 0.0)
    assert first.startup_s
    assert ready <= second.spawned[0].began
    launcher.stop([first, second])
    (planned.stack.app.folder / "app.py").write_text("import time\ntime.sleep(1000)\n")
    first, second = launcher.start([(planned, 0), (planned, 1)], block=1)
    assert second.spawned[0].began - first.spawned[0].began < 1.0, "it does not wait for one that hangs"
    assert [one.failure and one.failure.reason.partition(":")[0] for one in (first, second)] == [
        "not ready within 1 s"
    ] * 2
    launcher.stop([first, second])


def test_a_second_block_finds_fresh_folders(world: Tree, native: Launch) -> None:
    launcher, planned = native(), app(world, WELL)
    folders = []
    for block in range(2):
        (deployment,) = launcher.start([(planned, 0)], block=block)
        assert deployment.failure is None
        folders.append(deployment.rendered.folders[0])
        launcher.stop([deployment])
    assert folders[0] != folders[1]


def test_nginx_in_front_over_a_unix_socket(world: Tree, native: Launch, tmp_path: Path) -> None:
    source = catalog.ROOT / "deploy" / "fronts" / "nginx"
    target = world.root / "deploy" / "fronts" / "nginx"
    target.mkdir(parents=True)
    for name in ("front.toml", "nginx.conf.j2"):
        (target / name).write_text((source / name).read_text())
    planned = app(world, WELL, stack="plain/nginx")
    tools = find_tools([planned])
    assert tools == Tools(paths={"nginx": str(find_nginx().path)}, missing={})
    launcher = native(tools=tools)
    (deployment,) = start(launcher, planned)
    assert deployment.failure is None, deployment.failure
    assert sorted(one.role for one in deployment.census) == ["app", "front", "front"]
    answer = httpx.get(f"{deployment.client.url}/healthz", trust_env=False)
    assert answer.headers["server"].startswith("nginx/")
    static = httpx.get(f"{deployment.client.url}/static/1kb.bin", trust_env=False)
    assert static.content == (tmp_path / "static" / "1kb.bin").read_bytes()
    kept = tmp_path / "configs" / "ant--plain--nginx" / "nginx.conf"
    assert kept.read_text() == next(iter(deployment.rendered.files.values()))
    pids = [one.pid for one in deployment.census]
    launcher.stop([deployment])
    assert all_gone(pids)


def test_a_port_of_ones_choice_is_for_the_first_stack(world: Tree, native: Launch) -> None:
    port = launch.free_port()
    launcher = native(port=port)
    (deployment,) = start(launcher, app(world, WELL))
    assert (deployment.failure, deployment.client.port) == (None, port)


# Bad days


def test_one_that_dies_while_starting_fails_with_the_tail_of_its_log(world: Tree, native: Launch) -> None:
    found = failure(native(), app(world, SAYS_WHY))
    assert found.reason == "the app process exited with code 1 while starting"
    assert found.log_tail is not None
    assert found.log_tail.splitlines()[-1] == "no module named app"


def test_one_that_is_killed_while_starting(world: Tree, native: Launch) -> None:
    assert failure(native(), app(world, KILLED)).reason == "the app process was ended by signal 9 while starting"


@pytest.mark.usefixtures("soon")
def test_one_that_never_becomes_ready(world: Tree, native: Launch) -> None:
    silent, half_dead = app(world, "time.sleep(1000)"), app(world, HALF_DEAD, "bee")
    one, other = start(native(), silent, half_dead)
    assert one.failure is not None
    assert one.failure.reason.startswith(f"not ready within 0 s: {one.client.url}: ")
    assert other.failure is not None
    assert other.failure.reason.startswith("not ready within 0 s: ")


def test_not_ready_is_what_answers_something_else(world: Tree, native: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[str | None] = []
    monkeypatch.setattr(launch, "probe", lambda one: answers.append(probe(one)) or answers[-1])
    clock = iter([0.0])
    monkeypatch.setattr(
        launch, "time", _Time(lambda: next(clock, 0.0) if not any("answered" in str(one) for one in answers) else 1e9)
    )
    found = failure(native(), app(world, HALF_DEAD))
    assert found.reason.endswith("/healthz answered 503")


class _Time:
    """The module `time` with another clock."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.monotonic = monotonic
        self.time = time.time
        self.sleep = time.sleep


def test_one_that_fails_does_not_keep_the_others(world: Tree, native: Launch) -> None:
    bad, good = app(world, SAYS_WHY), app(world, WELL, "bee")
    first, second = start(native(), bad, good)
    assert first.failure is not None
    assert second.failure is None


@pytest.mark.usefixtures("impatient")
def test_more_processes_than_planned_are_a_failure(world: Tree, native: Launch) -> None:
    assert failure(native(), app(world, FORKS)).reason == "2 processes of the role app run, 1 were planned"


def test_a_worker_that_comes_after_the_first_answer_is_waited_for(
    world: Tree, native: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment_module, "FORKING_S", HANG_S)
    (one,) = start(native(), replace(app(world, FORKS_LATE), processes=2))
    assert one.failure is None
    assert len(one.census) == 2


def test_fewer_processes_than_planned_are_a_failure(world: Tree, native: Launch) -> None:
    planned = replace(app(world, WELL), processes=4)
    assert failure(native(), planned).reason == "1 processes of the role app run, 4 were planned"


def test_a_front_that_is_not_there_is_a_failure(world: Tree, native: Launch) -> None:
    planned = replace(app(world, WELL), front_processes=2)
    assert failure(native(), planned).reason == "0 processes of the role front run, 2 were planned"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins")
def test_a_process_that_leaves_its_cpus_is_a_failure(world: Tree, native: Launch, here: Budget) -> None:
    others = sorted(os.sched_getaffinity(0) - here.server_cpus)
    if not others:
        pytest.skip("needs two CPUs")
    path = world.server(
        "plain", '[workers]\nrule = "1"\nprocesses = "workers"',
        argv=f'["python", "-I", "-S", "{{target}}", "{{bind}}", "{others[0]}"]',
    )  # fmt: skip
    assert path.exists()
    found = failure(native(), app(world, WANDERS))
    assert found.reason.endswith(f"may use CPUs ({others[0]},), {tuple(here.server_cpus)} were planned")


def test_a_front_with_cpus_of_its_own_is_started_and_held_to_them(
    world: Tree, live: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.front("proxy", '[[process]]\nrole = "front"\nargv = ["proxy"]')
    planned = replace(app(world, WELL, stack="plain/proxy"), front_processes=1)
    apart = replace(budget(pinned=True), front_cpus=frozenset({7}))
    cpus: dict[str, object] = {}
    monkeypatch.setattr(live, "spawn", lambda argv, **how: cpus.update({how["role"]: how["cpus"]}) or stopped(how))
    launcher = NativeLauncher(live, apart, tools=Tools(paths={}, missing={}), database_url=None, logs=tmp_path)
    (deployment,) = start(launcher, planned)
    assert cpus == {"app": {0}, "front": {7}}
    deployment.spawned.clear()
    seen = {"app": (0,), "front": (7,)}

    def verdict(**changes: tuple[int, ...]) -> Failed | None:
        deployment.census = tuple(
            Census(pid=number, role=role, argv=(), cpus={**seen, **changes}[role])
            for number, role in enumerate(("app", "front"))
        )
        return deployment_module.differs(deployment, apart, shared_host=False)

    assert verdict() is None
    assert verdict(front=(0,)) == Failed(reason="process 1 may use CPUs (0,), (7,) were planned")
    assert verdict(app=(0, 7)) == Failed(reason="process 0 may use CPUs (0, 7), (0,) were planned")


def stopped(how: dict[str, Any]) -> Spawned:
    gone = cast(Any, SimpleNamespace(poll=lambda: 1))
    return Spawned(pid=1, started=0.0, role=how["role"], argv=(), log=how["log"], popen=gone)


def test_another_command_line_is_a_failure(world: Tree, native: Launch) -> None:
    found = failure(native(), app(world, ANOTHER_NAME))
    assert "does not show the planned command line " in found.reason
    assert "app.py 127.0.0.1:" in found.reason


def test_a_command_of_one_word_may_be_planned(world: Tree, native: Launch) -> None:
    folder = world.app("ant").parent
    script = folder / "serve"
    script.write_text(f"#!{sys.executable} -IS\n" + SERVE.replace("sys.argv[1]", "os.environ['BIND']") + WELL)
    script.chmod(0o755)
    path = world.server("plain", '[workers]\nrule = "1"\nprocesses = "workers"', argv=f'["{script}"]')
    path.write_text(path.read_text() + 'env = { BIND = "{bind}" }\n')
    (deployment,) = start(native(), plan_stack(world.stack("ant/plain/direct"), budget()))
    assert deployment.failure is None, deployment.failure


@pytest.fixture
def strangers(tmp_path: Path) -> Iterator[None]:
    """Ends those that STRANGER detached from everything we could find them by."""
    yield
    for log in tmp_path.glob("logs/**/*.log"):
        for line in log.read_text().splitlines():
            if line.startswith("pid "):
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(int(line.split()[1]), signal.SIGKILL)
                    os.waitpid(int(line.split()[1]), 0)


@pytest.mark.usefixtures("strangers")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the owner of a port is not asked for")
def test_an_address_that_a_stranger_answers_is_a_failure(world: Tree, native: Launch) -> None:
    found = failure(native(), app(world, STRANGER))
    assert found.reason.startswith("http://127.0.0.1:")
    assert found.reason.endswith(" is answered by a process that is not ours")


def test_a_port_that_is_taken_is_named(world: Tree, native: Launch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        found = failure(native(port=port), app(world, WELL))
    assert found.reason == f"port {port} on 127.0.0.1 is taken; end what listens there or choose another with --port"


def test_no_port_is_free(world: Tree, native: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_is_free", lambda _: False)
    with pytest.raises(BenchError, match="no free port between 20000 and 29999"):
        start(native(), app(world, WELL))


def test_a_program_that_is_not_there_fails_its_stack_alone(world: Tree, native: Launch) -> None:
    world.server("missing", '[workers]\nrule = "1"\nprocesses = "1"', argv='["gunicorn"]')
    bad, good = app(world, WELL, stack="missing/direct"), app(world, WELL)
    first, second = start(native(), bad, good)
    assert first.failure is not None
    assert first.failure.reason.startswith("cannot start ")
    assert first.failure.reason.endswith("/env/bin/gunicorn: No such file or directory")
    assert second.failure is None


def test_without_nginx_what_needs_it_fails_with_the_reason(
    world: Tree, native: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> None:
        raise BenchError("no nginx 1.18 or newer; run `make setup`")

    world.front("nginx", '[[process]]\nrole = "front"\nargv = ["nginx"]')
    monkeypatch.setattr(launch, "find_nginx", absent)
    needs, other = app(world, WELL, stack="plain/nginx"), app(world, WELL, "bee")
    tools = find_tools([needs, other])
    assert tools == Tools(paths={}, missing={"nginx": "no nginx 1.18 or newer; run `make setup`"})
    first, second = start(native(tools=tools), needs, other)
    assert first.failure == Failed(reason="no nginx 1.18 or newer; run `make setup`")
    assert second.failure is None
    assert find_tools([other]) == Tools(paths={}, missing={})


def test_one_that_dies_later_says_how(world: Tree, native: Launch) -> None:
    (deployment,) = start(native(), app(world, WELL))
    assert died(deployment) is None
    os.kill(deployment.spawned[0].pid, signal.SIGKILL)
    deadline = time.monotonic() + HANG_S
    while died(deployment) is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert died(deployment) == Failed(reason="the app process was ended by signal 9", log_tail="started with 12 None")
    assert probe(deployment) is not None


# Small parts


def test_names_for_the_database_are_short_and_distinct() -> None:
    assert application_name("0-flask--sync--nginx-0") == "0-flask--sync--nginx-0"
    names = {application_name(f"0-django+raw--{'x' * 60}--nginx-{copy}") for copy in range(2)}
    assert len(names) == 2
    assert all(len(name) <= 63 for name in names)


def test_the_tail_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert tail(path) is None
    path.write_text("\n\n")
    assert tail(path) is None
    path.write_bytes(b"\n".join(b"%d \xff" % number for number in range(100)) + b"\n\n")
    assert tail(path, 2) == "98 \ufffd\n99 \ufffd"
    text = tail(path)
    assert text is not None
    assert len(text.splitlines()) == deployment_module.TAIL_LINES


def test_a_socket_is_never_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        launch.refuse_if_answered(Endpoint(host="127.0.0.1", port=port, socket=Path("/nowhere")))
        with pytest.raises(BenchError, match=f"port {port} on 127.0.0.1 is taken"):
            launch.refuse_if_answered(Endpoint(host="127.0.0.1", port=port))
