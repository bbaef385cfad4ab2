"""One process's work for a job: its connections, and one window after another in which a target is loaded."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from loadtests import address, opened, stages
from loadtests.alarm import sleep_until
from loadtests.asked import journey_of, requests_of
from loadtests.closed import ClosedLoop
from loadtests.conduct import conduct, done_and_rates
from loadtests.control import Control
from loadtests.generator import Meter
from loadtests.job import Job
from loadtests.limits import allow_files
from loadtests.measured import Measured, Side
from loadtests.opened import OpenLoop
from loadtests.pool import Pool
from loadtests.recorder import Phase, Recorder, clock
from loadtests.steps import Steps
from loadtests.troupe import Troupe

_FIRST_ARRIVAL_S = 0.002
"""So long after an open window is begun it starts, so that the first arrival is not late already."""

_SEEDS_APART = 7919
"""Between the seeds of one worker's connections and another's."""

Loop = ClosedLoop | OpenLoop | Troupe


class Session:
    """One job in one process, or the share `part` (from 0) of `parts` of one: then the job's connections are this part's already.

    The constructor finds what is wrong with the job (LoadError) before anything is sent. `may_try`: see `address.resolve`; for what `run`
    calls see `Crew`.
    """

    def __init__(
        self, job: Job, *, part: int = 0, parts: int = 1, may_try: Callable[[str, str], bool] | None = None
    ) -> None:
        self.job = job
        self._part, self._parts = part, parts
        self.origin_s = clock()
        self.requests = requests_of(job)
        self.recorder = Recorder(keep_rows=job.keep_requests, stages=job.stages)
        allow_files(sum(target.connections for target in job.targets) + 64)
        self.steps = Steps()
        self._journeys = [journey_of(job, request) for request in self.requests]
        self.pools = [
            Pool(
                address=address.resolve(target.host or "", target.port or 0, target.unix, may_try=may_try),
                request=request,
                connections=target.connections,
                recorder=self.recorder,
                timeout_s=job.timeout_s,
            )
            for target, request in zip(job.targets, self.requests, strict=True)
        ]
        self.loops: list[Loop] = []
        self._silent = [False] * len(self.pools)
        self._meter: Meter | None = None
        self._generator: dict[str, object] | None = None

    def run(self, control: Control) -> Measured:
        """Carry out the whole job in this process. Blocks the calling greenlet only."""
        return conduct(self, control)

    def begin(self) -> None:
        """See `Crew`."""
        self.loops = [self._loop(number) for number in range(len(self.pools))]

    def start_measuring(self) -> None:
        """See `Crew`."""
        self._forget_warmup()
        self._meter = Meter()
        self._meter.start()

    def stop_measuring(self) -> None:
        """See `Crew`."""
        if self._meter is not None:
            self._generator, self._meter = self._meter.stop(), None

    def close(self) -> None:
        """See `Crew`."""
        for loop in self.loops:
            if isinstance(loop, Troupe):
                loop.close()
        for pool in self.pools:
            pool.close()

    def finish(self, *, stopped: bool) -> Measured:
        """See `Crew`."""
        if stopped and self.recorder.windows:
            last = self.recorder.windows[-1]
            last.end_s = min(last.end_s, clock())
            last.read_cpu(clock())
        self.stop_measuring()
        self.close()
        return Measured(
            request=self.requests[0], recorder=self.recorder, origin_s=self.origin_s, steps=self.steps, stopped=stopped,
            sides=[self._side(number) for number in range(len(self.pools))],
            generator=self._generator or {"cpu_share": None, "loop_lag_ms": None},
        )  # fmt: skip

    def _side(self, number: int) -> Side:
        pool, loop = self.pools[number], self.loops[number] if self.loops else None
        side = Side(connecting=pool.tally.connecting, problems=pool.problems)
        if isinstance(loop, OpenLoop):
            side.late, side.queued, side.unanswered_s = loop.late, loop.queued, np.array(loop.unanswered_s, np.float64)
        return side

    def _loop(self, number: int) -> Loop:
        pool, kind, job = self.pools[number], self._journeys[number], self.job
        if kind is not None:
            return Troupe(pool, kind, self.steps, pool.address.host)
        if job.mode == "open":
            return OpenLoop(pool)
        return ClosedLoop(
            pool, think_s=job.think_s, think=job.think, seed=job.seed + number + _SEEDS_APART * self._part, part=self._part,
            parts=self._parts,
        )  # fmt: skip

    def turn_s(self, target: int) -> float | None:
        """See `Crew`; what ended in the drain included."""
        windows = self.recorder.windows
        warm = next((one for one, each in enumerate(windows) if each.target == target and each.phase == "warm"), None)
        if warm is None:
            return None
        end = windows[warm + 1].row if warm + 1 < len(windows) else self.recorder.rows
        rows = self.recorder.since(windows[warm].row)[: end - windows[warm].row]
        took_s = rows["end_s"] - rows["start_s"]
        took_s = took_s[np.isfinite(took_s)]
        return float(took_s.mean()) if len(took_s) else windows[warm].drained_s - windows[warm].start_s

    def silent(self, target: int) -> bool:
        """See `Crew`."""
        return self._silent[target]

    def window(
        self, target: int, phase: Phase, number: int, seconds: float, lead: float, start_s: float | None = None
    ) -> float:
        """See `Crew`. With `start_s`, the load begins at that time on `clock()`; returns by how much that was missed (0: not at all)."""
        loop = self.loops[target]
        is_open = isinstance(loop, OpenLoop)
        if start_s is not None and not is_open:
            sleep_until(start_s)
        began_s = clock()
        if start_s is None:
            start_s = began_s + _FIRST_ARRIVAL_S if is_open else began_s
        window = self.recorder.open(
            target=target, phase=phase, slice=number, start_s=start_s, seconds=seconds, keeps_late=is_open, lead_s=lead * seconds,
        )  # fmt: skip
        ended = loop.ended
        if isinstance(loop, OpenLoop):
            loop.run(window, self._due(target, phase, seconds, (self.job.seed, target, len(self.recorder.windows))))
        else:
            loop.run(window, self.job.stages if phase == "measure" else ())
        window.drained_s = clock()
        self._silent[target] = loop.ended == ended and window.drained_s - start_s >= self.job.timeout_s
        window.read_cpu(window.drained_s)
        return max(began_s - start_s, 0.0)

    def _due(self, target: int, phase: Phase, seconds: float, seed: tuple[int, ...]) -> Iterator[NDArray[np.float64]]:
        """When requests arrive within one window. The warm-up before stages is at the first rate that is above 0."""
        job = self.job
        if phase == "measure" and job.stages:
            return stages.arrivals(
                job.stages, poisson=job.arrivals == "poisson", seed=seed, part=self._part, parts=self._parts
            )
        own = job.targets[target].rate_rps
        rate_rps = own or job.rate_rps or next(stage.start or stage.mean for stage in job.stages if stage.mean)
        return opened.schedule(job.arrivals, rate_rps, seconds, seed, self._part, self._parts)

    def _forget_warmup(self) -> None:
        for pool in self.pools:
            pool.tally.connecting.forget()
        for loop in self.loops:
            loop.ended = 0
            if isinstance(loop, OpenLoop):
                loop.queued = 0
                loop.late.forget()

    def progress(self) -> dict[str, object]:
        """See `Crew`."""
        return done_and_rates(self.job, self.recorder.windows, [loop.ended for loop in self.loops])
