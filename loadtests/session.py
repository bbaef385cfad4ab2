"""Runs a job: warms up, waits for the word, measures, and hands back what was recorded, also when it is stopped half-way."""

import resource
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import gevent
import numpy as np
from numpy.typing import NDArray

from loadtests import address, duet, opened, scenario, stages
from loadtests.closed import ClosedLoop
from loadtests.control import Control, Stopped
from loadtests.errors import LoadError
from loadtests.generator import Meter
from loadtests.job import Job
from loadtests.journey import EngineUser
from loadtests.opened import OpenLoop
from loadtests.pool import Pool
from loadtests.recorder import Phase, Recorder, clock
from loadtests.steps import Steps
from loadtests.troupe import Troupe, user_class

_PROGRESS_S = 0.5


Loop = ClosedLoop | OpenLoop | Troupe


@dataclass(slots=True)
class Measured:
    """What a job has recorded. One entry of each list for every target, in the job's order."""

    request: scenario.Request
    recorder: Recorder
    origin_s: float
    """The job's start on `clock()`."""
    pools: list[Pool]
    loops: list[Loop]
    generator: dict[str, object]
    steps: Steps
    stopped: bool = False


class Session:
    """One job. The constructor finds what is wrong with it (LoadError) before anything is sent."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.origin_s = clock()
        self.requests = _requests(job)
        self.request = self.requests[0]
        self.recorder = Recorder(keep_rows=job.keep_requests)
        _allow_files(sum(target.connections for target in job.targets) + 64)
        self.steps = Steps()
        self._journeys = [_journey(job, request) for request in self.requests]
        self.pools = [
            Pool(
                address=address.resolve(target.host or "", target.port or 0, target.unix),
                request=request,
                connections=target.connections,
                recorder=self.recorder,
                timeout_s=job.timeout_s,
            )
            for target, request in zip(job.targets, self.requests, strict=True)
        ]

    def run(self, control: Control) -> Measured:
        """Warm up, say `ready`, wait for `go`, measure, say `measured`, wait for `end`. Blocks the calling greenlet only."""
        gevent.get_hub().loop.update_now()  # timers count from the loop's last turn, which may be long ago
        meter = Meter()
        loops = [self._loop(number) for number in range(len(self.pools))]
        measured = Measured(self.request, self.recorder, self.origin_s, self.pools, loops, {}, self.steps)
        try:
            if self.job.warmup_s:
                for target in range(len(loops)):
                    self._window(loops, target, "warm", -1, self.job.warmup_s)
            control.emit("ready")
            control.wait("go")
            self._forget_warmup(loops)
            meter.start()
            progress: Any = gevent.get_hub().loop.timer(_PROGRESS_S, _PROGRESS_S)
            progress.start(lambda: control.emit("progress", **self._progress(loops)))
            try:
                self._measure(loops)
            finally:
                progress.stop()
                measured.generator = meter.stop()
            control.emit("measured")
            control.wait("end")
        except Stopped:
            measured.stopped = True
            if self.recorder.windows:
                last = self.recorder.windows[-1]
                last.end_s = min(last.end_s, clock())
                last.read_cpu(clock())
        finally:
            for loop in loops:
                if isinstance(loop, Troupe):
                    loop.close()
            for pool in self.pools:
                pool.close()
        measured.generator = measured.generator or meter.stop()
        return measured

    def _loop(self, number: int) -> Loop:
        pool, kind = self.pools[number], self._journeys[number]
        if kind is not None:
            return Troupe(pool, kind, self.steps, pool.address.host)
        if self.job.mode == "open":
            return OpenLoop(pool)
        return ClosedLoop(pool, think_s=self.job.think_s, think=self.job.think, seed=self.job.seed + number)

    def _measure(self, loops: list[Loop]) -> None:
        job = self.job
        if job.mode == "duet":
            assert job.slice_s is not None
            rounds = max(1, round(job.measure_s / job.slice_s))
            times = duet.multiples(job.slice_s, rounds, [self._turn_s(target) for target in range(len(loops))])
            for number, (target, length) in enumerate(duet.visits(len(loops), rounds, job.seed, times)):
                self._window(loops, target, "measure", number, length * job.slice_s, lead=job.lead)
        else:
            for target in range(len(loops)):
                self._window(loops, target, "measure", target, job.measure_s)

    def _turn_s(self, target: int) -> float | None:
        """How long a request to this target took in the warm-up, the drain included, by Little's law; None where there was none."""
        warm = [window for window in self.recorder.windows if window.target == target and window.phase == "warm"]
        if not warm:
            return None
        (window,) = warm
        rows = self.recorder.windows
        following = rows.index(window) + 1
        end = rows[following].row if following < len(rows) else self.recorder.rows
        asked = max(end - window.row, 1)
        return len(self.pools[target].connections) * max(window.drained_s - window.start_s, 0.0) / asked

    def _window(
        self,
        loops: list[Loop],
        target: int,
        phase: Phase,
        number: int,
        seconds: float,
        lead: float = 0.0,
    ) -> None:
        loop = loops[target]
        is_open = isinstance(loop, OpenLoop)
        window = self.recorder.open(
            target=target,
            phase=phase,
            slice=number,
            start_s=clock(),
            seconds=seconds,
            keeps_late=is_open,
            lead_s=lead * seconds,
        )
        if isinstance(loop, OpenLoop):
            window.start_s += 0.002  # so that the first arrival is not late already
            window.end_s += 0.002
            window.counted_s += 0.002
            seed = (self.job.seed, target, len(self.recorder.windows))
            loop.run(window, self._due(target, phase, seconds, seed))
        else:
            loop.run(window, self.job.stages if phase == "measure" else ())
        window.drained_s = clock()
        window.read_cpu(window.drained_s)

    def _due(self, target: int, phase: Phase, seconds: float, seed: tuple[int, ...]) -> Iterator[NDArray[np.float64]]:
        """When requests arrive within one window. The warm-up before stages is at the first rate that is above 0."""
        job = self.job
        if phase == "measure" and job.stages:
            return stages.arrivals(job.stages, poisson=job.arrivals == "poisson", seed=seed)
        own = job.targets[target].rate_rps
        rate_rps = own or job.rate_rps or next(stage.start or stage.mean for stage in job.stages if stage.mean)
        return opened.schedule(job.arrivals, rate_rps, seconds, seed)

    def _forget_warmup(self, loops: list[Loop]) -> None:
        for pool in self.pools:
            pool.tally.connecting.forget()
        for loop in loops:
            loop.ended = 0
            if isinstance(loop, OpenLoop):
                loop.queued = 0
                loop.late.forget()

    def _progress(self, loops: list[Loop]) -> dict[str, object]:
        elapsed = [0.0] * len(loops)
        now = clock()
        for window in self.recorder.windows:
            if window.phase == "measure":
                elapsed[window.target] += max(min(window.end_s, now) - window.start_s, 0.0)
        rates = {
            target.id: round(loop.ended / seconds, 1)
            for target, loop, seconds in zip(self.job.targets, loops, elapsed, strict=True)
            if seconds
        }
        return {"done": round(min(sum(elapsed) / (self.job.measure_s * len(loops)), 1.0), 4), "rps": rates}


def _requests(job: Job) -> list[scenario.Request]:
    """What is sent to each target."""
    if job.request is not None:
        asked = job.request if isinstance(job.request, tuple) else (job.request,) * len(job.targets)
        return [scenario.inline(each.method, each.path, each.headers) for each in asked]
    assert job.scenario is not None
    request = scenario.resolve(job.scenario, job.parameters)
    if job.check_every is not None:
        request = replace(request, every=job.check_every)
    return [request] * len(job.targets)


def _journey(job: Job, request: scenario.Request) -> type[EngineUser] | None:
    if request.journey is None:
        return None
    if job.mode == "open":
        raise LoadError(
            f"scenario {request.name!r} is a journey: its users wait for each answer, so there is no rate of arrivals; use a closed loop"
        )
    if job.stages or job.think_s:
        raise LoadError(f"scenario {request.name!r} is a journey: it takes neither stages nor think_s")
    return user_class(request.journey)


def _allow_files(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed or soft == resource.RLIM_INFINITY:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise LoadError(f"{needed} open files are needed, the limit is {hard}; raise it: ulimit -Hn {needed}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
