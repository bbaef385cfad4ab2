"""Starting planned stacks on this machine, waiting until they answer, reading back what really runs, and stopping them."""

import contextlib
import grp
import os
import pwd
import random
import shutil
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx
import psutil

from bench import environments
from bench.database.url import application_url
from bench.machine import find_nginx
from bench.model import BenchError, Budget, Failed, Role
from bench.plan import PlannedStack
from bench.render import Endpoint, Rendered, Site, ports_needed, render
from bench.session import Session, Spawned, members

HOST = "127.0.0.1"
PORTS = range(20000, 30000)
"""Below every usual range for outgoing connections (net.ipv4.ip_local_port_range), so that none of those takes a port of ours."""
READY_DEADLINE_S = 30.0
TAIL_LINES = 30


@dataclass(frozen=True, kw_only=True)
class Census:
    """One process as it runs: read back from the system, not from the plan."""

    pid: int
    role: Role
    argv: tuple[str, ...]
    cpus: tuple[int, ...]


@dataclass(kw_only=True)
class Deployment:
    """A stack that was started. `failure` is set where it does not run as planned."""

    id: str
    planned: PlannedStack
    copy: int
    rendered: Rendered
    spawned: list[Spawned] = field(default_factory=list)
    startup_s: float | None = None
    """From the first process's start to the first 200 through the front."""
    census: tuple[Census, ...] = ()
    failure: Failed | None = None

    @property
    def client(self) -> Endpoint:
        """Where clients connect."""
        return self.rendered.client

    def pids(self, role: Role) -> list[int]:
        """Process ids of one role, children included, as of now."""
        return sorted({p.pid for one in self.spawned if one.role == role for p in members(one.pid, one.started)})


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Programs that come from no application's environment: where they are, or why they are not."""

    paths: Mapping[str, str]
    missing: Mapping[str, str]


class Launcher(Protocol):
    """What the main job needs of a way of deploying."""

    def start(self, wanted: Sequence[tuple[PlannedStack, int]], *, block: int) -> list[Deployment]:
        """Start every (stack, copy) side by side; each is ready, or carries its `failure`."""
        ...

    def stop(self, deployments: Sequence[Deployment]) -> None:
        """End them; returns when nothing of them is left."""
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

    def start(self, wanted: Sequence[tuple[PlannedStack, int]], *, block: int) -> list[Deployment]:
        deployments = [self._begin(planned, copy, block) for planned, copy in wanted]
        deadline = time.monotonic() + READY_DEADLINE_S
        waiting = [deployment for deployment in deployments if deployment.failure is None]
        while waiting:
            waiting = [deployment for deployment in waiting if not self._settled(deployment, deadline)]
            if waiting:
                time.sleep(0.01)
        for deployment in deployments:
            if deployment.failure is None:
                deployment.census = census(deployment)
                deployment.failure = self._differs(deployment)
        return deployments

    def stop(self, deployments: Sequence[Deployment]) -> None:
        self._session.stop([one for deployment in deployments for one in deployment.spawned])
        for deployment in deployments:
            deployment.spawned.clear()
            self._taken -= {deployment.client.port, *(server.port for server in deployment.rendered.servers)}

    def _begin(self, planned: PlannedStack, copy: int, block: int) -> Deployment:
        stack = planned.stack
        number = f"{block}-{stack.slug}-{copy}"
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
                static_dir=self._static_copy(), shm=_shm(folder), tools=self._tools.paths, user=_nginx_user(), database_url=url,
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
        log_dir = self._logs / f"block-{block}" / f"{stack.slug}-{copy}"
        try:
            for address in {rendered.client, *rendered.servers}:
                refuse_if_answered(address)
            for command in rendered.commands:
                deployment.spawned.append(
                    self._session.spawn(
                        command.argv, role=command.role, cwd=command.cwd, env=command.env,
                        log=log_dir / f"{command.name}.log", cpus=self._budget.server_cpus if self._budget.pinned else (),
                    )
                )  # fmt: skip
        except BenchError as error:
            deployment.failure = Failed(reason=str(error))
        return deployment

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
            first = min(one.started for one in deployment.spawned)
            deployment.startup_s = time.time() - first
            return True
        if time.monotonic() > deadline:
            logs = "\n".join(filter(None, (tail(one.log) for one in deployment.spawned)))
            deployment.failure = Failed(
                reason=f"not ready within {READY_DEADLINE_S:.0f} s: {answer}", log_tail=logs or None
            )
            return True
        return False

    def _differs(self, deployment: Deployment) -> Failed | None:
        """Where what runs is not what was planned, the figures would stand under a wrong name."""
        planned = deployment.planned
        counted = {role: sum(one.role == role for one in deployment.census) for role in ("app", "front")}
        for role, expected in (("app", planned.processes), ("front", planned.front_processes)):
            if counted[role] != expected:
                return Failed(reason=f"{counted[role]} processes of the role {role} run, {expected} were planned")
        wanted = tuple(sorted(self._budget.server_cpus))
        stray = [one for one in deployment.census if self._budget.pinned and one.cpus != wanted]
        if stray:
            return Failed(reason=f"process {stray[0].pid} may use CPUs {stray[0].cpus}, {wanted} were planned")
        unlike = next((one for one in deployment.spawned if not _runs_as_told(one, deployment.census)), None)
        if unlike:
            return Failed(reason=f"process {unlike.pid} does not show the planned command line {' '.join(unlike.argv)}")
        owned = {one.pid for one in deployment.census}
        stranger = next((e for e in {deployment.client, *deployment.rendered.servers} if not _owned(e, owned)), None)
        return Failed(reason=f"{stranger.url} is answered by a process that is not ours") if stranger else None

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
            shutil.copytree(environments.STATIC, self._static)
        return self._static


