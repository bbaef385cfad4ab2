"""What a job file says: the orders of one measurement, as JSON. Read strictly: unknown keys and impossible values are errors."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from loadtests.beside import Beside
from loadtests.beside import check as check_beside
from loadtests.errors import LoadError
from loadtests.schema import build
from loadtests.stages import Stage
from loadtests.stages import check as check_stages


@dataclass(frozen=True, kw_only=True)
class Target:
    """One thing to load: `host` and `port`, or the path of a unix socket."""

    id: str
    connections: int
    host: str | None = None
    port: int | None = None
    unix: str | None = None
    rate_rps: float | None = None
    """open: arrivals a second here, instead of the job's."""
    batch: int | None = None
    """duet, closed: so many answers may end at once, since so many requests wait together: the rate is taken over whole batches."""


@dataclass(frozen=True, kw_only=True)
class Inline:
    """A request of the user's own instead of a scenario: any status below 400 is right, any body will do."""

    path: str
    method: Literal["GET", "POST", "PUT", "DELETE"] = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Several processes that load together: see docs/load-engine.md."""

    cpus: tuple[int, ...] = ()
    """One on this machine for each, bound to it."""
    remote: int = 0
    """So many more are waited for, on this machine or on others: `bench load-worker` starts them."""
    bind: str = "127.0.0.1"
    """The address at which those find the leader. Nobody is asked who they are: it belongs into a network of your own."""
    port: int = 5557
    wait_s: float = 60.0
    """How long they are waited for."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One measurement of one scenario on one or more targets. Times of `warmup_s` and `measure_s` are for each target."""

    version: Literal[1]
    mode: Literal["duet", "closed", "open"]
    targets: tuple[Target, ...]
    measure_s: float
    requests_path: Path | None
    slices_path: Path | None
    result_path: Path
    scenario: str | None = None
    request: Inline | tuple[Inline, ...] | None = None
    """Instead of a scenario: one request for all targets, or one for each."""
    seed: int = 0
    warmup_s: float = 0.0
    timeout_s: float = 10.0
    """A request is given up so long after its intended start."""
    parameters: Mapping[str, int | str] = field(default_factory=dict)
    slice_s: float | None = None
    """duet: how long a target is loaded at a time; longer for one so slow that it would take fewer than `duet.TURNS` turns."""
    lead: float = 0.2
    """duet: the share of a slice at its beginning in which nothing is counted."""
    rate_rps: float | None = None
    """open: arrivals a second, for each target; targets are loaded one after the other."""
    arrivals: Literal["constant", "poisson"] = "constant"
    stages: tuple[Stage, ...] = ()
    """open: instead of `rate_rps`, rates that change over time; closed: numbers of connections that do. They last `measure_s` together."""
    think_s: float = 0.0
    """closed: how long a connection waits between an answer and its next request."""
    think: Literal["constant", "exponential"] = "constant"
    """Whether that time is the same always, or exponential with that mean (seeded)."""
    keep_requests: int = 2_000_000
    """So many requests are kept one by one; those after them as counts and histograms, so that memory does not grow."""
    beside: Beside | None = None
    """open, closed: slow or idle clients that are there beside the requests; for one target."""
    check_every: int | None = None
    """Overrides the scenario's `check.every`."""
    workers: Workers | None = None
    """Left out: the process that reads the job loads by itself."""


def read(path: Path) -> Job:
    """The job in the file at `path`. Raises LoadError."""
    try:
        table = json.loads(path.read_text())
    except OSError as error:
        raise LoadError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise LoadError(f"{path}: not JSON ({error})") from None
    return parse(table, str(path))


def parse(table: object, where: str, *, parts: int = 1) -> Job:
    """The job in `table`, or one of so many `parts` of one; `where` begins each error. Raises LoadError."""
    job = build(Job, table, where)
    _check(job, where, parts)
    return job


