"""What concurrency costs: how many waiting requests one process holds, what a computation does to the others, and what a crash does.

Each of the three is the experiment of its own kind, one after the other on the same deployments. See docs/claims.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from bench.experiments import Outcome
from bench.experiments import burn as burns
from bench.experiments import crash as crashes
from bench.experiments import slots as waits
from bench.lab import Found, Lab, PlannedArm, job_name


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of this kind of experiment: those of three others."""

    slots: waits.Parameters
    burn: burns.Parameters = burns.Parameters()
    crash: crashes.Parameters = crashes.Parameters()

    @property
    def scenarios(self) -> tuple[str, ...]:
        """What is asked for."""
        return (*self.slots.scenarios, *self.crash.scenarios)


def metrics(given: Parameters) -> set[str]:
    """See `Kind`."""
    return waits.metrics(given.slots) | burns.metrics(given.burn) | crashes.metrics(given.crash)


def seconds(given: Parameters) -> float:
    """See `Kind`."""
    return waits.seconds(given.slots) + burns.seconds(given.burn) + crashes.seconds(given.crash)


def optional(given: Parameters) -> set[str]:
    """See `Extended`."""
    return {"fault"}


def together(lab: Lab, arms: Sequence[PlannedArm], replicate: int) -> Mapping[str, Outcome]:
    """See `Together`: the crash last."""
    with lab.deploy_all(arms, replicate, env=lab.faults) as up:
        ready = [arm for arm in arms if arm.name in up.deployments]
        if not ready:
            return up.failed
        waiting = [replace(arm, parameters=arm.parameters.slots) for arm in ready]
        loaded = waits.sweep(lab, waiting, up.deployments, job_name(ready[0].claim, replicate, "slots"))
        rows = loaded.rows()
        burnt = burns.probe_all(
            lab, [replace(arm, parameters=arm.parameters.burn) for arm in ready], up.deployments, replicate
        )
        whole = [arm for arm in ready if isinstance(burnt[arm.name], Found)]
        struck = [replace(arm, parameters=arm.parameters.crash) for arm in whole]
        crashed = crashes.crash_all(lab, struck, up.deployments, replicate) if struck else {}
        found: dict[str, Outcome] = dict(up.failed)
        for arm in waiting:
            held = waits.found(arm, up.deployments[arm.name], loaded, rows)
            found[arm.name] = merged([held, burnt[arm.name], *([crashed[arm.name]] if arm.name in crashed else [])])
        return found


def merged(parts: Sequence[Outcome]) -> Outcome:
    """All figures of one arm; requests and events are those of the computation. A part that failed leaves the arm without any."""
    done = [part for part in parts if isinstance(part, Found)]
    failed = next((part for part in parts if not isinstance(part, Found)), None)
    if failed:
        return failed
    figures = {name: value for part in done for name, value in part.metrics.items()}
    return replace(done[1], metrics=figures, flags=[flag for part in done for flag in part.flags])