def find_tools(stacks: Sequence[PlannedStack]) -> Tools:
    """Look for what `stacks` need. A missing program fails the stacks that need it, no others."""
    wanted = {process.argv[0] for planned in stacks for process in planned.stack.front.processes}
    if "nginx" not in wanted:
        return Tools(paths={}, missing={})
    try:
        return Tools(paths={"nginx": str(find_nginx().path)}, missing={})
    except BenchError as error:
        return Tools(paths={}, missing={"nginx": str(error)})


def application_name(deployment_id: str) -> str:
    """By what PostgreSQL tells one deployment's connections from another's; it keeps 63 bytes of a name."""
    return deployment_id if len(deployment_id) <= 63 else f"{deployment_id[:30]}~{deployment_id[-32:]}"


def died(deployment: Deployment) -> Failed | None:
    """Why the deployment no longer runs, None while it does."""
    for one in deployment.spawned:
        code = one.exit_code()
        if code is not None:
            what = f"exited with code {code}" if code >= 0 else f"was ended by signal {-code}"
            return Failed(reason=f"the {one.role} process {what}", log_tail=tail(one.log))
    return None


def probe(deployment: Deployment) -> str | None:
    """None when every server process and the front answer `/healthz` with 200, else what stands in the way."""
    stack = deployment.planned.stack
    servers = deployment.rendered.servers if stack.server.speaks == "http" else ()
    for endpoint in dict.fromkeys((*servers, deployment.client)):
        if endpoint.socket and (refused := _refused(endpoint.socket)):
            return f"{endpoint.socket}: {refused}"
        try:
            transport = httpx.HTTPTransport(uds=str(endpoint.socket) if endpoint.socket else None, verify=False)
            with httpx.Client(transport=transport, timeout=2.0, trust_env=False) as client:
                answer = client.get(f"{endpoint.url}/healthz")
        except httpx.HTTPError as error:
            return f"{endpoint.socket or endpoint.url}: {str(error) or type(error).__name__}"
        if answer.status_code != 200:
            return f"{endpoint.socket or endpoint.url}/healthz answered {answer.status_code}"
    return None


def census(deployment: Deployment) -> tuple[Census, ...]:
    """Every process of the deployment with its command line and the CPUs it may use."""
    found = []
    for one in deployment.spawned:
        for process in members(one.pid, one.started):
            with contextlib.suppress(psutil.Error):
                cpus = tuple(process.cpu_affinity()) if sys.platform == "linux" else ()
                found.append(
                    Census(pid=process.pid, role=one.role, argv=tuple(process.cmdline()), cpus=tuple(sorted(cpus)))
                )
    return tuple(sorted(found, key=lambda one: (one.role, one.pid)))


def tail(path: Path, lines: int = TAIL_LINES) -> str | None:
    """The last lines of a log, None where there is none."""
    with contextlib.suppress(OSError):
        text = path.read_text(encoding="utf-8", errors="replace").rstrip()
        return "\n".join(text.splitlines()[-lines:]) or None
    return None


def refuse_if_answered(endpoint: Endpoint) -> None:
    """A server left over at an address would be measured under another's name. Raises BenchError."""
    if endpoint.socket is None and not _is_free(endpoint.port):
        raise BenchError(
            f"port {endpoint.port} on {endpoint.host} is taken; end what listens there or choose another with --port"
        )


def _refused(path: Path) -> str | None:
    """Why nobody can connect to a unix socket, None where one can. httpx leaves its socket open where connecting fails."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(2.0)
        try:
            one.connect(str(path))
        except OSError as error:
            return error.strerror or "timed out"
    return None


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((HOST, port))
            one.listen(1)
        except OSError:
            return False
    return True


def _runs_as_told(spawned: Spawned, found: Sequence[Census]) -> bool:
    """nginx and PostgreSQL rewrite their command lines, so only applications are held to it; a script shows its interpreter first."""
    if spawned.role != "app":
        return True
    seen = next((one.argv for one in found if one.pid == spawned.pid), ())
    wanted = spawned.argv[1:]
    return seen[len(seen) - len(wanted) :] == wanted


def _owned(endpoint: Endpoint, pids: set[int]) -> bool:
    """Whether the listener at a TCP address is one of `pids` (Linux; elsewhere it is not asked)."""
    if endpoint.socket is not None or sys.platform != "linux":
        return True
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            for connection in psutil.Process(pid).net_connections(kind="tcp4"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == endpoint.port:
                    return True
    return False


def _shm(folder: Path) -> Path:
    shm = Path("/dev/shm")
    return shm if shm.is_dir() and os.access(shm, os.W_OK) else folder


def _nginx_user() -> str | None:
    """User and group for nginx's workers where its master is root; the group's name differs between systems."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return f"nobody {grp.getgrgid(nobody.pw_gid).gr_name}"
