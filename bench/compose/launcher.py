"""Deploys planned stacks as containers of one Compose project, which lasts as long as the session."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import yaml

from bench import catalog, environments
from bench.catalog import Catalog, server_fits
from bench.compose import docker
from bench.compose.project import ENVIRONMENT, Member, Placed, database, image, place, project, suite
from bench.connections import MOST
from bench.database import data
from bench.deployment import Deployment, probe, read_back
from bench.model import App, BenchError, Budget, Failed, Role
from bench.plan import PlannedStack
from bench.render import Endpoint
from bench.service import Database, check_connections
from bench.session import Session

READY_DEADLINE_S = 60.0
POLL_S = 0.05


@dataclass(kw_only=True)
class Contained:
    """A container's first process, as the host sees it. Stands where a `session.Spawned` stands natively."""

    id: str
    service: str
    pid: int
    started: float
    role: Role
    argv: tuple[str, ...]
    log: Path

    def exit_code(self) -> int | None:
        """None while it runs."""
        if psutil.pid_exists(self.pid):
            try:
                if abs(psutil.Process(self.pid).create_time() - self.started) < 1:
                    return None
            except psutil.Error:
                pass
        state = docker.inspect([self.id])[0]["State"]
        if state["Running"]:
            return None
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_text(_logs(self.id), encoding="utf-8")
        return int(state["ExitCode"])


