"""The order of events in a job, whoever carries it out: warm up, say `ready`, wait for `go`, measure window after window, say `measured`,
wait for `end`.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import gevent

from loadtests import duet
from loadtests.control import Control, Stopped
from loadtests.crowd import Crowd, crowd_of
from loadtests.job import Job
from loadtests.measured import Measured
from loadtests.rows import Phase, Window, clock

_PROGRESS_S = 0.5
PATIENCE = 2.0
"""For how many timeouts in all the slices of one target of a duet are waited for, or for as long as it is loaded where that is more.
`bench.load` allows a job the time for it.
"""


class Crew(Protocol):
    """One process that loads, or a leader of several."""

    job: Job

    def begin(self) -> None:
        """Get ready; nothing is sent yet. Raises LoadError."""

    def window(self, target: int, phase: Phase, number: int, seconds: float, lead: float) -> object:
        """Load `target` for so long, and return when nothing is in flight any more. `lead` is the share that is not counted."""

    def turn_s(self, target: int) -> float | None:
        """How long a request to this target took in the warm-up; None where there was none."""

    def silent(self, target: int) -> bool:
        """Whether nothing asked of this target in its last window was answered in as long as an answer may take."""

    def start_measuring(self) -> None:
        """What was counted so far was the warm-up."""

    def stop_measuring(self) -> None:
        """The last window is over, or was cut off."""

    def progress(self) -> dict[str, object]:
        """`done` from 0 to 1, and `rps` by target's id."""

    def close(self) -> None:
        """Hold nothing more. May be called more than once."""

    def finish(self, *, stopped: bool) -> Measured:
        """What was recorded."""


def conduct(crew: Crew, control: Control) -> Measured:
    """Carry out the crew's job. Blocks the calling greenlet only; `Stopped` thrown into it ends the job with what is recorded."""
    stopped, crowd, left_out = False, crowd_of(crew.job), dict[int, str]()
    try:
        gevent.get_hub().loop.update_now()  # timers count from the loop's last turn, which may be long ago
        crew.begin()
        if crew.job.warmup_s:
            for target in range(len(crew.job.targets)):
                crew.window(target, "warm", -1, crew.job.warmup_s, 0.0)
        if crowd is not None:
            _gather(crew, crowd)
        control.emit("ready")
        control.wait("go")
        crew.start_measuring()
        if crowd is not None:
            crowd.hold()
        progress: Any = gevent.get_hub().loop.timer(_PROGRESS_S, _PROGRESS_S)
        progress.start(lambda: control.emit("progress", **crew.progress()))
        try:
            _measure(crew, control, left_out)
        finally:
            progress.stop()
            crew.stop_measuring()
            if crowd is not None:
                crowd.release()
        control.emit("measured")
        control.wait("end")
        if crowd is not None:
            crowd.finish()
    except Stopped:
        stopped = True
    except BaseException:
        crew.close()
        raise
    finally:
        if crowd is not None:
            crowd.close()
    measured = crew.finish(stopped=stopped)
    for target, why in left_out.items():
        measured.sides[target].left_out = True
        measured.sides[target].problems.insert(0, f"{why}: left out from then on")
    if crowd is not None:
        measured.beside, measured.arrival = crowd.summary(), int(crew.job.warmup_s > 0)
    return measured


def _gather(crew: Crew, crowd: Crowd) -> None:
    """Let the clients arrive while the target is loaded, which shows what arriving does, then wait until all are in place."""
    crowd.begin()
    crew.window(0, "warm", -1, crowd.terms.arrives_s, 0.0)
    crowd.settle()


def _measure(crew: Crew, control: Control, left_out: dict[int, str]) -> None:
    """Window after window. Whoever falls silent in a duet is `left_out` from then on, with the reason: to wait for it in each slice would
    take too long. So is who answers, but leaves some requests unanswered in slice after slice: each time all wait for the timeout.
    """
    job, targets = crew.job, range(len(crew.job.targets))
    if job.mode == "duet":
        assert job.slice_s is not None
        rounds = max(1, round(job.measure_s / job.slice_s))
        times = duet.multiples(job.slice_s, rounds, [crew.turn_s(target) for target in targets])
        waited_s = [0.0] * len(targets)
        for number, (target, length) in enumerate(duet.visits(len(targets), rounds, job.seed, times)):
            if target in left_out:
                continue
            began_s, seconds = clock(), length * job.slice_s
            crew.window(target, "measure", number, seconds, job.lead)
            took_s = clock() - began_s
            if took_s >= job.timeout_s:  # what took less was slow, and not lost
                waited_s[target] += took_s - seconds
            if crew.silent(target):
                left_out[target] = f"no answer within {job.timeout_s:g} s"
            elif waited_s[target] > max(job.measure_s, PATIENCE * job.timeout_s):
                lost = f"some requests in slice after slice had no answer within {job.timeout_s:g} s"
                left_out[target] = f"{lost}, and to wait for them took {waited_s[target]:.0f} s"
    else:
        for target in targets:
            control.emit("window", target=job.targets[target].id)
            crew.window(target, "measure", target, job.measure_s, 0.0)


def done_and_rates(job: Job, windows: Sequence[Window], ended: Sequence[int]) -> dict[str, object]:
    """What `Crew.progress` says, from the windows so far and the requests that ended in them, by target."""
    elapsed = [0.0] * len(job.targets)
    now = clock()
    for window in windows:
        if window.phase == "measure":
            elapsed[window.target] += max(min(window.end_s, now) - window.start_s, 0.0)
    rates = {
        target.id: round(count / seconds, 1)
        for target, count, seconds in zip(job.targets, ended, elapsed, strict=True)
        if seconds
    }
    return {"done": round(min(sum(elapsed) / (job.measure_s * len(job.targets)), 1.0), 4), "rps": rates}
