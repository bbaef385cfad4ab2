"""What the stages of one run share."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import account, load, pace, trial
from bench.ceiling import Ceiling
from bench.clock import Clock
from bench.console import Progressing
from bench.contract import verify_deployment
from bench.deployment import Deployment
from bench.launch import Launcher
from bench.plan import Plan
from bench.service import Database
from bench.session import Session
from bench.store import Earlier, RunStore
from bench.verify import Report


@dataclass(kw_only=True)
class Context:
    """What the stages of one run share."""

    plan: Plan
    session: Session
    store: RunStore
    launcher: Launcher
    database: Database
    progress: Progressing
    began: float
    trials: list[Mapping[str, Any]]
    load: Callable[..., dict[str, Any]] = load.run
    """As bench.load.run; tests put another in its place."""
    verify: Callable[[Deployment, str | None], Report] = verify_deployment
    connections: dict[tuple[str, str], int] = field(default_factory=dict)
    """From stack and scenario to what the pilot chose."""
    tried: set[tuple[str, str]] = field(default_factory=set)
    """Stacks and scenarios for which this process has looked for a number of connections, found or not."""
    pilots: dict[str, Any] = field(default_factory=dict)
    """From scenario and stack to what the pilot tried and chose, as in `run.json`."""
    capacities: dict[tuple[str, str, int], float] = field(default_factory=dict)
    """From the name of a cell of capacity, stack and copy to requests a second."""
    calibrated: bool = False
    """Whether the null server was tried."""
    ceiling: Ceiling | None = None
    calibrate: Callable[["Context", Deployment], Ceiling | None] = lambda context, source: None
    """Starts the null server with the answers of one stack; tests and containers have none."""
    overheads_s: list[float] = field(default_factory=list)
    after_block: Callable[[Path], object] | None = None
    """Called with the run's folder when all cells of a block are stored and its deployments have ended: nothing is measured meanwhile."""
    idle: account.Idle = field(default_factory=dict)
    """What the deployments of the block use while nothing is asked of them."""
    share: float = 1.0
    """Of the planned load that each deployment gets: less where the blocks would not fit into the budget."""
    sampling: account.Sampling = field(default_factory=account.Sampling)
    clock: Clock = field(default_factory=Clock)
    ask: pace.Ask = pace.ask
    """Asks the analysis how wide intervals are; tests put another in its place."""
    earlier: Earlier = field(default_factory=Earlier)
    """What an interrupted run had finished before it was taken up again."""
    verified: dict[str, dict[str, Any]] = field(default_factory=dict)
    observed: dict[str, Any] = field(default_factory=dict)

    @property
    def offset_s(self) -> float:
        """Seconds since the run began; of one that was interrupted, without the time in between."""
        return self.earlier.seconds + time.monotonic() - self.began

    def keep(self, unit: Sequence[Mapping[str, Any]]) -> None:
        """Store all trials of one cell at once, so that a cut leaves a cell whole or to be repeated; say how they came out."""
        stored = trial.unit(unit, part=self.earlier.parts, hashes=self.store.header.get("hashes") or {})
        self.store.append(stored)
        self.trials.extend(stored)
        self.progress.kept(stored)
