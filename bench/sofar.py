"""What a run has found so far: throughput of each stack with its interval, as trials come in.

It is what `analysis.stats` says of the same trials at the end (a test holds the two together), without pandas, which this side does not
import: within a deployment total requests over total time, deployments of a block averaged, a block as the replicate, all in logarithms.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from bench import student

MIN_BLOCKS = 6
"""With fewer blocks an interval is not called one, here as in the report."""
LEVEL = 0.95
BOUNDING = frozenset({"generator-bound", "database-bound"})
"""Flags that make a figure a lower bound."""


@dataclass(frozen=True, kw_only=True)
class SoFar:
    """One stack's throughput in requests a second; `low` and `high` are None below `MIN_BLOCKS`. `bound`: it can do at least this."""

    stack: str
    rps: float
    low: float | None
    high: float | None
    blocks: int
    deployments: int
    bound: bool

    def __str__(self) -> str:
        words = " ".join(_rounded(self.rps, self.low, self.high))
        return f"{'≥ ' if self.bound else ''}{words}"


class Figures:
    """Takes trials as they are stored, and tells what they come to."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, dict[int, dict[str, tuple[float, float]]]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(dict))
        )
        self._bound: set[tuple[str, str]] = set()

    def add(self, trials: Iterable[Mapping[str, Any]]) -> None:
        """Count the closed loops among `trials` that gave a figure."""
        for one in trials:
            if one["view"] != "capacity" or one["status"] != "measured" or not one["requests"]:
                continue
            scenario, stack = one["scenario"], one["stack"]
            block = self._counts[scenario][stack][one["block"]]
            requests, seconds = block.get(one["deployment_id"], (0.0, 0.0))
            block[one["deployment_id"]] = (requests + one["requests"], seconds + one["seconds"])
            if BOUNDING & set(one["flags"]):
                self._bound.add((scenario, stack))

    def of(self, scenario: str) -> list[SoFar]:
        """The stacks of a scenario that have a figure, the most capable first."""
        found = [self._one(scenario, stack, blocks) for stack, blocks in self._counts.get(scenario, {}).items()]
        return sorted(found, key=lambda one: -one.rps)

    def all(self) -> list[tuple[str, SoFar]]:
        """Every scenario and stack that has a figure."""
        return [(scenario, one) for scenario in self._counts for one in self.of(scenario)]

    def _one(self, scenario: str, stack: str, blocks: Mapping[int, Mapping[str, tuple[float, float]]]) -> SoFar:
        logs = [
            statistics.fmean(math.log(requests / seconds) for requests, seconds in block.values())
            for block in blocks.values()
        ]
        middle, half = statistics.fmean(logs), _half(logs)
        return SoFar(
            stack=stack, rps=math.exp(middle), blocks=len(logs), deployments=sum(map(len, blocks.values())),
            low=None if half is None else math.exp(middle - half), high=None if half is None else math.exp(middle + half),
            bound=(scenario, stack) in self._bound,
        )  # fmt: skip


def _half(logs: list[float]) -> float | None:
    """Half the width of Student's t interval, or None with too few blocks."""
    if len(logs) < MIN_BLOCKS:
        return None
    reach = student.quantile(0.5 + LEVEL / 2, len(logs) - 1)
    return reach * statistics.stdev(logs) / math.sqrt(len(logs))


def _rounded(value: float, low: float | None, high: float | None) -> tuple[str, ...]:
    """Two digits without an interval; with one, to the first digit of its half-width (the second, where that is a 1), four at most."""
    if low is None or high is None or not high > low:
        return (_to_place(value, math.floor(math.log10(value)) - 1),)
    half = f"{(high - low) / 2:.1e}"
    place = max(int(half.partition("e")[2]) - half.startswith("1"), int(f"{value:.3e}".partition("e")[2]) - 3)
    return _to_place(value, place), f"[{_to_place(low, place)}, {_to_place(high, place)}]"


def _to_place(value: float, place: int) -> str:
    return f"{round(value, -place):,.{max(0, -place)}f}"


def table(scenario: str, found: list[SoFar], *, most: int) -> Table:
    """At 80 columns: the `most` most capable stacks of a scenario as they stand, and how many more there are."""
    least = min((one.blocks for one in found), default=0)
    note = "95% intervals" if least >= MIN_BLOCKS else f"no intervals below {MIN_BLOCKS} blocks"
    made = Table(
        title=f"{scenario} so far, requests/s; {note}", box=None, pad_edge=False, title_justify="left", expand=True
    )
    made.add_column("stack", no_wrap=True, overflow="ellipsis", ratio=1)
    made.add_column("requests/s", justify="right", no_wrap=True)
    made.add_column("blocks", justify="right", no_wrap=True)
    for one in found[:most]:
        made.add_row(one.stack, str(one), str(one.blocks))
    if len(found) > most:
        made.add_row(f"and {len(found) - most} more", "", "")
    return made


def line(scenario: str, found: list[SoFar], *, most: int = 3) -> str:
    """The same in one line, for what is no terminal: the first of them."""
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return f"  {scenario} so far: {', '.join(f'{one.stack} {one}' for one in found[:most])}{more}"
