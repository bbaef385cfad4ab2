"""How long a run goes on: the planned blocks, then further ones for what is still wide, as long as the time allows.

Where the time is too short for the planned blocks, they get shorter, down to `LEAST_SHARE` of the planned load: fewer blocks would have no
intervals at all.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import estimate
from bench.catalog import ROOT
from bench.model import BenchError
from bench.plan import Cell, Plan

SHARES = tuple(1.0 - step / 20 for step in range(11))
LEAST_SHARE = SHARES[-1]
"""Of its planned load a deployment gets at least so much."""
MOST_BLOCKS = 24
"""No further block for precision after so many: what is still wide then would take many times as long."""
SCARCE = 3
"""Where there is time for fewer blocks of all that is wide, further ones hold less, and are more: `Pace._scarce`."""
NEAR = 0.75
"""They are then for the scenario whose middle pair is known least, and for those whose interval is at least this part as wide."""
LATE = 0.02
"""Planned blocks may end later than the budget by this share of it; others not at all."""
Ask = Callable[[Path, float], Mapping[str, Any]]
"""From a run's folder and the precision asked for to what `python -m analysis precision` answers."""


def ask(folder: Path, precision: float) -> Mapping[str, Any]:
    """The widths of the intervals so far, from the analysis in a process of its own (bench imports no pandas); {} where it fails."""
    run = subprocess.run(
        [sys.executable, "-m", "analysis", "precision", str(folder), "--precision", str(precision), "--json"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    try:
        found = json.loads(run.stdout)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def expected_s(plan: Plan) -> tuple[float, float]:
    """How long the planned blocks and the report take, and the share of the planned load that each deployment gets for it."""
    share = _share(plan, plan.profile.blocks, spent_s=estimate.once_s(plan), slow=1.0)
    run_s = estimate.once_s(plan) + plan.profile.blocks * estimate.block_s(plan, plan.block_cells(0), share, 1.0)
    if plan.profile.load_until_s is not None:
        run_s = min(run_s, plan.profile.load_until_s)
    return run_s + estimate.report_s(plan), share


def refuse_too_short(plan: Plan) -> None:
    """Raises BenchError where the time is not enough for a single block."""
    budget_s = plan.profile.budget_s
    least_s = estimate.once_s(plan) + estimate.block_s(plan, plan.block_cells(0), LEAST_SHARE, 1.0)
    if budget_s is not None and least_s > budget_s:
        raise BenchError(
            f"a time budget of {budget_s:.0f} s is too short: one block of these stacks and scenarios takes about {least_s:.0f} s; "
            "give more with --time-budget, or choose fewer with --stacks and --scenarios"
        )


@dataclass(kw_only=True)
class Pace:
    """Decides what the next block holds. `why` says in words why there is none."""

    plan: Plan
    folder: Path
    now_s: Callable[[], float]
    """Seconds since the run began, those before it was resumed included."""
    ask: Ask = ask
    why: str = ""
    share: float = 1.0
    """Of the planned load that each deployment of the next block gets."""
    slow: float = 1.0
    """How long all that is not load took in the last block, over what was expected; known from the second block on."""
    blocks: int = 0
    """How many this session has done."""
    began_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.began_s = self.now_s()

    def next(self, block: int) -> list[Cell]:
        """The cells of block number `block`; none when the run is over."""
        profile = self.plan.profile
        if block >= profile.blocks:
            if profile.precision is None:
                self.why = f"{block} block{'s' if block > 1 else ''}, as planned"
                return []
            return self._further(block, profile.precision)
        spent_s = self.now_s() + (0.0 if self.blocks else estimate.once_s(self.plan))
        self.share = _share(self.plan, profile.blocks - block, spent_s=spent_s, slow=self.slow)
        planned = self.plan.block_cells(block)
        return planned if self._fits(planned, LATE) or not self.blocks else self._over()

    def ended(self, cells: Sequence[Cell]) -> None:
        """One block is over."""
        load_s, whole_s = (estimate.block_s(self.plan, cells, self.share, slow) for slow in (0.0, 1.0))
        if self.blocks:  # the first one also did what is done once
            self.slow = max((self.now_s() - self.began_s - load_s) / (whole_s - load_s), 0.0)
        self.began_s, self.blocks = self.now_s(), self.blocks + 1

    def _further(self, block: int, precision: float) -> list[Cell]:
        """Of the scenarios that are still wide as many as there is time for, in the order that `ask` gives."""
        self.share = 1.0
        found = self.ask(self.folder, precision)
        if not isinstance(found.get("wide"), list):
            self.why = "the analysis did not say how wide the intervals are, so there are no further blocks"
            return []
        names = {scenario.name for scenario in self.plan.scenarios}
        wide = [str(one) for one in found["wide"] if str(one) in names]
        scenarios = found.get("scenarios") or [{"widest": 0.0}]
        if not wide and all(one.get("widest") is None for one in scenarios):
            self.why = "no two stacks could be compared, so there is no interval to make narrower"
        elif not wide:
            self.why = f"every interval is within {precision:.1%} to either side"
        elif block >= MOST_BLOCKS:
            self.why = (
                f"{block} blocks are the most; still wider than {precision:.1%} to either side: {', '.join(wide)}"
            )
            return []
        if not self._fits(self.plan.block_cells(block, wide), times=SCARCE):
            wide = self._scarce(wide, scenarios)
        chosen: list[str] = []
        for name in wide:
            if self._fits(self.plan.block_cells(block, {*chosen, name})):
                chosen.append(name)
        return self.plan.block_cells(block, chosen) if chosen or not wide else self._over()

    def _scarce(self, wide: Sequence[str], scenarios: Sequence[Mapping[str, Any]]) -> list[str]:
        """Those of `wide` that the profile names `first` (all, if none), and whose middle half-width is unknown or near the largest."""
        first = [name for name in wide if name in self.plan.profile.first] or wide
        known = {str(one.get("scenario")): one["half_width"] for one in scenarios if one.get("half_width") is not None}
        least = NEAR * max((known[name] for name in first if name in known), default=0.0)
        return [name for name in first if known.get(name, least) >= least]

    def _fits(self, cells: Sequence[Cell], late: float = 0.0, times: int = 1) -> bool:
        budget_s = self.plan.profile.budget_s
        ends_s = self.now_s() + times * estimate.block_s(self.plan, cells, self.share, self.slow)
        return budget_s is None or ends_s <= (1 + late) * budget_s

    def _over(self) -> list[Cell]:
        self.why = f"the next block would end after the time budget of {self.plan.profile.budget_s:.0f} s"
        return []


def _share(plan: Plan, blocks: int, *, spent_s: float, slow: float) -> float:
    """The most of the planned load with which so many blocks end within the budget."""
    if plan.profile.budget_s is None:
        return 1.0
    cells, rest_s = plan.block_cells(plan.profile.blocks - 1), plan.profile.budget_s - spent_s
    fitting = (one for one in SHARES if blocks * estimate.block_s(plan, cells, one, slow) <= rest_s)
    return next(fitting, LEAST_SHARE)
