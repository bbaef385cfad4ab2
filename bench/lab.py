"""What an experiment works with: arms deployed afresh, loaded, acted upon at set times, and watched."""

import threading
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import account, faults, load, recorded
from bench.claim import Claim
from bench.clockwork import Action, Clockwork, Event
from bench.deployment import Deployment, died, tail
from bench.launch import Launcher
from bench.model import BenchError, Budget, Failed
from bench.plan import PlannedStack
from bench.sample import Snapshot
from bench.service import Database
from bench.session import Session
from bench.store import RunStore

GATE_PATIENCE_S = 30.0
"""How long loads that measure side by side wait for each other."""


@dataclass(frozen=True, kw_only=True)
class PlannedArm:
    """One arm of a claim with its stack's numbers resolved; `parameters` are of the kind of experiment."""

    claim: Claim
    name: str
    stack: PlannedStack
    parameters: Any

    @property
    def place(self) -> int:
        """Its place among the claim's arms."""
        return list(self.claim.arms()).index(self.name)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one replicate of an arm gave: a record of `claims.jsonl`, but for what names it."""

    metrics: Mapping[str, float | None]
    """None: not measured."""
    events: Sequence[Event] = ()
    requests: Path | None = None
    flags: Sequence[str] = ()
    cpu_s: Mapping[str, float | None] | None = None
    """By role."""
    pss_bytes: Mapping[str, int | None] | None = None
    """By role."""


class ArmFailedError(BenchError):
    """An arm gave no figure; `failed` says why."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.reason)
        self.failed = failed


