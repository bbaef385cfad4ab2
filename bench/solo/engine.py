"""One run of the load engine on places of the user's."""

import shutil
from collections.abc import Sequence
from typing import Any, Literal

from bench import load, pilot
from bench.session import Session
from bench.solo.generators import Generators
from bench.solo.place import Place

TRIED_S = 1.0
"""For each number of connections that is tried."""
TRIED_TIMEOUT_S = 4.0
"""Trying tells nothing of a server that takes longer, and must not take minutes with one that is silent."""


def tried(
    session: Session, places: Sequence[Place], *, timeout_s: float, generators: Generators
) -> tuple[int, list[dict[int, float | None]]]:
    """The number of connections for all places, the most that one of them needs, and each one's rates by number. Raises BenchError."""
    several = [(place, count) for place in places for count in pilot.CANDIDATES]
    answer = measure(
        session, [place for place, _ in several], mode="duet", connections=0, seconds=TRIED_S, timeout_s=min(timeout_s, TRIED_TIMEOUT_S),
        slice_s=0.1, each=[count for _, count in several], generators=generators,
    )  # fmt: skip
    rates = [pilot.rate(target) for target in answer["targets"]]
    width = len(pilot.CANDIDATES)
    by_place = [
        dict(zip(pilot.CANDIDATES, rates[start : start + width], strict=True)) for start in range(0, len(rates), width)
    ]
    return max(pilot.choose(one) for one in by_place), by_place


def measure(
    session: Session, places: Sequence[Place], *, mode: Literal["duet", "open", "closed"], connections: int, seconds: float,
    timeout_s: float, generators: Generators, rate_rps: float | None = None, slice_s: float | None = None, seed: int = 0,
    arrivals: Literal["constant", "poisson"] = "poisson", think_s: float = 0.0, stages: Sequence[tuple[float, float, float]] = (),
    each: Sequence[int] = (), beside: load.Beside | None = None, keep: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """The engine's result; `seconds` are for each place. Places are named by their number; `each` gives every one its own number of
    connections. With `keep` an interrupted measurement has a result. Raises BenchError.
    """
    job = load.Job(
        requests=[{"method": "GET", "path": place.path, "headers": {"Accept": "*/*"}} for place in places],
        mode=mode, seed=seed, warmup_s=min(1.0, seconds / 5), measure_s=seconds, slice_s=slice_s, rate_rps=rate_rps,
        arrivals=arrivals, timeout_s=timeout_s, think_s=think_s, stages=stages, beside=beside,
        workers=generators.workers,
        targets=[
            load.Target(id=str(number), endpoint=place.endpoint, connections=each[number] if each else connections)
            for number, place in enumerate(places)
        ],
    )  # fmt: skip
    folder = session.scratch / "solo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return load.run(
        session, job, folder=folder, name="solo", log=folder / "log", cpus=generators.cpus, work=folder,
        on_ready=lambda pid: None, on_measured=lambda pid: None, on_progress=lambda done: None, keep=keep,
    )  # fmt: skip
