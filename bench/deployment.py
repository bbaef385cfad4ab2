"""One stack as it runs: its processes, whether it answers, and whether it is what was planned, all read back from the system."""

import contextlib
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from bench.model import Budget, Failed, Role
from bench.plan import PlannedStack
from bench.processes import Table, table
from bench.render import Endpoint, Rendered
from bench.session import Spawned, members

TAIL_LINES = 30
FORKING_S = 5.0
"""From the first answer to the last worker's start."""


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
    stop_s: float | None = None
    """From SIGTERM to the end of its last process, all deployments of the block being ended at once; None until then."""
    census: tuple[Census, ...] = ()
    failure: Failed | None = None
    known: frozenset[int] = frozenset()
    """Process ids of the last look; `missing` of them had gone by then without another in their place."""
    missing: int = 0
    answering: frozenset[int] = frozenset()
    """Processes that were found to answer requests."""
    door: Endpoint | None = None
    """Where we reach it, if its own address is not this machine's to reach; clients are where that is."""

    @property
    def client(self) -> Endpoint:
        """Where clients connect."""
        return self.rendered.client

    @property
    def reached(self) -> Endpoint:
        """Where this process, which prepares and checks, connects."""
        return self.door or self.client

    def pids(self, role: Role, among: Table | None = None) -> list[int]:
        """Process ids of one role, children included, as of now (or of `among`)."""
        mine = [one for one in self.spawned if one.role == role]
        now = among or (table() if mine else Table({}))
        return sorted({pid for one in mine for pid in now.family(one.pid, one.started)})


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
    for endpoint in dict.fromkeys((*servers, deployment.reached)):
        if fault := _fault(endpoint):
            return fault
    return _silent(deployment)


def answers(endpoint: Endpoint) -> bool:
    """Whether `/healthz` is answered 200 there."""
    return _fault(endpoint) is None


def _fault(endpoint: Endpoint) -> str | None:
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
                    Census(
                        pid=process.pid,
                        role=one.role,
                        argv=tuple(filter(None, process.cmdline())),
                        cpus=tuple(sorted(cpus)),
                    )
                )
    return tuple(sorted(found, key=lambda one: (one.role, one.pid)))


def tail(path: Path, lines: int = TAIL_LINES) -> str | None:
    """The last lines of a log, None where there is none."""
    with contextlib.suppress(OSError):
        text = path.read_text(encoding="utf-8", errors="replace").rstrip()
        return "\n".join(text.splitlines()[-lines:]) or None
    return None


def read_back(
    deployments: Sequence[Deployment], budget: Budget, *, shared_host: bool = True,
    take: Callable[[Deployment], tuple[Census, ...]] | None = None,
) -> None:  # fmt: skip
    """Take the census of those that answer. A first worker may answer while its master still forks the others: they get `FORKING_S`."""
    waiting = [one for one in deployments if one.failure is None]
    deadline = time.monotonic() + FORKING_S
    while waiting:
        found = []
        for one in waiting:
            one.census = (take or census)(one)
            found.append((one, differs(one, budget, shared_host=shared_host)))
        late = time.monotonic() > deadline
        for one, failure in found:
            one.failure = failure if late else None
        waiting = [] if late else [one for one, failure in found if failure]
        if waiting:
            time.sleep(0.05)


def differs(deployment: Deployment, budget: Budget, *, shared_host: bool = True) -> Failed | None:
    """Where what runs is not what was planned, the figures would stand under a wrong name.

    `shared_host`: whether a stranger might listen at its addresses; a container's are its own.
    """
    planned = deployment.planned
    counted = {role: sum(one.role == role for one in deployment.census) for role in ("app", "front")}
    for role, expected in (("app", planned.processes), ("front", planned.front_processes)):
        if counted[role] != expected:
            return Failed(reason=f"{counted[role]} processes of the role {role} run, {expected} were planned")
    for one in deployment.census:
        if budget.pinned and set(one.cpus) != budget.cpus(one.role):
            wanted = tuple(sorted(budget.cpus(one.role)))
            return Failed(reason=f"process {one.pid} may use CPUs {one.cpus}, {wanted} were planned")
    unlike = next((one for one in deployment.spawned if not _runs_as_told(one, deployment.census)), None)
    if unlike:
        return Failed(reason=f"process {unlike.pid} does not show the planned command line {' '.join(unlike.argv)}")
    if not shared_host:
        return None
    owned = {one.pid for one in deployment.census}
    stranger = next((e for e in {deployment.client, *deployment.rendered.servers} if not _owned(e, owned)), None)
    return Failed(reason=f"{stranger.url} is answered by a process that is not ours") if stranger else None


def _silent(deployment: Deployment) -> str | None:
    """Which of several commands that share one address does not listen at it yet: an answer is only ever one's."""
    apps = [one for one in deployment.spawned if one.role == "app"]
    if len(apps) > 1 and deployment.planned.stack.server.endpoints == "one":
        late = next((one for one in apps if listens(one.pid) is False), None)
        return f"process {late.pid} does not listen yet" if late else None
    return None


def listens(pid: int, port: int | None = None) -> bool | None:
    """Whether a process listens on a TCP port, or on any, in whatever network namespace it is; None where that cannot be known.

    From proc_pid_net(5): the state 0A is LISTEN, addresses end in the port in hexadecimal, and an open socket's link names its inode.
    """
    try:
        rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
        end = "" if port is None else f":{port:04X}"
        listening = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and row[1].endswith(end)}
        return any(str(link.readlink()) in listening for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return None


def _refused(path: Path) -> str | None:
    """Why nobody can connect to a unix socket, None where one can. httpx leaves its socket open where connecting fails."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(2.0)
        try:
            one.connect(str(path))
        except OSError as error:
            return error.strerror or "timed out"
    return None


def _runs_as_told(spawned: Spawned, found: Sequence[Census]) -> bool:
    """nginx and PostgreSQL rewrite their command lines, so only applications are held to it; a script shows its interpreter first."""
    if spawned.role != "app":
        return True
    wanted = spawned.argv[1:]
    # The number is 0 where the process is out of sight; then one that shows the command line is it.
    seen = [one.argv for one in found if one.pid == spawned.pid or not spawned.pid]
    return any(argv[len(argv) - len(wanted) :] == wanted for argv in seen)


def _owned(endpoint: Endpoint, pids: set[int]) -> bool:
    """Whether the listener at a TCP address is one of `pids` (Linux; elsewhere it is not asked)."""
    if endpoint.socket is not None or sys.platform != "linux":
        return True
    return any(listens(pid, endpoint.port) for pid in pids)