def _check(job: Job, where: str, parts: int) -> None:
    if not job.targets:
        raise LoadError(f"{where}: targets: name at least one")
    ids = [target.id for target in job.targets]
    if len(set(ids)) != len(ids):
        raise LoadError(f"{where}: targets: an id occurs twice")
    for target in job.targets:
        if target.connections < 1:
            raise LoadError(f"{where}: targets: {target.id}: connections must be 1 or more")
        if target.rate_rps is not None and (job.mode != "open" or job.stages or not target.rate_rps > 0):
            raise LoadError(f"{where}: targets: {target.id}: rate_rps is for the open loop without stages, and above 0")
        if target.batch is not None and (job.mode == "open" or target.batch < 1):
            raise LoadError(f"{where}: targets: {target.id}: batch is 1 or more, and not for the open loop")
        if target.unix is None and not (target.host and 0 < (target.port or 0) < 65536):
            raise LoadError(f"{where}: targets: {target.id}: needs a host and a port from 1 to 65535, or unix, a path")
    if (job.scenario is None) == (job.request is None):
        raise LoadError(f"{where}: give either scenario or request")
    if isinstance(job.request, tuple) and len(job.request) != len(job.targets):
        raise LoadError(f"{where}: request: give one, or one for each target")
    _check_loop(job, where, parts)
    if job.beside is not None:
        if job.mode == "duet" or len(job.targets) > 1:
            raise LoadError(f"{where}: beside is for one target in mode 'open' or 'closed'")
        check_beside(job.beside, f"{where}: beside")
    needed = {"duet": "slice_s", "open": "rate_rps"}.get(job.mode)
    own = job.mode == "open" and (bool(job.stages) or all(target.rate_rps for target in job.targets))
    if needed and getattr(job, needed) is None and not own:
        raise LoadError(f"{where}: {needed} is needed in mode {job.mode!r}")
    for key in ("measure_s", "timeout_s", "slice_s", "rate_rps", "keep_requests", "check_every"):
        value = getattr(job, key)
        if value is not None and not value > 0:
            raise LoadError(f"{where}: {key} must be above 0, got {value}")
    if not 0 <= job.lead < 1:
        raise LoadError(f"{where}: lead must be from 0 to below 1, got {job.lead}")
    if not 0 <= job.think_s < math.inf:
        raise LoadError(f"{where}: think_s must not be negative, got {job.think_s}")
    if job.workers is not None and (len(job.workers.cpus) + job.workers.remote < 1 or job.workers.remote < 0):
        raise LoadError(f"{where}: workers: name CPUs, or a number of remote ones above 0")
    if job.warmup_s < 0:
        raise LoadError(f"{where}: warmup_s must not be negative, got {job.warmup_s}")
    for key in ("requests_path", "slices_path", "result_path"):
        path = getattr(job, key)
        if path is not None and not path.parent.is_dir():
            raise LoadError(f"{where}: {key}: the folder {path.parent} does not exist; make it first")


def _check_loop(job: Job, where: str, parts: int) -> None:
    if job.think_s and job.mode != "closed":
        raise LoadError(f"{where}: think_s is for the closed loop, not for {job.mode!r}")
    if not job.stages:
        return
    if job.mode == "duet":
        raise LoadError(f"{where}: stages are for the open or the closed loop, not for 'duet'")
    if job.rate_rps is not None:
        raise LoadError(f"{where}: give either rate_rps or stages")
    check_stages(job.stages, f"{where}: stages")
    seconds = sum(stage.seconds for stage in job.stages)
    if not math.isclose(seconds, job.measure_s, rel_tol=1e-6):
        raise LoadError(f"{where}: the stages last {seconds:g} s, measure_s says {job.measure_s:g}")
    if job.mode == "closed":
        most = max(max(stage.start, stage.end) for stage in job.stages)
        low = next((target.id for target in job.targets if parts * target.connections + parts - 1 < most), None)
        if low is not None:
            raise LoadError(f"{where}: targets: {low}: connections is below the stages' {most:g}")
