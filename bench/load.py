"""Running the load generator: Locust in a process of its own, told what to do by a job file, in step with us over its pipes."""

import contextlib
import dataclasses
import json
import os
import select
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from bench.catalog import ROOT
from bench.machine import placement
from bench.model import BenchError, Budget
from bench.render import Endpoint
from bench.session import Session, Spawned

START_DEADLINE_S = 30.0
"""For Python and Locust to start."""
END_DEADLINE_S = 30.0
"""For the records to be written."""
EXIT_PATIENCE_S = 5.0
LOCUST_HTML = "FORKLOOP_LOCUST_HTML"
"""An environment variable: if it is set, Locust's own HTML report of each scenario, view and block is kept."""
"""For the process to end by itself after its last word."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One server to load: `id` is how results name it."""

    id: str
    endpoint: Endpoint
    connections: int
    rate_rps: float | None = None
    """open: arrivals a second at this target, instead of the job's."""
    batch: int | None = None
    """duet, closed: so many answers may end at once, so the rate is that over whole batches: `batches` of the answer."""


BesideKind = Literal["readers", "slow-heads", "slow-bodies", "idle"]


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Slow or idle clients beside a job's requests, with the keys of `loadtests/beside.py`; None: the engine's own value."""

    kind: BesideKind
    count: int
    path: str = "/"
    method: Literal["GET", "POST", "PUT"] | None = None
    bytes: int | None = None
    rate_bytes_s: float | None = None
    receive_buffer_bytes: int | None = None
    ramp_s: float | None = None
    settle_s: float = 10.0
    finish_s: float = 30.0

    @property
    def arrival_s(self) -> float:
        """The longest that their arrival takes."""
        return (max(self.count / 1000, 1.0) if self.ramp_s is None else self.ramp_s) + self.settle_s


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Several processes that load together: one bound to each of `cpus`, and so many `remote` ones, which `bench load-worker` starts.

    Those look for the leader at `bind` and `port`, and are waited for `wait_s` long. See docs/load-engine.md.
    """

    cpus: tuple[int, ...] = ()
    remote: int = 0
    bind: str = "127.0.0.1"
    port: int = 5557
    wait_s: float = 60.0


