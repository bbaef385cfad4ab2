"""Deploys planned stacks as containers of one Compose project, which lasts as long as the session."""

import contextlib
import errno
import json
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import psutil
import yaml

from bench import catalog, companions, environments
from bench.catalog import Catalog, server_fits
from bench.compose import docker
from bench.compose.contained import Contained, addresses, in_sight, logs, look, nginx_version
from bench.compose.engine import engine, selection
from bench.compose.project import (
    ENVIRONMENT,
    UPSTREAM_PORT,
    VALKEY_PORT,
    Member,
    Placed,
    celery,
    database,
    place,
    project,
    suite,
    upstream,
    valkey,
)
from bench.compose.tunnel import Tunnels
from bench.connections import MOST
from bench.contract import asked, verify_deployment
from bench.database import data
from bench.deployment import Census, Deployment, census, probe, read_back
from bench.machine.placement import ranges
from bench.model import App, BenchError, Budget, Failed
from bench.plan import PlannedStack
from bench.processes import started_s
from bench.render import Endpoint, Rendered
from bench.sample import family
from bench.service import Database, check_connections
from bench.session import Session
from bench.verify import Report

READY_DEADLINE_S = 60.0
POLL_S = 0.05
COPY_DEADLINE_S = 300.0
VERIFY_DEADLINE_S = 240.0
_NOTHING = Rendered(commands=(), files={}, folders=(), client=Endpoint(host="", port=0), servers=())


