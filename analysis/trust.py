"""What a run said of stacks whose differences are known: `bench trust`."""

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.frames import Frames
from analysis.stats.comparison import comparisons
from analysis.stats.figures import replicates
from analysis.stats.layout import unranked
from bench.model import BenchError


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`holds`: every interval holds the truth, and nothing equal was called different."""

    holds: bool
    text: str


def judge(frames: Frames, truth: Mapping[str, float]) -> Verdict:
    """Hold all pairs of one scenario's capacity against `truth`: from stack to throughput relative to the first stack's.

    Raises BenchError where the run has too few blocks for intervals.
    """
    capacity = frames.trials[frames.trials["view"] == "capacity"]
    classes = dict(zip(frames.stacks["stack"], frames.stacks["model"], strict=True))
    (found,) = comparisons(replicates(capacity), classes, unranked(capacity), metrics=["capacity_rps"])
    if not found.pairs:
        reasons = "; ".join(dict.fromkeys(found.left_out.values()))
        raise BenchError(f"{frames.path.name}: no intervals, so nothing can be judged ({reasons or 'no figures'})")
    lines = [
        f"{frames.path.name}: {found.blocks} blocks, margin {found.margin:.1%}, intervals hold together (95%)",
        f"{'pair':<52}{'true':>7}{'found':>8}  {'interval':<18}answer",
    ]
    missed = wrong = 0
    for pair in found.pairs:
        true = truth[pair.stack] / truth[pair.other]
        ratio, low, high = pair.bounds()
        outside = not low <= true <= high
        false = pair.answer == "different" and abs(true - 1) < 1e-9
        missed, wrong = missed + outside, wrong + false
        mark = "  MISSED" if outside else "  WRONG" if false else ""
        name = f"{_short(pair.stack)} / {_short(pair.other)}"
        lines.append(f"{name:<52}{true:>7.3f}{ratio:>8.3f}  [{low:.3f}, {high:.3f}]    {pair.answer}{mark}")
    spreads = ", ".join(f"{kind} {spread:.2%}" for kind, spread in found.copies.by_class.items())
    lines.append(f"copies of one stack differ by: {spreads or 'not known'}")
    lines.append(
        f"{len(found.pairs)} pairs: {missed} intervals without the truth, {wrong} equal pairs called different"
    )
    return Verdict(holds=not missed and not wrong, text="\n".join(lines))


def _short(stack: str) -> str:
    return stack.split("/")[0]
