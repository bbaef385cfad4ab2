"""Starting planned stacks on this machine, waiting until they answer, reading back what really runs, and stopping them."""

import contextlib
import grp
import os
import pwd
import random
import shutil
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bench import environments
from bench.companions import Companions
from bench.database.url import application_url
from bench.deployment import Deployment, answers, application_name, probe, read_back, tail
from bench.machine import find_nginx
from bench.model import BenchError, Budget, Failed
from bench.plan import PlannedStack
from bench.render import Command, Endpoint, Site, ports_needed, render
from bench.session import Session, Spawned
from bench.supervisor import configuration

HOST = "127.0.0.1"
PORTS = range(20000, 30000)
"""Below every usual range for outgoing connections (net.ipv4.ip_local_port_range), so that none of those takes a port of ours."""
READY_DEADLINE_S = 30.0
ALONE_S = 10.0
"""The next one is started when the one before is ready, or after so long."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Programs that come from no application's environment: where they are, or why they are not."""

    paths: Mapping[str, str]
    missing: Mapping[str, str]


class Launcher(Protocol):
    """What the main job needs of a way of deploying."""

    def start(
        self, wanted: Sequence[tuple[PlannedStack, int]], *, block: int, mark: str = "", env: Mapping[str, str] | None = None,
        supervised: bool = False,
    ) -> list[Deployment]:  # fmt: skip
        """Start every (stack, copy); each is ready, or carries its `failure`. `mark` makes ids unique in a block.

        `env` is added to the applications' environment: it switches optional endpoints on. `supervised`: a supervisor starts what ends.
        """
        ...

    def stop(self, deployments: Sequence[Deployment]) -> None:
        """End them; returns when nothing of them is left."""
        ...

    def versions(self, deployment: Deployment) -> dict[str, str]:
        """What is installed where it runs: from distribution to version."""
        ...

    def signal(self, deployment: Deployment, number: int, what: signal.Signals) -> None:
        """Send a signal to the leader of one of the deployment's commands, as `deployment.spawned` counts them."""
        ...

    def restart(self, deployment: Deployment, number: int) -> None:
        """End one of the deployment's commands and start it again; returns when it answers. Raises BenchError."""
        ...

    def accompany(self, names: Sequence[str], planned: PlannedStack) -> dict[str, str]:
        """Start companions (see `bench.companions`) for a stack's application; returns the `env` that leads to them. Raises BenchError."""
        ...

    def companion(self, name: str) -> Endpoint:
        """Where we reach a companion that listens."""
        ...

    def companion_pids(self, name: str) -> list[int]:
        """Process ids of a companion, as of now; empty where they are out of sight."""
        ...

    def dismiss(self) -> None:
        """End the companions."""
        ...