class ComposeLauncher:
    """See the module. Raises BenchError where Docker is absent or refuses."""

    def __init__(self, session: Session, budget: Budget, found: Catalog, *, logs: Path, results: Path | None) -> None:
        self._budget, self._catalog, self._logs, self._session = budget, found, logs, session
        self._name = f"forkloop-{session.id}"
        self._file = session.scratch / "docker-compose.json"
        self._count = 0
        self._images: dict[str, Failed | None] = {}
        """Those that were built or fetched, and why one could not be: asked once, since it may take minutes to fail."""
        self._base: dict[str, Any] = {}
        docker.docker("compose", "version")
        self.engine = engine()
        self.near = False
        """Whether processes and addresses of containers are those of this machine."""
        self._tunnels: Tunnels | None = None
        self._companions: list[str] = []
        session.own_project(self._name, selection())

    def start_base(self, *, connections: int, load: bool) -> Database:
        """The database, filled, and the generator's container where `load` is wanted. A failure is a value."""
        check_connections(connections, MOST, "the database's container", "fewer workers with --sweep or in their ids")
        cpus = _cpus(self._budget.database_cpus)
        self._base = {"postgres": database(cpus=cpus, connections=connections, publish=True)}
        self._up("postgres")
        (one,) = self._inspect(["postgres"])
        self.near = not self.engine.remote and in_sight(one) and _reachable(addresses(one), 5432)
        if load or not self.near:
            self._base["load"] = {
                **suite(cpus=_cpus(self._budget.load_cpus)), "command": ["sleep", "infinity"], "init": True,
                "user": f"{os.getuid()}:{os.getgid()}", "stop_grace_period": "0s",
            }  # fmt: skip
            self._up("load", build=True)
        if self.near:
            address = self._compose("port", "postgres", "5432").strip()
        else:
            (helper,) = self._inspect(["load"])
            self._tunnels = self._session.enter(Tunnels(helper["Id"]))
            address = self._tunnels.to("postgres", 5432).url.removeprefix("http://")
        url = f"postgresql://forkloop:forkloop@{address}/forkloop"
        deadline = time.monotonic() + READY_DEADLINE_S
        while True:
            try:
                data.prepare(url)
                break
            except BenchError as error:
                if time.monotonic() > deadline:
                    (one,) = self._inspect(["postgres"])
                    return Database(failure=Failed(reason=str(error), log_tail=logs(one["Id"])[-2000:]))
                time.sleep(0.2)
        for service, wanted in (("postgres", self._budget.database_cpus), ("load", self._budget.load_cpus)):
            if service in self._base:
                self._check_cpus(service, wanted)
        version = docker.docker("exec", one["Id"], "postgres", "--version").split()[2]
        pid = one["State"]["Pid"] if self.near else None
        return Database(url=url, version=f"{version} (postgres:17 container)", container_pid=pid)

    def start(
        self, wanted: Sequence[tuple[PlannedStack, int]], *, block: int, mark: str = "", env: Mapping[str, str] | None = None,
        supervised: bool = False,
    ) -> list[Deployment]:  # fmt: skip
        """As `Launcher.start`."""
        deployments: list[Deployment] = []
        placed: list[tuple[Deployment, Placed]] = []
        for planned, copy in wanted:
            number = f"{block}{mark}-{planned.stack.slug}-{copy}"
            member = Member(planned=planned, name=f"s{self._count}", id=number, env=env or {}, supervised=supervised)
            self._count += 1
            deployments.append(Deployment(id=number, planned=planned, copy=copy, rendered=_NOTHING))
            try:
                one = place(
                    member, self._servers(planned.stack.app), cpus=_cpus(self._budget.server_cpus),
                    front_cpus=_cpus(self._budget.cpus("front")),
                )  # fmt: skip
            except BenchError as error:
                deployments[-1].failure = Failed(reason=str(error))
                continue
            deployments[-1].rendered = one.rendered
            placed.append((deployments[-1], one))
        if placed:
            self._write([one for _, one in placed])
        for deployment, one in placed:
            deployment.failure = self._lacking(deployment, one)
        placed = [(deployment, one) for deployment, one in placed if deployment.failure is None]
        if not placed:
            return deployments
        self._compose("up", "-d", "--no-build", *[name for _, one in placed for name in one.services])
        inspected = {
            one["Config"]["Labels"]["com.docker.compose.service"]: one
            for one in docker.inspect(docker.containers(self._name))
        }
        for deployment, one in placed:
            self._read_back(deployment, one, inspected, f"{block}{mark}")
        deadline = time.monotonic() + READY_DEADLINE_S
        waiting = [deployment for deployment in deployments if deployment.failure is None]
        while waiting:
            waiting = [deployment for deployment in waiting if not self._settled(deployment, deadline)]
            time.sleep(POLL_S if waiting else 0)
        read_back(deployments, self._budget, shared_host=False, take=self._census)
        return deployments

    def stop(self, deployments: Sequence[Deployment]) -> None:
        """As `Launcher.stop`."""
        ids = [one.id for deployment in deployments for one in deployment.spawned if isinstance(one, Contained)]
        if ids:
            docker.docker("stop", "-t", "2", *ids)
            docker.docker("rm", "-f", "-v", *ids)
        for deployment in deployments:
            deployment.spawned.clear()

    def signal(self, deployment: Deployment, number: int, what: signal.Signals) -> None:
        """As `Launcher.signal`."""
        docker.docker("kill", "-s", what.name, cast(Contained, deployment.spawned[number]).id)

    def restart(self, deployment: Deployment, number: int) -> None:
        """As `Launcher.restart`; what answers behind a front is out of reach, so it returns when the container runs again."""
        docker.docker("restart", "-t", "2", cast(Contained, deployment.spawned[number]).id)

    def accompany(self, names: Sequence[str], planned: PlannedStack) -> dict[str, str]:
        """As `Launcher.accompany`: containers of the project, on its network."""
        companions.check(names)
        app, environment = planned.stack.app, {}
        for name in [one for one in companions.NAMES if one in names]:
            if name == "upstream":
                self._base[name] = upstream(cpus=_cpus(self._budget.cpus(companions.SIDES[name])))
                environment["UPSTREAM_URL"] = f"http://upstream:{UPSTREAM_PORT}"
            elif name == "valkey":
                self._base[name] = {**valkey(), "cpuset": _cpus(self._budget.cpus(companions.SIDES[name]))}
                environment["BROKER_URL"] = f"redis://valkey:{VALKEY_PORT}/0"
            else:
                self._base[name] = celery(
                    app, self._servers(app), cpus=_cpus(self._budget.cpus(companions.SIDES[name])),
                    processes=companions.celery_processes(planned, self._budget), env=environment,
                )  # fmt: skip
            self._up(name, build=name != "valkey")
            self._companions.append(name)
            self._await(name)
        return environment

    def companion(self, name: str) -> Endpoint:
        """As `Launcher.companion`."""
        port = {"upstream": UPSTREAM_PORT, "valkey": VALKEY_PORT}[name]
        if self._tunnels is not None:
            return self._tunnels.to(name, port)
        (one,) = self._inspect([name])
        return Endpoint(host=next(iter(addresses(one)), ""), port=port)

    def companion_pids(self, name: str) -> list[int]:
        """As `Launcher.companion_pids`."""
        if not self.near:
            return []
        (one,) = self._inspect([name])
        return family(int(one["State"]["Pid"]))

    def dismiss(self) -> None:
        """As `Launcher.dismiss`."""
        ids = [one["Id"] for one in self._inspect(self._companions)] if self._companions else []
        for name in self._companions:
            self._base.pop(name)
        self._companions.clear()
        if ids:
            docker.docker("rm", "-f", "-v", *ids)

    def _await(self, name: str) -> None:
        """Until a companion is ready. Raises BenchError."""
        (one,) = self._inspect([name])
        deadline = time.monotonic() + READY_DEADLINE_S
        while not _is_ready(name, one["Id"]):
            (now,) = docker.inspect([one["Id"]])
            if not now["State"]["Running"] or time.monotonic() > deadline:
                raise BenchError(f"the container {name} is not ready: {' '.join(logs(one['Id'])[-300:].split())}")
            time.sleep(POLL_S)

    def versions(self, deployment: Deployment) -> dict[str, str]:
        """From distribution to version, asked of the container's own runtime, and the images' ids."""
        first = next((one for one in deployment.spawned if one.role == "app" and isinstance(one, Contained)), None)
        if first is None:
            return {}
        app = deployment.planned.stack.app
        command = environments.asking(app, ENVIRONMENT)
        assert command is not None, "what has an image is known"
        found = environments.told(app, docker.docker("exec", first.id, *command), environments.pinned_origin(app))
        if app.language == "python":
            found["python"] = docker.docker("exec", first.id, str(ENVIRONMENT / "bin" / "python"), "-V").split()[1]
        for one in deployment.spawned:
            if isinstance(one, Contained):
                found[f"image of {one.role}"] = docker.inspect([one.id])[0]["Image"]
                if one.role == "front":
                    found["nginx"] = nginx_version(one.id)
        return dict(sorted(found.items()))

    def verify(self, deployment: Deployment, database_url: str | None) -> Report:
        """The contract's verdict. Where containers are out of reach the verifier runs beside them, since it opens a connection a rule."""
        if self.near:
            return verify_deployment(deployment, database_url)
        inner = "postgresql://forkloop:forkloop@postgres:5432/forkloop" if database_url else None
        given = {key: list(one) if isinstance(one, frozenset) else one for key, one in asked(deployment, inner).items()}
        (helper,) = self._inspect(["load"])
        words = ["python", "-m", "bench.verify", json.dumps({**given, "url": deployment.client.url, "static": True})]
        said = docker.docker("exec", helper["Id"], *words, deadline_s=VERIFY_DEADLINE_S)
        return msgspec.convert(json.loads(said), Report)

    def load_command(self, job: Path) -> list[str]:
        """The generator's command line, to be run in its container; its standard input and output are ours."""
        (one,) = self._inspect(["load"])
        locust = ["python", "-m", "locust", "-f", "loadtests/locustfile.py", "--headless", "--forkloop-job", str(job)]
        return ["docker", "exec", "-i", one["Id"], *locust]

    def bring(self, job: Path, writes: Sequence[Path]) -> None:
        """Copy the job there, and make the folders that it will write to. Nothing is mounted: the engine may be on another machine."""
        (one,) = self._inspect(["load"])
        folders = sorted({str(path.parent) for path in (job, *writes)})
        docker.docker("exec", "-u", "0", one["Id"], "sh", "-c", 'mkdir -p "$@" && chmod 777 "$@"', "sh", *folders)
        docker.docker("cp", str(job), f"{one['Id']}:{job}")

    def fetch(self, written: Sequence[Path]) -> None:
        """Copy what the generator wrote to the same paths here, and remove it there."""
        (one,) = self._inspect(["load"])
        for path in written:
            path.parent.mkdir(parents=True, exist_ok=True)
            docker.docker("cp", f"{one['Id']}:{path}", str(path), deadline_s=COPY_DEADLINE_S)
        docker.docker("exec", "-u", "0", one["Id"], "rm", "-f", *map(str, written))

    def generator_pid(self, job: Path) -> int | None:
        """The generator's process id on this host: of the two whose command line names the job, the one that is not `docker exec`."""
        for process in psutil.process_iter(["cmdline"]) if self.near else ():
            words = process.info["cmdline"] or []
            if str(job) in words and Path(words[0]).name != "docker":
                return int(process.pid)
        return None

    def _servers(self, app: App) -> list[Any]:
        return [one for one in self._catalog.servers.values() if server_fits(app, one)]

    def _write(self, placed: Sequence[Placed]) -> None:
        services = project(placed, extra=self._base)
        for one in services["services"].values():
            one.pop("depends_on", None)
            if "build" in one:
                one["build"] = {**one["build"], "context": str(catalog.ROOT)}
        self._file.write_text(yaml.safe_dump({"name": self._name, **services}, sort_keys=False), encoding="utf-8")

    def _lacking(self, deployment: Deployment, placed: Placed) -> Failed | None:
        """Have the images of one stack, each asked for once in this session; why one cannot be had. Raises BenchError without an engine."""
        for service, made in placed.services.items():
            name = made["image"]
            if name not in self._images:
                self._images[name] = self._obtain(name, service, built="build" in made)
            if lacking := self._images[name]:
                remedy = f"mend what it says, then try `bench verify --mode compose {deployment.planned.stack.id}`"
                return replace(lacking, reason=f"{lacking.reason}; {remedy}")
        return None

    def _obtain(self, name: str, service: str, *, built: bool) -> Failed | None:
        """Build an image, whose layers that are there are not built again, or fetch it where it is not there."""
        try:
            if built:
                # Not `-q`: it would hide what the step that failed had printed.
                self._compose("build", service, deadline_s=docker.BUILD_DEADLINE_S)
            elif not docker.docker("images", "-q", name).strip():
                docker.docker("pull", "-q", name, deadline_s=docker.PULL_DEADLINE_S)
        except docker.DockerFailedError as error:
            engine()  # where that does not answer no image can be had, and that is what must be said
            said = error.said.strip()
            last = said.splitlines()[-1].strip() if said else str(error)
            what = f"the image {name} could not be {'built' if built else 'fetched'}"
            return Failed(reason=f"{what}: {last}", log_tail=said[-2000:] or None)
        return None

    def _read_back(self, deployment: Deployment, placed: Placed, inspected: dict[str, Any], block: str) -> None:
        folder = self._logs / f"block-{block}" / f"{deployment.planned.stack.slug}-{deployment.copy}"
        apps = [command for command in placed.rendered.commands if command.role == "app"]
        fronts = [command for command in placed.rendered.commands if command.role == "front"]
        for name, command in zip(placed.services, [*apps, *fronts], strict=True):
            found = inspected[name]
            pid = int(found["State"]["Pid"]) if self.near else 0
            started = started_s(pid) if pid and psutil.pid_exists(pid) else 0.0
            deployment.spawned.append(
                Contained(  # type: ignore[arg-type]  # has what `deployment` reads of a Spawned
                    id=found["Id"], service=name, pid=pid, started=started, role=command.role, argv=command.argv,
                    log=folder / f"{command.name}.log",
                )
            )  # fmt: skip
        address = next(iter(addresses(inspected[placed.client])), "")
        client = Endpoint(host=address, port=placed.rendered.client.port)
        # Servers behind the front are asked through it: their sockets and names exist in the containers only.
        deployment.rendered = replace(placed.rendered, client=client, servers=())
        if self._tunnels is not None:
            deployment.door = self._tunnels.to(address, client.port)

    def _settled(self, deployment: Deployment, deadline: float) -> bool:
        for one in deployment.spawned:
            code = one.exit_code()
            if code is not None:
                deployment.failure = Failed(
                    reason=f"the {one.role} container exited with code {code} while starting",
                    log_tail=one.log.read_text(encoding="utf-8")[-2000:] or None,
                )
                return True
        answer = probe(deployment)
        if answer is None:
            return True  # `startup_s` stays unknown: containers start in Docker's own order, and are first asked when all are up
        if time.monotonic() > deadline:
            said = "\n".join(logs(one.id)[-1000:] for one in deployment.spawned if isinstance(one, Contained))
            deployment.failure = Failed(
                reason=f"not ready within {READY_DEADLINE_S:.0f} s: {answer}", log_tail=said or None
            )
            return True
        return False

    def _census(self, deployment: Deployment) -> tuple[Census, ...]:
        if self.near:
            return census(deployment)
        inside: list[Census] = []
        for one in deployment.spawned:
            with contextlib.suppress(BenchError):  # one that has just ended shows by what is missing
                inside += look(cast(Contained, one).id, one.role)
        return tuple(sorted(inside, key=lambda one: (one.role, one.pid)))

    def _check_cpus(self, service: str, wanted: frozenset[int]) -> None:
        (one,) = self._inspect([service])
        for process in look(one["Id"], "service"):
            if set(process.cpus) != wanted:
                raise BenchError(
                    f"the container {service} may use CPUs {ranges(process.cpus)}, and {ranges(wanted)} were planned; "
                    "see whether the engine enforces cpusets (docker info)"
                )

    def _up(self, service: str, *, build: bool = False) -> None:
        self._write([])
        if build:
            self._compose("build", "-q", service, deadline_s=docker.BUILD_DEADLINE_S)
        self._compose("up", "-d", "--no-build", service)

    def _inspect(self, services: Sequence[str]) -> list[dict[str, Any]]:
        return docker.inspect(self._compose("ps", "-aq", *services).split())

    def _compose(self, *arguments: str, deadline_s: float = 120.0) -> str:
        return docker.docker("compose", "-p", self._name, "-f", str(self._file), *arguments, deadline_s=deadline_s)


def _reachable(hosts: Sequence[str], port: int) -> bool:
    """Whether packets get there and back: being refused is an answer too."""
    for host in hosts:
        with socket.socket() as one:
            one.settimeout(2.0)
            if one.connect_ex((host, port)) in (0, errno.ECONNREFUSED):
                return True
    return False


def _is_ready(name: str, container: str) -> bool:
    said = logs(container)
    if name == "celery":
        return companions.is_ready(said)
    if name == "valkey":
        return "Ready to accept connections" in said
    code = f"import socket; socket.create_connection(('127.0.0.1', {UPSTREAM_PORT}), 1)"
    try:
        docker.docker("exec", container, "python", "-I", "-S", "-c", code)
    except BenchError:
        return False
    return True


def _cpus(cpus: frozenset[int]) -> str:
    return ",".join(map(str, sorted(cpus)))