@dataclass(frozen=True, kw_only=True)
class Up:
    """Arms that are alive at once, by name; and those that are not, with the reason."""

    deployments: Mapping[str, Deployment]
    failed: Mapping[str, Failed]


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What came of one load."""

    answer: Mapping[str, Any]
    """As the generator gave it."""
    requests: Path
    snapshots: Sequence[Snapshot]
    """Before and after the measuring."""
    events: Sequence[Event]

    def target(self, name: str) -> Mapping[str, Any]:
        """What the answer says of one target."""
        found: Mapping[str, Any] = next(one for one in self.answer["targets"] if one["id"] == name)
        return found

    def accounts(self, deployment: Deployment) -> dict[str, Any]:
        """What a watched deployment used while it was loaded: see `bench.account`."""
        return account.accounts(deployment, self.snapshots)

    def rows(self) -> recorded.Rows:
        """Every request. Raises BenchError where there were more than are kept one by one: the first ones do not speak for all."""
        if self.answer["recorded"] != "requests":
            raise BenchError(
                f"{self.requests.name}: more requests than are kept one by one, and this experiment takes all of them; "
                "give it a shorter time in the claim's parameters"
            )
        return recorded.read(self.requests)


@dataclass(kw_only=True)
class Lab:
    """One claim's site: where its arms are deployed, and what loads them. `load_with` is as bench.load.run."""

    session: Session
    store: RunStore
    launcher: Launcher
    database: Database
    load_with: Callable[..., dict[str, Any]]
    budget: Budget
    seed: int
    secret: str = field(default_factory=faults.new_secret)
    """Who knows it can ask for faults of what is deployed with `env=lab.faults`."""
    started: dict[str, int] = field(default_factory=dict)
    """How often each claim's arms were deployed in a replicate."""
    seen: dict[str, Deployment] = field(default_factory=dict)
    """The last deployment of each arm, for what is read back from it."""
    observe: Callable[[PlannedArm, Deployment], None] = lambda arm, deployment: None
    """Called with each arm that is up."""

    @property
    def faults(self) -> dict[str, str]:
        """The environment that switches faults on."""
        return faults.environment(self.secret)

    @contextmanager
    def accompanied(self, names: Sequence[str], stack: PlannedStack) -> Iterator[Mapping[str, str]]:
        """Companions (see `bench.companions`) for the applications of arms: the environment that leads to them. Raises BenchError."""
        try:
            yield self.launcher.accompany(names, stack)
        finally:
            self.launcher.dismiss()

    @contextmanager
    def deploy(
        self, arm: PlannedArm, replicate: int, *, env: Mapping[str, str] | None = None, supervised: bool = False
    ) -> Iterator[Deployment]:
        """One arm, fresh. Raises ArmFailedError where it does not come up."""
        with self.deploy_all([arm], replicate, env=env, supervised={arm.name} if supervised else ()) as up:
            if up.failed:
                raise ArmFailedError(up.failed[arm.name])
            yield up.deployments[arm.name]

    @contextmanager
    def deploy_all(
        self,
        arms: Sequence[PlannedArm],
        replicate: int,
        *,
        env: Mapping[str, str] | None = None,
        supervised: Collection[str] = (),
    ) -> Iterator[Up]:
        """All these arms at once, fresh; ended when the block is left.

        `env` switches optional endpoints on; `self.faults` is that for faults. `supervised`: the names of those under a supervisor.
        """
        number = arms[0].claim.number
        key = f"{number}-{replicate}"
        again = self.started[key] = self.started.get(key, -1) + 1
        mark = f"c{number:02}{f'n{again}' if again else ''}"
        extra = {"env": env} if env else {}
        deployments: list[Deployment] = []
        try:
            by_name: dict[str, Deployment] = {}
            for how in (False, True):
                mine = [arm for arm in arms if (arm.name in supervised) == how]
                if not mine:
                    continue
                more = {**extra, "supervised": True} if how else extra
                started = self.launcher.start(
                    [(arm.stack, arm.place) for arm in mine], block=replicate, mark=mark, **more
                )
                deployments += started
                by_name |= zip((arm.name for arm in mine), started, strict=True)
            self.seen |= by_name
            for arm in arms:
                self.observe(arm, by_name[arm.name])
            yield Up(
                deployments={name: one for name, one in by_name.items() if one.failure is None},
                failed={name: one.failure for name, one in by_name.items() if one.failure},
            )
        finally:
            self.launcher.stop(deployments)

    def load(
        self, job: load.Job, *, name: str, watched: Sequence[Deployment] = (), at: Sequence[Action] = (),
        gate: Callable[[], object] = lambda: None, drawn_as: str | None = None,
    ) -> Loaded:  # fmt: skip
        """Carry out `job` under a seed of its own, and `at` meanwhile. `name` is unique in the run: see `job_name`.

        Loads with the same `drawn_as` have the same seed: their arrivals are the same. `gate` is called when all is ready, and the
        measuring begins when it returns. Raises ArmFailedError where the generator gives no result, with the reason of a watched
        deployment that has died.
        """
        snapshots: list[Snapshot] = []
        clockwork = Clockwork(at)
        turns = {"on_window": clockwork.turn} if any(one.target for one in at) else {}

        def ready(pid: int | None) -> None:
            gate()
            snapshots.append(account.snapshot(self.database, watched, pid))
            clockwork.start()

        try:
            answer = self.load_with(
                self.session, replace(job, seed=self.seed + zlib.crc32((drawn_as or name).encode())), folder=self.store.folder, name=name,
                log=self.store.folder / "logs" / "load" / f"{name}.log", cpus=self.budget.pins("generator"),
                work=self.session.scratch, on_ready=ready, on_progress=lambda done: None,
                on_measured=lambda pid: snapshots.append(account.snapshot(self.database, watched, pid)), **turns,
            )  # fmt: skip
        except load.LoadFailedError as error:
            clockwork.stop()
            gone = next(filter(None, map(died, watched)), None)
            raise ArmFailedError(gone or Failed(reason=str(error), log_tail=tail(error.log))) from None
        clockwork.finish()
        return Loaded(
            answer=answer, requests=self.store.folder / "requests" / f"{name}.parquet", snapshots=snapshots,
            events=clockwork.events(float(answer["origin_s"])),
        )  # fmt: skip

    def side_by_side[T](self, works: Mapping[str, Callable[[Callable[[], object]], T]]) -> dict[str, T | Failed]:
        """Do all of `works` at once, each in a thread; the gate that each is given opens when all have come to it, or one cannot.

        For loads that leave the CPUs mostly idle: none measures while another still starts. What raised BenchError has failed.
        """
        gate = threading.Barrier(len(works))

        def pass_gate() -> None:
            with suppress(threading.BrokenBarrierError):
                gate.wait(GATE_PATIENCE_S)

        def do(work: Callable[[Callable[[], object]], T]) -> T | Failed:
            try:
                return work(pass_gate)
            except ArmFailedError as error:
                gate.abort()
                return error.failed
            except BenchError as error:
                gate.abort()
                return Failed(reason=str(error))

        with ThreadPoolExecutor(max_workers=len(works)) as pool:
            try:
                return dict(zip(works, pool.map(do, works.values()), strict=True))
            except BaseException:  # Ctrl-C: what the threads wait for is ended, and so are they
                gate.abort()
                self.session.end("generator")
                raise


def job_name(arm: PlannedArm | Claim, replicate: int, part: str) -> str:
    """The name of a load's files: claim, replicate, arm where it is of one, and which part of the experiment it is."""
    claim, own = (arm, "") if isinstance(arm, Claim) else (arm.claim, f"{arm.name}-")
    return f"claim-{claim.number:02}-{replicate}-{own}{part}"