class ComposeLauncher:
    """See the module. Raises BenchError where Docker is absent or refuses."""

    def __init__(self, session: Session, budget: Budget, found: Catalog, *, logs: Path, results: Path | None) -> None:
        self._budget, self._catalog, self._logs, self._session = budget, found, logs, session
        self._name = f"forkloop-{session.id}"
        self._file = session.scratch / "docker-compose.json"
        self._count = 0
        self._built: set[str] = set()
        self._shared = [session.scratch, *([results] if results else [])]
        self._base: dict[str, Any] = {}
        docker.docker("compose", "version")
        docker.docker("version")
        session.own_project(self._name)

    def start_base(self, *, connections: int, load: bool) -> Database:
        """The database, filled, and the generator's container where `load` is wanted. A failure is a value."""
        check_connections(connections, MOST, "the database's container", "fewer workers with --sweep or in their ids")
        cpus = _cpus(self._budget.database_cpus)
        self._base = {"postgres": database(cpus=cpus, connections=connections, publish=True)}
        if load:
            self._base["load"] = {
                **suite(cpus=_cpus(self._budget.load_cpus)), "command": ["sleep", "infinity"], "init": True,
                "user": f"{os.getuid()}:{os.getgid()}", "stop_grace_period": "0s",
                "volumes": [f"{path.resolve()}:{path.resolve()}" for path in self._shared],
            }  # fmt: skip
        self._write([])
        if load:
            self._compose("build", "-q", "load", deadline_s=docker.BUILD_DEADLINE_S)
        self._compose("up", "-d", "--no-build", *self._base)
        address = self._compose("port", "postgres", "5432").strip()
        url = f"postgresql://forkloop:forkloop@{address}/forkloop"
        deadline = time.monotonic() + READY_DEADLINE_S
        while True:
            try:
                data.prepare(url)
                break
            except BenchError as error:
                if time.monotonic() > deadline:
                    (one,) = self._inspect(["postgres"])
                    return Database(failure=Failed(reason=str(error), log_tail=_logs(one["Id"])[-2000:]))
                time.sleep(0.2)
        (one,) = self._inspect(["postgres"])
        version = docker.docker("exec", one["Id"], "postgres", "--version").split()[2]
        return Database(url=url, version=f"{version} (postgres:17 container)", container_pid=one["State"]["Pid"])

    def start(self, wanted: Sequence[tuple[PlannedStack, int]], *, block: int, mark: str = "") -> list[Deployment]:
        """As `Launcher.start`."""
        deployments: list[Deployment] = []
        placed: list[tuple[Deployment, Placed]] = []
        for planned, copy in wanted:
            number = f"{block}{mark}-{planned.stack.slug}-{copy}"
            member = Member(planned=planned, name=f"s{self._count}", id=number)
            self._count += 1
            one = place(
                member, self._servers(planned.stack.app), cpus=_cpus(self._budget.server_cpus),
                front_cpus=_cpus(self._budget.cpus("front")),
            )  # fmt: skip
            deployments.append(Deployment(id=number, planned=planned, copy=copy, rendered=one.rendered))
            placed.append((deployments[-1], one))
        self._write([one for _, one in placed])
        self._build(placed)
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
        read_back(deployments, self._budget, shared_host=False)
        return deployments

    def stop(self, deployments: Sequence[Deployment]) -> None:
        """As `Launcher.stop`."""
        ids = [one.id for deployment in deployments for one in deployment.spawned if isinstance(one, Contained)]
        if ids:
            docker.docker("stop", "-t", "2", *ids)
            docker.docker("rm", "-f", "-v", *ids)
        for deployment in deployments:
            deployment.spawned.clear()

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
                    found["nginx"] = _nginx_version(one.id)
        return dict(sorted(found.items()))

    def load_command(self, job: Path) -> list[str]:
        """The generator's command line, to be run in its container; its standard input and output are ours."""
        (one,) = self._inspect(["load"])
        locust = ["python", "-m", "locust", "-f", "loadtests/locustfile.py", "--headless", "--forkloop-job", str(job)]
        return ["docker", "exec", "-i", one["Id"], *locust]

    def generator_pid(self, job: Path) -> int | None:
        """The generator's process id on this host: of the two whose command line names the job, the one that is not `docker exec`."""
        for process in psutil.process_iter(["cmdline"]):
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

    def _build(self, placed: Sequence[tuple[Deployment, Placed]]) -> None:
        """One service for each image that was not built in this session: layers that are there are not built again."""
        chosen = {}
        for deployment, one in placed:
            name = image(deployment.planned.stack.app)
            if name not in self._built:
                chosen[name] = next(iter(one.services))
        if chosen:
            self._compose("build", "-q", *chosen.values(), deadline_s=docker.BUILD_DEADLINE_S)
            self._built |= chosen.keys()

    def _read_back(self, deployment: Deployment, placed: Placed, inspected: dict[str, Any], block: str) -> None:
        folder = self._logs / f"block-{block}" / f"{deployment.planned.stack.slug}-{deployment.copy}"
        apps = [command for command in placed.rendered.commands if command.role == "app"]
        fronts = [command for command in placed.rendered.commands if command.role == "front"]
        for name, command in zip(placed.services, [*apps, *fronts], strict=True):
            found = inspected[name]
            pid = int(found["State"]["Pid"])
            started = psutil.Process(pid).create_time() if pid and psutil.pid_exists(pid) else 0.0
            deployment.spawned.append(
                Contained(  # type: ignore[arg-type]  # has what `deployment` reads of a Spawned
                    id=found["Id"], service=name, pid=pid, started=started, role=command.role, argv=command.argv,
                    log=folder / f"{command.name}.log",
                )
            )  # fmt: skip
        networks = inspected[placed.client]["NetworkSettings"]["Networks"]
        address = next((one["IPAddress"] for one in networks.values()), "")
        client = Endpoint(host=address, port=placed.rendered.client.port)
        # Servers behind the front are asked through it: their sockets and names exist in the containers only.
        deployment.rendered = replace(placed.rendered, client=client, servers=() if fronts else (client,))

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
            logs = "\n".join(_logs(one.id)[-1000:] for one in deployment.spawned if isinstance(one, Contained))
            deployment.failure = Failed(
                reason=f"not ready within {READY_DEADLINE_S:.0f} s: {answer}", log_tail=logs or None
            )
            return True
        return False

    def _inspect(self, services: Sequence[str]) -> list[dict[str, Any]]:
        return docker.inspect(self._compose("ps", "-aq", *services).split())

    def _compose(self, *arguments: str, deadline_s: float = 120.0) -> str:
        return docker.docker("compose", "-p", self._name, "-f", str(self._file), *arguments, deadline_s=deadline_s)


def _cpus(cpus: frozenset[int]) -> str:
    return ",".join(map(str, sorted(cpus)))


def _logs(container: str) -> str:
    run = subprocess.run(
        ["docker", "logs", "--tail", "60", container], capture_output=True, text=True, check=False, timeout=30
    )
    return run.stdout + run.stderr


def _nginx_version(container: str) -> str:
    run = subprocess.run(
        ["docker", "exec", container, "nginx", "-v"], capture_output=True, text=True, check=False, timeout=30
    )
    return run.stderr.strip().rpartition("/")[2]
