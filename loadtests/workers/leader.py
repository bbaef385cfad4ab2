"""A job carried out by several workers: each window is ordered for a moment on the clock at which all begin, and is over when the last of
them has nothing in flight any more. Only then is the next one ordered, so that no target is ever loaded while another one is.
"""

from collections.abc import Mapping
from typing import Any

from loadtests.asked import journey_of, requests_of
from loadtests.conduct import conduct, done_and_rates
from loadtests.control import Control, Stopped, shielded
from loadtests.errors import LoadError
from loadtests.job import Job, Workers
from loadtests.measured import Measured
from loadtests.results import lateness_ms
from loadtests.rows import Phase, Window, clock
from loadtests.workers import merge, parcel
from loadtests.workers.master import Master, Worker
from loadtests.workers.parcel import Parcel
from loadtests.workers.share import check, share

EXCHANGES = 12
"""Messages there and back before the job, from which a clock is read; every window that is over within 5 s adds one."""
GUARD_S = 0.002
"""From an order to its start, at least: for the order to arrive and for the worker to be ready."""
UNCERTAINTIES = 4
"""On top of that so many times what a clock may be wrong by: two, so that a window begins after the one before has ended on every clock,
and two for the order's way, of which a clock's uncertainty is half.
"""
MOST_GUARD_S = 0.25
_PROMPT_S = 10.0
_ALLOWANCE_S = 15.0
"""On top of what a window must take."""
_MISSED_S = 0.001
"""A worker that begins so much after the others has missed the start."""


