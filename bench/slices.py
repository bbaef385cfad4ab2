"""What the length of slices does to the ratios between stacks, on this machine.

`bench slices` (`study`): the same deployments are loaded in slices of several lengths, in turn and in an order drawn anew for each round,
without a warm-up, so that no slice is made longer for a slow one. Every request is stored, so that estimators can be
compared afterwards from the same records (`python -m analysis slices FOLDER`).

`bench trust` (`windows`): the same deployments are loaded in long windows, and what slices of several lengths would have counted is what
was answered in the first part of each: until it ends, a slice is nothing else (`python -m analysis lengths FOLDER`).
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, parquet

from bench import load
from bench.database import data
from bench.deployment import Deployment
from bench.machine import default_budget, topology
from bench.model import BenchError, Budget, Scenario, Stack
from bench.plan import database_connections, plan_stack
from bench.session import Session
from bench.site import open_site
from bench.trial import LEAD


@dataclass(frozen=True, kw_only=True)
class _Up:
    """Stacks that run, one deployment of each."""

    session: Session
    deployments: Sequence[Deployment]
    budget: Budget
    database_url: str
    folder: Path
    connections: int

    @property
    def targets(self) -> list[load.Target]:
        """All of them, for a job."""
        return [load.Target(id=one.id, endpoint=one.client, connections=self.connections) for one in self.deployments]

    def load(self, job: load.Job, name: str) -> dict[str, Any]:
        """Carry out `job`. The engine stores requests and slices under `name`."""
        if self.database_url:
            data.settle(self.database_url)
        return load.run(
            self.session, job, folder=self.folder, name=name,
            log=self.folder / "logs" / f"{name}.log", cpus=self.budget.load_cpus if self.budget.pinned else (),
            work=self.session.scratch, on_ready=lambda pid: None, on_measured=lambda pid: None, on_progress=lambda done: None,
        )  # fmt: skip

    def describe(self, **said: object) -> None:
        """Write slices.json: what a study holds so far."""
        stacks = {one.id: one.planned.stack.id for one in self.deployments}
        text = json.dumps({**said, "connections": self.connections, "stacks": stacks}, indent=1)
        (self.folder / "slices.json").write_text(text, encoding="utf-8")


@contextmanager
def _up(stacks: Sequence[Stack], *, connections: int, folder: Path) -> Iterator[_Up]:
    for name in ("requests", "slices", "logs"):
        (folder / name).mkdir(parents=True)
    budget = default_budget(topology())
    planned = [plan_stack(stack, budget) for stack in stacks]
    with Session() as session:
        site = open_site(
            session, planned, budget, mode="native", connections=database_connections(planned, 1), logs=folder / "logs"
        )
        if site.database.failure:
            raise BenchError(f"no database: {site.database.failure.reason}")
        deployments = site.launcher.start([(one, 0) for one in planned], block=0)
        try:
            broken = next((one for one in deployments if one.failure), None)
            if broken is not None and broken.failure is not None:
                raise BenchError(f"{broken.planned.stack.id} does not run: {broken.failure.reason}")
            yield _Up(
                session=session, deployments=deployments, budget=budget, database_url=site.database.url or "", folder=folder,
                connections=connections,
            )  # fmt: skip
        finally:
            site.launcher.stop(deployments)


def study(
    stacks: Sequence[Stack], scenario: Scenario, *, lengths_ms: Sequence[float], seconds: float, rounds: int, connections: int,
    seed: int, folder: Path, say: Callable[[str], None],
) -> None:  # fmt: skip
    """Run and store in `folder`: requests/ and slices/ for each round and length, and slices.json, which names them.

    `seconds`: for each stack, length and round. Raises BenchError, also where there are more requests than the engine keeps one by one:
    slices without rows would look like slices without answers.
    """
    _check(stacks)
    possible = bool(lengths_ms) and all(0 < length_ms <= seconds * 1000 for length_ms in lengths_ms)
    if not possible or rounds < 1 or connections < 1:
        raise BenchError(
            "--lengths-ms must be above 0 and --seconds no shorter than the longest; --rounds and --connections 1 or more"
        )
    rng, lengths = random.Random(seed), sorted(set(lengths_ms))
    jobs: list[dict[str, object]] = []
    with _up(stacks, connections=connections, folder=folder) as up:
        for round_ in range(rounds):
            for length_ms in rng.sample(lengths, len(lengths)):
                name = f"{round_}-{length_ms:g}"
                say(f"round {round_ + 1} of {rounds}: slices of {length_ms:g} ms")
                job = load.Job(
                    scenario=scenario.name, mode="duet", targets=up.targets, seed=rng.randrange(10**6), warmup_s=0.0,
                    measure_s=seconds, slice_s=length_ms / 1000,
                )  # fmt: skip
                answer = up.load(job, name)
                if answer["recorded"] != "requests":
                    raise BenchError(
                        f"slices of {length_ms:g} ms: more requests came than are kept one by one, and the ratios are made "
                        "of all of them; give fewer --seconds, or fewer stacks"
                    )
                jobs.append({"name": name, "round": round_, "length_ms": length_ms})
                up.describe(scenario=scenario.name, seconds=seconds, seed=seed, jobs=jobs)


def windows(
    pairs: Sequence[tuple[Stack, Stack]], scenario: Scenario, *, window_s: float, cuts_s: Sequence[float], windows: int, rounds: int,
    warmup_s: float, connections: int, seed: int, folder: Path, say: Callable[[str], None],
) -> None:  # fmt: skip
    """Run and store in `folder`: counts/ for each round, and slices.json, which names them and the `pairs`.

    Each round is one load of all stacks in turn, `windows` windows of `window_s` for each. A row of counts is one window and length: how
    many requests were answered from `LEAD` of that length on until its end, for each of `cuts_s` and for the whole window. Raises
    BenchError, also where there are more requests than the engine keeps one by one.
    """
    stacks = [stack for pair in pairs for stack in pair]
    _check(stacks)
    rng = random.Random(seed)
    names: list[str] = []
    with _up(stacks, connections=connections, folder=folder) as up:
        (folder / "counts").mkdir()
        for round_ in range(rounds):
            name = str(round_)
            say(f"round {round_ + 1} of {rounds}")
            job = load.Job(
                scenario=scenario.name, mode="duet", targets=up.targets, seed=rng.randrange(10**6), warmup_s=warmup_s,
                measure_s=windows * window_s, slice_s=window_s,
            )  # fmt: skip
            answer = up.load(job, name)
            if answer["recorded"] != "requests":
                raise BenchError(
                    f"round {round_ + 1}: more requests came than are kept one by one, and the counts are made of all"
                )
            parquet.write_table(_counts(folder, name, [*cuts_s, window_s]), folder / "counts" / f"{name}.parquet")
            (folder / "requests" / f"{name}.parquet").unlink()  # a megabyte for each second
            names.append(name)
            up.describe(
                scenario=scenario.name, window_s=window_s, seed=seed, rounds=names,
                pairs=[[one.id for one in pair] for pair in pairs],
            )  # fmt: skip


def _counts(folder: Path, name: str, lengths_s: Sequence[float]) -> pa.Table:
    """See `windows`. A window that came directly after one of the same stack is left out: in a run there are hardly any."""
    slices = parquet.read_table(
        folder / "slices" / f"{name}.parquet", columns=["target", "slice", "loaded_s", "preceded_by"]
    )
    requests = parquet.read_table(folder / "requests" / f"{name}.parquet", columns=["end_s", "error", "phase", "slice"])
    measured = compute.and_(
        compute.is_null(requests["error"]), compute.not_equal(requests["phase"].cast(pa.string()), "warm")
    )
    right = requests.filter(measured)
    number: NDArray[np.int64] = right["slice"].to_numpy()
    began_s = np.zeros(slices.num_rows)
    began_s[slices["slice"].to_numpy()] = slices["loaded_s"].to_numpy()
    since_s = right["end_s"].to_numpy() - began_s[number]
    others = [
        one != before
        for one, before in zip(slices["target"].to_pylist(), slices["preceded_by"].to_pylist(), strict=True)
    ]
    kept = slices.filter(pa.array(others))
    tables = []
    for length_s in lengths_s:
        inside = (since_s >= LEAD * length_s) & (since_s < length_s)
        counts = np.bincount(number[inside], minlength=slices.num_rows)[kept["slice"].to_numpy()]
        tables.append(pa.table({
            "target": kept["target"].cast(pa.string()), "slice": kept["slice"],
            "length_ms": np.full(kept.num_rows, 1000 * length_s), "requests": counts,
        }))  # fmt: skip
    return pa.concat_tables(tables)


def _check(stacks: Sequence[Stack]) -> None:
    if len(stacks) < 2:
        raise BenchError("a ratio takes two stacks; name two or more")
