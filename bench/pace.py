"""How long a run goes on: the planned blocks, then further ones for what is still wide, as long as the time allows."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.catalog import ROOT
from bench.plan import Cell, Plan

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


@dataclass(kw_only=True)
class Pace:
    """Decides what the next block holds. `why` says in words why there is none."""

    plan: Plan
    folder: Path
    now_s: Callable[[], float]
    """Seconds since the run began, those before it was resumed included."""
    ask: Ask = ask
    ended_s: list[float] = field(default_factory=list)
    """When each block of this session ended."""
    cells: list[int] = field(default_factory=list)
    """How many cells each of them had."""
    why: str = ""

    def next(self, block: int) -> list[Cell]:
        """The cells of block number `block`; none when the run is over."""
        profile = self.plan.profile
        planned = self.plan.block_cells(block)
        if block >= profile.blocks:
            if profile.precision is None:
                self.why = f"{block} block{'s' if block > 1 else ''}, as planned"
                return []
            wide = self._wide(profile.precision)
            if not wide:
                self.why = f"every interval is within {profile.precision:.1%} to either side"
                return []
            planned = self.plan.block_cells(block, wide)
        if self.ended_s and profile.budget_s is not None:
            takes_s = self._block_s() * len(planned) / max(self.cells[-1], 1)
            if self.now_s() + takes_s > profile.budget_s:
                self.why = f"the next block would end after the time budget of {profile.budget_s:.0f} s"
                return []
        return planned

    def ended(self, cells: Sequence[Cell]) -> None:
        """One block is over."""
        self.ended_s.append(self.now_s())
        self.cells.append(len(cells))

    def _block_s(self) -> float:
        """What the last block took; the first one also set things up, so the shorter of the two is nearer."""
        starts = [0.0, *self.ended_s]
        return (
            min(end - start for start, end in zip(starts[-3:], self.ended_s[-2:], strict=False))
            if self.ended_s
            else 0.0
        )

    def _wide(self, precision: float) -> set[str]:
        found = self.ask(self.folder, precision).get("wide", [])
        names = {scenario.name for scenario in self.plan.scenarios}
        return {str(one) for one in found} & names if isinstance(found, list) else set()