def each(budget: Budget) -> Workers | None:
    """One for each of the generator's CPUs, where that was asked for; None: one process."""
    return Workers(cpus=tuple(sorted(budget.load_cpus))) if budget.load_each else None


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one load process, or several, do. Times are seconds for each target."""

    scenario: str | None = None
    requests: Sequence[Mapping[str, Any]] = ()
    """Instead of a scenario: method, path and headers of what is sent to each target. Then nothing is stored but the result, unless
    `stored`."""
    stored: bool = False
    parameters: Mapping[str, int | str] = field(default_factory=dict)
    """Of the scenario, instead of its own."""
    mode: Literal["duet", "open", "closed"]
    targets: Sequence[Target]
    seed: int
    warmup_s: float
    measure_s: float
    slice_s: float | None = None
    rate_rps: float | None = None
    arrivals: Literal["constant", "poisson"] = "poisson"
    timeout_s: float = 10.0
    think_s: float = 0.0
    stages: Sequence[tuple[float, float, float]] = ()
    """(seconds, start, end) of rates in the open loop, of connections in the closed one; `measure_s` in all."""
    beside: Beside | None = None
    """Who else is there; for one target, in the open or the closed loop. The result has them under `beside`."""
    workers: Workers | None = None
    """None: one process."""


class Inside(Protocol):
    """A container that the generator runs in."""

    def load_command(self, job: Path) -> list[str]:
        """What starts the generator there with `job`; its standard input and output are those of this command."""
        ...

    def bring(self, job: Path, writes: Sequence[Path]) -> None:
        """Put the job file there, under its own path, and make the folders of what it will write."""
        ...

    def fetch(self, written: Sequence[Path]) -> None:
        """Bring what was written back to the same paths here."""
        ...

    def generator_pid(self, job: Path) -> int | None:
        """Its process id on this machine, once it runs."""
        ...


@dataclass
class Deadline:
    """A moment on the monotonic clock. It is set anew when the generator is ready and when it has measured; progress does not move it."""

    at: float


class LoadFailedError(BenchError):
    """The load process gave no result. `log` is where it said why."""

    def __init__(self, message: str, log: Path) -> None:
        super().__init__(message)
        self.log = log


def run(
    session: Session, job: Job, *, folder: Path, name: str, log: Path, cpus: Collection[int],
    on_ready: Callable[[int | None], None], on_measured: Callable[[int | None], None], on_progress: Callable[[float], None],
    work: Path, inside: Inside | None = None, keep: bool = False, on_window: Callable[[str], None] = lambda target: None,
) -> dict[str, Any]:  # fmt: skip
    """Carry out `job` and return its result as `loadtests` wrote it. With `keep`, Ctrl-C while it measures ends it early: what was recorded
    until then is the result, and its `stopped` is true.

    `on_ready` is called with the process's id when connections are open and warm and before anything is measured,
    `on_measured` when the last slice is over and before anything is written: the generator waits for both. Requests and slices
    go to `folder`/requests and /slices under `name`; where `LOCUST_HTML` is set, Locust's own report lies beside `log`.
    With `inside` it runs in that container: the job is brought there, and what it wrote is fetched; where its process cannot be seen
    from here, None stands for its id. Raises LoadFailedError.
    """
    job_path, result_path = work / f"{name}.job.json", work / f"{name}.result.json"
    paths: dict[str, str | None] = {
        "requests_path": str(folder / "requests" / f"{name}.parquet"),
        "slices_path": str(folder / "slices" / f"{name}.parquet"), "result_path": str(result_path),
    }  # fmt: skip
    if job.requests and not job.stored:
        paths |= {"requests_path": None, "slices_path": None}
    job_path.write_text(json.dumps({**_encode(job), **paths}), encoding="utf-8")
    argv = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"), "--headless",
            "--forkloop-job", str(job_path)]  # fmt: skip
    written = [Path(path) for path in paths.values() if path]
    if os.environ.get(LOCUST_HTML):
        argv += ["--html", str(log.with_suffix(".html"))]
    if inside is not None:
        inside.bring(job_path, written)
        argv = inside.load_command(job_path)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    spawned = session.spawn(argv, role="generator", cwd=ROOT, env=environment, log=log, cpus=cpus, pipes=True)
    # Drains, ramps and requests that hang until their timeout come on top of the measured time. In a duet a target is left out once two
    # timeouts, or as long as it is loaded, have been waited for it: what makes it more is a third, and the warm-up may have another.
    allowance_s = 20.0 + len(job.targets) * (3 * (job.measure_s + job.warmup_s) + 4 * job.timeout_s)
    end_deadline_s = END_DEADLINE_S
    if job.beside is not None:
        allowance_s += job.beside.arrival_s + job.timeout_s
        end_deadline_s += job.beside.finish_s
    answers: dict[str, Callable[[int | None], None]] = {"ready": on_ready, "measured": on_measured}
    replies = {"ready": "go\n", "measured": "end\n"}
    wait_s = job.workers.wait_s if job.workers else 0.0
    deadline = Deadline(time.monotonic() + START_DEADLINE_S + wait_s + allowance_s)
    try:
        try:
            for event in _events(spawned, deadline):
                kind = str(event.get("event"))
                if kind == "progress":
                    on_progress(float(event.get("done", 0.0)))
                elif kind == "window":
                    on_window(str(event["target"]))
                elif kind == "error":
                    raise LoadFailedError(f"the load generator: {event.get('message')}", log)
                elif kind in answers:
                    pid = inside.generator_pid(job_path) if inside is not None else spawned.pid
                    placement.check([pid] if pid else [], cpus, "the load generator")
                    answers.pop(kind)(pid)
                    deadline.at = time.monotonic() + (allowance_s if kind == "ready" else end_deadline_s)
                    _reply(spawned, replies[kind])
                elif kind == "done":
                    if answers:
                        raise LoadFailedError("the load generator was stopped before it had measured", log)
                    break
            else:
                raise LoadFailedError(f"the load generator ended early ({_exit(spawned)}); see {log.name}", log)
        except KeyboardInterrupt:
            if not keep or "ready" in answers:
                raise
            _cut_short(spawned)
        with contextlib.suppress(Exception):
            spawned.popen.wait(timeout=EXIT_PATIENCE_S)
        if inside is not None:
            inside.fetch(written)
        result = json.loads(result_path.read_text(encoding="utf-8"))
        if not isinstance(result, dict) or {target.id for target in job.targets} != _answered(result):
            raise ValueError(f"{result_path.name} does not answer for the targets of the job")
        requests_path = paths["requests_path"]
        if inside is not None and requests_path and result.get("recorded") == "histograms":
            inside.fetch([Path(requests_path).with_suffix(".histograms.parquet")])
    except (OSError, ValueError) as error:
        raise LoadFailedError(f"the load generator's answer cannot be used: {error}", log) from None
    finally:
        session.stop([spawned])
    return result


def _cut_short(spawned: Spawned) -> None:
    """Have the process stop and write what it has."""
    assert spawned.popen.stdin is not None
    with contextlib.suppress(OSError):
        spawned.popen.stdin.close()
    for event in _events(spawned, Deadline(time.monotonic() + END_DEADLINE_S)):
        if event.get("event") == "done":
            return


def _encode(job: Job) -> dict[str, Any]:
    targets = [
        {
            "id": target.id, "host": target.endpoint.host, "port": target.endpoint.port,
            "unix": str(target.endpoint.socket) if target.endpoint.socket else None, "connections": target.connections,
            **({"rate_rps": target.rate_rps} if target.rate_rps else {}),
            **({"batch": target.batch} if target.batch else {}),
        }
        for target in job.targets
    ]  # fmt: skip
    optional = {
        "scenario": job.scenario,
        "request": list(job.requests) or None,
        "slice_s": job.slice_s,
        "rate_rps": job.rate_rps,
        "think_s": job.think_s or None,
        "workers": {**asdict(job.workers), "cpus": list(job.workers.cpus)} if job.workers else None,
        "stages": [{"seconds": seconds, "start": start, "end": end} for seconds, start, end in job.stages] or None,
        "beside": dataclasses.asdict(job.beside) if job.beside else None,
    }
    return {
        "version": 1, "seed": job.seed, "mode": job.mode, "targets": targets, "parameters": dict(job.parameters),
        "warmup_s": job.warmup_s, "measure_s": job.measure_s, "timeout_s": job.timeout_s, "arrivals": job.arrivals,
        **{key: value for key, value in optional.items() if value is not None},
    }  # fmt: skip


def _events(spawned: Spawned, deadline: Deadline) -> Iterator[dict[str, Any]]:
    """JSON lines from the process's standard output until it closes.

    Raises LoadFailedError at the deadline, ValueError for what is no event.
    """
    pipe = spawned.popen.stdout
    assert pipe is not None
    rest = b""
    while True:
        if time.monotonic() > deadline.at:
            raise LoadFailedError("the load generator did not answer in time and was ended", spawned.log)
        if not select.select([pipe], [], [], 0.5)[0]:
            continue
        read = os.read(pipe.fileno(), 65536)
        if not read:
            return
        *lines, rest = (rest + read).split(b"\n")
        for line in lines:
            event = json.loads(line)
            if not isinstance(event, dict):
                raise ValueError(f"{line[:80]!r} is no event")
            yield event


def _answered(result: Mapping[str, Any]) -> set[str]:
    return {str(target.get("id")) for target in result.get("targets", [])}


def _reply(spawned: Spawned, text: str) -> None:
    assert spawned.popen.stdin is not None
    spawned.popen.stdin.write(text.encode())
    spawned.popen.stdin.flush()


def _exit(spawned: Spawned) -> str:
    with contextlib.suppress(Exception):
        spawned.popen.wait(timeout=EXIT_PATIENCE_S)
    code = spawned.exit_code()
    return "still running" if code is None else f"exit code {code}" if code >= 0 else f"signal {-code}"