class NativeLauncher:
    """Processes on this machine, pinned to the server's CPUs, listening on 127.0.0.1 or unix sockets only."""

    def __init__(
        self, session: Session, budget: Budget, *, tools: Tools, database_url: str | None,
        logs: Path, configs: Path | None = None, port: int | None = None,
    ) -> None:  # fmt: skip
        self._session = session
        self._budget = budget
        self._tools = tools
        self._database_url = database_url
        self._logs = logs
        self._configs = configs
        self._port = port
        self._static: Path | None = None
        self._taken: set[int] = set()
        self.companions = Companions(session=session, budget=budget, logs=logs, free_port=self._free_port)

    def start(
        self, wanted: Sequence[tuple[PlannedStack, int]], *, block: int, mark: str = "", env: Mapping[str, str] | None = None,
        supervised: bool = False,
    ) -> list[Deployment]:  # fmt: skip
        # One after the other, since side by side each would take as long to start as all of them do; but none waits for one that hangs.
        deployments: list[Deployment] = []
        waiting: list[tuple[Deployment, float]] = []
        for planned, copy in wanted:
            deployment = self._begin(planned, copy, block, mark, env or {}, supervised)
            deployments.append(deployment)
            began = time.monotonic()
            if deployment.failure is None:
                waiting.append((deployment, began + READY_DEADLINE_S))
            while waiting and waiting[-1][0] is deployment and time.monotonic() < began + ALONE_S:
                waiting = self._still_waiting(waiting)
        while waiting:
            waiting = self._still_waiting(waiting)
        read_back(deployments, self._budget)
        return deployments

    def stop(self, deployments: Sequence[Deployment]) -> None:
        took_s = self._session.stop([one for deployment in deployments for one in deployment.spawned])
        for deployment in deployments:
            ends = [took_s[one.pid] for one in deployment.spawned if one.pid in took_s]
            deployment.stop_s = max(ends, default=None)
            deployment.spawned.clear()
            self._taken -= {deployment.client.port, *(server.port for server in deployment.rendered.servers)}

    def versions(self, deployment: Deployment) -> dict[str, str]:
        return environments.versions(deployment.planned.stack.app)

    def signal(self, deployment: Deployment, number: int, what: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(deployment.spawned[number].pid, what)

    def restart(self, deployment: Deployment, number: int) -> None:
        before, command = deployment.spawned[number], deployment.rendered.commands[number]
        servers = deployment.rendered.servers
        self._session.stop([before])
        deployment.spawned[number] = self._spawn(command, before.log)
        deadline = time.monotonic() + READY_DEADLINE_S
        while not answers(servers[number % len(servers)]):
            if deployment.spawned[number].exit_code() is not None or time.monotonic() > deadline:
                raise BenchError(f"{deployment.planned.stack.id}: {command.name} does not answer after its restart")
            time.sleep(0.01)

    def _spawn(self, command: Command, log: Path) -> Spawned:
        return self._session.spawn(
            command.argv, role=command.role, cwd=command.cwd, env=command.env, log=log, cpus=self._budget.pins(command.role),
        )  # fmt: skip

    def accompany(self, names: Sequence[str], planned: PlannedStack) -> dict[str, str]:
        return self.companions.start(names, planned)

    def companion(self, name: str) -> Endpoint:
        return self.companions.endpoints[name]

    def companion_pids(self, name: str) -> list[int]:
        return self.companions.pids().get(name, [])

    def dismiss(self) -> None:
        self.companions.stop()

    def _begin(
        self, planned: PlannedStack, copy: int, block: int, mark: str, env: Mapping[str, str], supervised: bool
    ) -> Deployment:
        stack = planned.stack
        number = f"{block}{mark}-{stack.slug}-{copy}"
        folder = self._session.scratch / f"{len(list(self._session.scratch.iterdir()))}"
        url = (
            application_url(self._database_url, application_name=application_name(number))
            if self._database_url
            else None
        )
        rendered = render(
            planned,
            Site(
                host=HOST, ports=self._ports(max(1, ports_needed(planned))), folder=folder, app_dir=stack.app.folder,
                env_dir=environments.path_of(stack.app), runners=stack.server.folder.parent.parent / "runners",
                static_dir=self._static_copy(), shm=_shm(folder), tools=self._tools.paths, user=nginx_user(), database_url=url,
                extra=env,
            ),
        )  # fmt: skip
        deployment = Deployment(id=number, planned=planned, copy=copy, rendered=rendered)
        absent = [
            self._tools.missing[one.argv[0]] for one in stack.front.processes if one.argv[0] in self._tools.missing
        ]
        if absent:
            deployment.failure = Failed(reason=absent[0])
            return deployment
        for path in rendered.folders:
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
        for path, text in rendered.files.items():
            path.write_text(text, encoding="utf-8")
            if self._configs and block == 0 and copy == 0:
                kept = self._configs / stack.slug / path.name
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(text, encoding="utf-8")
        log_dir = self._logs / f"block-{block}{mark}" / f"{stack.slug}-{copy}"
        try:
            if supervised:
                supervise(deployment, folder, log_dir)
            rendered = deployment.rendered
            for address in {rendered.client, *rendered.servers}:
                refuse_if_answered(address)
            for command in rendered.commands:
                deployment.spawned.append(self._spawn(command, log_dir / f"{command.name}.log"))
        except BenchError as error:
            deployment.failure = Failed(reason=str(error))
        return deployment

    def _still_waiting(self, waiting: Sequence[tuple[Deployment, float]]) -> list[tuple[Deployment, float]]:
        """Those of (deployment, deadline) that are neither ready nor failed."""
        left = [(deployment, deadline) for deployment, deadline in waiting if not self._settled(deployment, deadline)]
        if left:
            time.sleep(0.01)
        return left

    def _settled(self, deployment: Deployment, deadline: float) -> bool:
        """Whether `deployment` is ready or has failed; asks its processes and its addresses once."""
        for one in deployment.spawned:
            code = one.exit_code()
            if code is not None:
                what = f"exited with code {code}" if code >= 0 else f"was ended by signal {-code}"
                deployment.failure = Failed(
                    reason=f"the {one.role} process {what} while starting", log_tail=tail(one.log)
                )
                return True
        answer = probe(deployment)
        if answer is None:
            deployment.startup_s = time.monotonic() - min(one.began for one in deployment.spawned)
            return True
        if time.monotonic() > deadline:
            logs = "\n".join(filter(None, (tail(one.log) for one in deployment.spawned)))
            deployment.failure = Failed(
                reason=f"not ready within {READY_DEADLINE_S:.0f} s: {answer}", log_tail=logs or None
            )
            return True
        return False

    def _ports(self, count: int) -> list[int]:
        if self._port is not None:
            first, self._port = self._port, None
            return [first, *(self._free_port() for _ in range(count - 1))]
        return [self._free_port() for _ in range(count)]

    def _free_port(self) -> int:
        for port in random.SystemRandom().sample(PORTS, 200):
            if port not in self._taken and _is_free(port):
                self._taken.add(port)
                return port
        raise BenchError(f"no free port between {PORTS.start} and {PORTS.stop - 1}; end what listens there")

    def _static_copy(self) -> Path:
        """The static files where nginx's workers, another user when we are root, can read them."""
        if self._static is None:
            environments.make_static()
            self._static = self._session.scratch / "static"
            if not self._static.exists():  # another launcher of this session may have made it
                shutil.copytree(environments.STATIC, self._static)
        return self._static


def supervise(deployment: Deployment, folder: Path, logs: Path) -> None:
    """Have supervisord start the application's processes, and start each again that ends. Raises BenchError where it cannot be had."""
    apps = [command for command in deployment.rendered.commands if command.role == "app"]
    rest = [command for command in deployment.rendered.commands if command.role != "app"]
    config = folder / "supervisord.conf"
    logs.mkdir(parents=True, exist_ok=True)
    config.write_text(configuration(apps, folder, logs), encoding="utf-8")
    program = environments.runtime("supervisor") / "bin" / "supervisord"
    leader = Command(
        role="app", argv=(str(program), "-n", "-c", str(config)), env={"PATH": "/usr/bin:/bin"}, cwd=folder, name="supervisord"
    )  # fmt: skip
    deployment.rendered = replace(deployment.rendered, commands=(leader, *rest))
    deployment.planned = replace(deployment.planned, processes=deployment.planned.processes + 1)


def find_tools(stacks: Sequence[PlannedStack]) -> Tools:
    """Look for what `stacks` need. A missing program fails the stacks that need it, no others."""
    wanted = {process.argv[0] for planned in stacks for process in planned.stack.front.processes}
    if "nginx" not in wanted:
        return Tools(paths={}, missing={})
    try:
        return Tools(paths={"nginx": str(find_nginx().path)}, missing={})
    except BenchError as error:
        return Tools(paths={}, missing={"nginx": str(error)})


def refuse_if_answered(endpoint: Endpoint) -> None:
    """A server left over at an address would be measured under another's name. Raises BenchError."""
    if endpoint.socket is None and not _is_free(endpoint.port):
        raise BenchError(
            f"port {endpoint.port} on {endpoint.host} is taken; end what listens there or choose another with --port"
        )


def free_port() -> int:
    """One that nobody listens on, from `PORTS`. Raises BenchError."""
    for port in random.SystemRandom().sample(PORTS, 200):
        if _is_free(port):
            return port
    raise BenchError(f"no free port between {PORTS.start} and {PORTS.stop - 1}; end what listens there")


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((HOST, port))
            one.listen(1)
        except OSError:
            return False
    return True


def _shm(folder: Path) -> Path:
    shm = Path("/dev/shm")
    return shm if shm.is_dir() and os.access(shm, os.W_OK) else folder


def nginx_user() -> str | None:
    """User and group for nginx's workers where its master is root; the group's name differs between systems."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return f"nobody {grp.getgrgid(nobody.pw_gid).gr_name}"
