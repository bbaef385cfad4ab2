"""What is compared: the figures of one metric of one scenario, arranged by occasion, stack and copy, and who may be ranked."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.frames import PERCENTILES
from analysis.stats.distributions import Floats
from analysis.stats.figures import load_not_reached
from analysis.stats.intervals import MIN_REPLICATES

BOUNDING = frozenset({"generator-bound", "database-bound"})
"""Flags of figures that are bounds only, since something else than the stack was the limit: never ranked."""

BETTER: Mapping[str, str] = {
    "capacity_rps": "higher",
    "cpu_ms": "lower",
    "pss_bytes": "lower",
    **dict.fromkeys(PERCENTILES.values(), "lower"),
}
"""The metrics that stacks are compared by, and which way is better."""

Cell = tuple[str, str, str, str]
"""Scenario, view, metric, stack."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The natural logarithms of one metric: `copies` is (occasions, stacks, copies), NaN where there is no figure.

    An occasion is one set of deployments that were alive together: `blocks` and `groups` number it. `classes` are the stacks' worker
    models, within which deployments are expected to vary alike. `left_out` says why a stack with figures has no place here.
    """

    stacks: tuple[str, ...]
    classes: tuple[str, ...]
    blocks: tuple[int, ...]
    groups: tuple[int, ...]
    copies: Floats
    left_out: Mapping[str, str]

    @property
    def logs(self) -> Floats:
        """(occasions, stacks): the mean over copies."""
        found = np.isfinite(self.copies)
        sums = np.where(found, self.copies, 0.0).sum(axis=2)
        return np.asarray(np.where(found.any(axis=2), sums / np.maximum(found.sum(axis=2), 1), np.nan))

    @property
    def block_counts(self) -> list[int]:
        """In how many blocks each stack has a figure."""
        present, blocks = np.isfinite(self.logs), np.asarray(self.blocks)
        return [len(set(blocks[column])) for column in present.T]


def arrange(figures: pd.DataFrame, classes: Mapping[str, str], unranked: Mapping[str, str]) -> Layout:
    """The layout of replicates of one scenario, view and metric. `unranked` gives stacks whose figures are bounds, with the reason.

    Figures that are not positive have no logarithm: a stack with one is left out.
    """
    # Plain lists: a run of 60 stacks has hundreds of such tables, each small.
    given = list(zip(*(figures[name].tolist() for name in ("stack", "block", "group", "copy", "value")), strict=True))
    there = {stack for stack, *_ in given}
    left_out = {stack: reason for stack, reason in unranked.items() if stack in there}
    for stack, *_, value in given:
        if not value > 0:
            left_out.setdefault(str(stack), "a figure of 0 has no ratio")
    kept = [row for row in given if row[0] not in left_out]
    stacks = list(dict.fromkeys(str(stack) for stack, *_ in kept))
    occasions = sorted({(int(block), int(group)) for _, block, group, *_ in kept})
    # Of a block that was taken up again a copy may have been deployed twice: both count.
    depth, again = max((int(copy) for *_, copy, _ in kept), default=0) + 1, Counter[tuple[object, ...]]()
    places: list[int] = []
    for *deployment, copy, _ in kept:
        places.append(int(copy) + depth * again[*deployment, copy])
        again[*deployment, copy] += 1
    copies = np.full((len(occasions), len(stacks), max(places, default=0) + 1), np.nan)
    columns = {stack: column for column, stack in enumerate(stacks)}
    rows = {occasion: row for row, occasion in enumerate(occasions)}
    for (stack, block, group, _, value), place in zip(kept, places, strict=True):
        copies[rows[int(block), int(group)], columns[str(stack)], place] = np.log(value)
    return Layout(
        stacks=tuple(stacks),
        classes=tuple(classes.get(stack) or stack for stack in stacks),
        blocks=tuple(block for block, _ in occasions),
        groups=tuple(group for _, group in occasions),
        copies=copies,
        left_out=left_out,
    )


def with_intervals(layout: Layout) -> Layout:
    """Those stacks that were measured often enough for an interval, and beside others; the rest is left out, with the reason."""
    found, left_out = np.isfinite(layout.logs), dict(layout.left_out)
    while True:
        beside = found & (found.sum(axis=1, keepdims=True) > 1)
        counts = {
            column: len(set(np.asarray(layout.blocks)[beside[:, column]])) for column in range(len(layout.stacks))
        }
        few = [column for column, count in counts.items() if count < MIN_REPLICATES and found[:, column].any()]
        if not few:
            break
        for column in few:
            left_out[layout.stacks[column]] = _too_few(layout.block_counts[column], counts[column])
            found[:, column] = False
    keep = [column for column in range(len(layout.stacks)) if found[:, column].any()]
    rows = [row for row in range(len(layout.blocks)) if found[row].sum() > 1]
    return Layout(
        stacks=_some(layout.stacks, keep), classes=_some(layout.classes, keep), blocks=_some(layout.blocks, rows),
        groups=_some(layout.groups, rows), copies=layout.copies[np.ix_(rows, keep)], left_out=left_out,
    )  # fmt: skip


def _too_few(blocks: int, beside_others: int) -> str:
    if blocks < MIN_REPLICATES:
        return f"{blocks} block{'s' * (blocks != 1)}: an interval needs {MIN_REPLICATES}"
    return f"beside other stacks in {beside_others} blocks: an interval needs {MIN_REPLICATES}"


def _some[T](values: Sequence[T], which: Sequence[int]) -> tuple[T, ...]:
    return tuple(values[number] for number in which)


def unranked(trials: pd.DataFrame) -> dict[Cell, str]:
    """Why figures are bounds only, by cell: something else than the stack was the limit, or the latency is not one at that load."""
    found: dict[Cell, str] = {}
    measured, short = trials["status"] == "measured", load_not_reached(trials)
    columns = (trials[key][measured].tolist() for key in ("scenario", "view", "stack", "flags", "late"))
    for scenario, view, stack, flags, late in zip(*columns, strict=True):
        metrics = ["capacity_rps"] if view == "capacity" else list(PERCENTILES.values())
        for flag in sorted(BOUNDING.intersection(flags)):
            found |= {(scenario, view, metric, stack): flag for metric in metrics}
        for name in late:
            if name in PERCENTILES:
                found.setdefault((scenario, view, PERCENTILES[name], stack), "generator-late")
        if (scenario, view, stack) in short:
            found |= {(scenario, view, metric, stack): "load-not-reached" for metric in metrics}
    return found
