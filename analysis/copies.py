"""A/A of a run, as a table: what two copies of one stack differ by, deployed from the same files in the same block. The truth is 1."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from analysis.frames import Frames
from analysis.numbers import percent
from analysis.stats.comparison import Comparison, comparisons
from analysis.stats.figures import replicates
from analysis.stats.intervals import estimates
from analysis.stats.layout import unranked
from bench.model import BenchError


def text(frames: Frames, *, scenarios: Sequence[str] = ()) -> str:
    """What `bench compare RUN --copies` prints, of throughput. Raises BenchError where no stack has two copies."""
    capacity = frames.trials[frames.trials["view"] == "capacity"]
    if scenarios:
        capacity = capacity[capacity["scenario"].isin(list(scenarios))]
    classes = dict(zip(frames.stacks["stack"], frames.stacks["model"], strict=True))
    found = comparisons(replicates(capacity), classes, unranked(capacity), metrics=["capacity_rps"])
    known = [one for one in found if one.copies.stacks]
    if not known:
        raise BenchError(f"{frames.path.name}: no stack has two copies in a block, so there is no A/A")
    own = estimates(replicates(capacity))
    halves = own[own["metric"] == "capacity_rps"].assign(half=lambda rows: np.log(rows["high"] / rows["low"]) / 2)
    middle = {str(name): math.expm1(float(rows["half"].median())) for name, rows in halves.groupby("scenario")}
    lines = [f"{frames.path.name}: copy 1 over copy 2 of every stack, throughput; 95% intervals, each by itself"]
    return "\n".join([*lines, *(line for one in known for line in _scenario(one, middle.get(one.scenario, math.nan)))])


def _scenario(found: Comparison, own: float) -> Iterator[str]:
    agreed = found.copies
    yield ""
    yield f"{found.scenario}, {found.blocks} blocks"
    for one in agreed.stacks:
        apart = "" if not math.isfinite(one.low) else "  1 is outside" if not one.low <= 1 <= one.high else ""
        yield f"  {one.stack:<40}{one.model:<11}{one.ratio:>7.3f}  {percent(one.ratio, one.low, one.high):<26} n {one.n}{apart}"
    kinds = ", ".join(f"{kind} {spread:.1%}" for kind, spread in agreed.by_class.items() if math.isfinite(spread))
    yield f"  the two estimates of a stack differ by {agreed.spread:.1%} (p = {agreed.p:.2g}); one deployment varies by: {kinds}"
    if found.pairs:
        alone = math.expm1(float(np.median([pair.half_alone for pair in found.pairs])))
        yield (
            f"  middle half-width: {own:.1%} of a stack's own figure; of a ratio of two stacks {alone:.1%} by itself, "
            f"{found.precision:.1%} all {len(found.pairs)} together"
        )