class Leader:
    """See `Crew`. The constructor finds what is wrong with the job (LoadError) before a worker is started."""

    def __init__(self, job: Job) -> None:
        assert job.workers is not None
        self.job = job
        self._wanted: Workers = job.workers
        check(job)
        self._requests = requests_of(job)
        for request in self._requests:
            journey_of(job, request)
        self._origin_s = clock()
        self._master: Master | None = None
        self._windows: list[Window] = []
        self._guard_s = GUARD_S
        self._turns_s: dict[int, float] = {}
        self._ended: dict[int, int] = {}
        self._silent: dict[int, bool] = {}
        self._missed: list[list[float]] = []

    def run(self, control: Control) -> Measured:
        """Carry out the whole job. Blocks the calling greenlet only."""
        return conduct(self, control)

    def begin(self) -> None:
        """See `Crew`: find the workers, read their clocks, and share out the job."""
        self._master = master = Master(self._wanted)
        master.gather()
        everyone = master.workers
        self._missed = [[] for _ in everyone]
        for _ in range(EXCHANGES):
            master.ask_all("clock", [{} for _ in everyone], timeout_s=_PROMPT_S)
        orders = [
            {"job": share(self.job, one.number, len(everyone)), "part": one.number, "parts": len(everyone)}
            for one in everyone
        ]
        master.ask_all("job", orders, timeout_s=3 * _PROMPT_S)

    def window(self, target: int, phase: Phase, number: int, seconds: float, lead: float) -> None:
        """See `Crew`."""
        master, job = self._there(), self.job
        start_s = clock() + self._guard()
        last = self._windows[-1] if self._windows else None
        window = Window(
            target, phase, number, last.target if last and last.phase == phase else -1, 0, start_s, start_s + seconds,
            start_s + lead * seconds, job.mode == "open",
        )  # fmt: skip
        self._windows.append(window)
        orders = [
            {
                "target": target, "phase": phase, "number": number, "seconds": seconds, "lead": lead,
                "start_s": start_s + worker.offset.read(start_s)[0],
            }
            for worker in master.workers
        ]  # fmt: skip
        answers = master.ask_all("window", orders, timeout_s=seconds + 2 * job.timeout_s + _ALLOWANCE_S)
        window.drained_s = clock()
        for missed, answer in zip(self._missed, answers, strict=True):
            late_s = float(answer["missed_s"])
            missed.extend([late_s] if late_s > _MISSED_S else [])
            self._guard_s = min(max(self._guard_s, GUARD_S + 1.5 * late_s), MOST_GUARD_S)
            if answer["turn_s"] is not None:
                self._turns_s[target] = max(self._turns_s.get(target, 0.0), float(answer["turn_s"]))
        ended = sum(int(answer["ended"]) for answer in answers)
        self._silent[target] = ended == self._ended.get(target, 0) and window.drained_s - start_s >= self.job.timeout_s
        self._ended[target] = ended

    def turn_s(self, target: int) -> float | None:
        """See `Crew`: the slowest worker's."""
        return self._turns_s.get(target)

    def silent(self, target: int) -> bool:
        """See `Crew`."""
        return self._silent.get(target, False)

    def start_measuring(self) -> None:
        """See `Crew`."""
        self._there().ask_all("measure", [{} for _ in self._there().workers], timeout_s=_PROMPT_S)
        self._ended.clear()
        self._missed = [[] for _ in self._missed]

    def stop_measuring(self) -> None:
        """See `Crew`; the workers do it as they hand in what they have."""

    def progress(self) -> dict[str, object]:
        """See `Crew`; a target's rate is that of the windows that are over."""
        return done_and_rates(
            self.job, self._windows, [self._ended.get(one, 0) for one in range(len(self.job.targets))]
        )

    def close(self) -> None:
        """See `Crew`."""
        if self._master is not None:
            self._master.close()

    def finish(self, *, stopped: bool) -> Measured:
        """See `Crew`. Raises Stopped where nothing had begun. Who is told to stop while the records are fetched gets them all the same:
        what was measured is not to be lost for the last step.
        """
        return shielded(lambda: self._finish(stopped))

    def _finish(self, stopped: bool) -> Measured:
        try:
            if self._master is None or not self._windows:
                raise Stopped
            if stopped:
                self._master.ask_all("stop", [{} for _ in self._master.workers], timeout_s=_PROMPT_S)
            return self._gather(self._master, stopped)
        finally:
            self.close()

    def _gather(self, master: Master, stopped: bool) -> Measured:
        everyone = master.workers
        answers = master.ask_all("finish", [{"stopped": stopped} for _ in everyone], timeout_s=3 * _PROMPT_S)
        parcels = [self._fetch(master, one, answer["account"]) for one, answer in zip(everyone, answers, strict=True)]
        try:
            steps = merge.steps(parcels)
            told = [self._told(worker, own) for worker, own in zip(everyone, parcels, strict=True)]
            gathered = merge.Gathered(self._windows, parcels)
            sides = [merge.side(parcels, number) for number in range(len(self.job.targets))]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise LoadError(f"what the workers recorded does not fit together: {error!r}") from None
        return Measured(
            request=self._requests[0], recorder=gathered, origin_s=self._origin_s, sides=sides, steps=steps, stopped=stopped,
            generator=merge.generator(parcels), workers=told, worker=gathered.worker,
        )  # fmt: skip

    def _fetch(self, master: Master, worker: Worker, account: Mapping[str, Any]) -> Parcel:
        try:
            pieces = [
                master.ask(worker, "piece", timeout_s=3 * _PROMPT_S, number=number)["rows"]
                for number in range(parcel.pieces(int(account["rows"])))
            ]
            return parcel.unpack(account, pieces)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise LoadError(f"{worker.name}: what it recorded cannot be read: {error!r}") from None

    def _guard(self) -> float:
        now_s = clock()
        within_s = max(worker.offset.read(now_s)[1] for worker in self._there().workers)
        return self._guard_s + UNCERTAINTIES * within_s

    def _told(self, worker: Worker, own: Parcel) -> dict[str, Any]:
        """One worker in the results."""
        ahead_s, within_s = worker.offset.read(clock())
        missed = self._missed[worker.number]
        clock_ms = None if worker.local else {"ahead_ms": ahead_s * 1000, "within_ms": within_s * 1000}
        late = [merge.side([own], number).late for number in range(len(self.job.targets))]
        return {
            "number": worker.number, "host": None if worker.local else worker.host, "cpus": list(worker.cpus),
            "clock": clock_ms, **own.generator, "missed_starts": len(missed),
            "latest_start_ms": max(missed, default=0.0) * 1000,
            "targets": [
                {
                    "id": target.id, "connections": share(self.job, worker.number, len(self._there().workers))["targets"][number][
                        "connections"
                    ],
                    "generator_cpu": merge.cpu_share(own.windows, number),
                    "late_ms": lateness_ms(one) if one is not None else None,
                }
                for number, (target, one) in enumerate(zip(self.job.targets, late, strict=True))
            ],
        }  # fmt: skip

    def _there(self) -> Master:
        assert self._master is not None
        return self._master
