"""`bench slices`: what the length of slices does to the ratios between stacks, on this machine.

The same deployments are loaded in slices of several lengths, mixed within one load, without a lead and, unless asked for, without a
warm-up (so that no slice is made longer for a slow one). Every request is stored, so that estimators can be compared afterwards from the
same records (`python -m analysis slices FOLDER`).
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import load
from bench.database import data
from bench.machine import default_budget, topology
from bench.model import BenchError, Scenario, Stack
from bench.plan import database_connections, plan_stack
from bench.session import Session
from bench.site import open_site


def study(
    stacks: Sequence[Stack], scenario: Scenario, *, lengths: Mapping[float, float], rounds: int, connections: int, seed: int,
    folder: Path, say: Callable[[str], None], warmup_s: float = 0.0, every_request: bool = True,
    pairs: Sequence[tuple[str, str]] = (),
) -> None:  # fmt: skip
    """Run and store in `folder`: requests/ and slices/ for each round, and slices.json, which names them.

    `lengths`: from the length of a slice in ms to the seconds for each stack and round in such slices. With `warmup_s` the engine
    knows how long a turn takes, and loads a slow stack for several slices at once, as in a run. Without `every_request` the engine
    counts as in a run, with its lead, and only its counts stay, since all requests take a megabyte a second. `pairs`: of ids whose
    ratios are asked for; none: each to the first.

    Raises BenchError, also where there are more requests than the engine keeps one by one: slices without rows would look like slices
    without answers.
    """
    if len(stacks) < 2:
        raise BenchError("a ratio takes two stacks; name two or more")
    possible = bool(lengths) and all(
        length_ms > 0 and each_s * 1000 >= length_ms for length_ms, each_s in lengths.items()
    )
    if not possible or rounds < 1 or connections < 1:
        raise BenchError(
            "--lengths-ms must be above 0 and --seconds no shorter than the longest; --rounds and --connections 1 or more"
        )
    for name in ("requests", "slices", "logs"):  # the engine writes the requests in any case
        (folder / name).mkdir(parents=True)
    rng = random.Random(seed)
    jobs: list[dict[str, object]] = []
    budget = default_budget(topology())
    planned = [plan_stack(stack, budget) for stack in stacks]
    with Session() as session:
        site = open_site(
            session, planned, budget, mode="native", connections=database_connections(planned, 1), logs=folder / "logs"
        )
        database, launcher = site.database, site.launcher
        if database.failure:
            raise BenchError(f"no database: {database.failure.reason}")
        deployments = launcher.start([(one, 0) for one in planned], block=0)
        try:
            broken = next((one for one in deployments if one.failure), None)
            if broken is not None and broken.failure is not None:
                raise BenchError(f"{broken.planned.stack.id} does not run: {broken.failure.reason}")
            for round_ in range(rounds):
                name = str(round_)
                say(f"round {round_ + 1} of {rounds}")
                if database.url:
                    data.settle(database.url)
                mixed = spells(lengths, rng)
                job = load.Job(
                    scenario=scenario.name, mode="duet", seed=rng.randrange(10**6), warmup_s=warmup_s,
                    measure_s=sum(each_s for _, each_s in mixed), spells=mixed, lead=0.0 if every_request else None,
                    targets=[load.Target(id=one.id, endpoint=one.client, connections=connections) for one in deployments],
                )  # fmt: skip
                answer = load.run(
                    session, job, folder=folder, name=name, log=folder / "logs" / f"{name}.log",
                    cpus=budget.load_cpus if budget.pinned else (), work=session.scratch,
                    on_ready=lambda pid: None, on_measured=lambda pid: None, on_progress=lambda done: None,
                )  # fmt: skip
                if not every_request:
                    (folder / "requests" / f"{name}.parquet").unlink()
                elif answer["recorded"] != "requests":
                    raise BenchError(
                        "more requests came in one round than are kept one by one, and the ratios are made of all of them; "
                        "give fewer --seconds, or fewer stacks"
                    )
                jobs.append({"name": name, "round": round_, "spells": answer["spells"]})
                described = {
                    "scenario": scenario.name, "connections": connections, "seed": seed, "every_request": every_request, "jobs": jobs,
                    "pairs": [*pairs] or [(stacks[0].id, one.id) for one in stacks[1:]],
                    "seconds": {f"{one:g}": each_s for one, each_s in lengths.items()},
                    "stacks": {one.id: one.planned.stack.id for one in deployments},
                }  # fmt: skip
                (folder / "slices.json").write_text(json.dumps(described, indent=1), encoding="utf-8")
        finally:
            launcher.stop(deployments)


def spells(lengths: Mapping[float, float], rng: random.Random) -> list[tuple[float, float]]:
    """(length of slices, time for each target), both in seconds, in the order of a round. `lengths`: see `study`.

    All lengths come for as many turns as there are two slices of the longest, each time for their share and in an order drawn anew: so
    what the machine does from second to second, and how connections lie on workers, is the same for all of them.
    """
    slices = {length_ms: max(1, round(each_s * 1000 / length_ms)) for length_ms, each_s in lengths.items()}
    times = max(1, slices[max(slices)] // 2)
    return [
        (length_ms / 1000, count * length_ms / 1000)
        for turn in range(times)
        for length_ms in rng.sample(sorted(slices), len(slices))
        if (count := slices[length_ms] * (turn + 1) // times - slices[length_ms] * turn // times)
    ]
