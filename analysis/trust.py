"""What a run said of stacks whose differences are known: `bench trust`."""

import itertools
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from analysis.frames import Frames
from analysis.stats.comparison import comparisons
from analysis.stats.figures import replicates
from analysis.stats.layout import unranked
from bench.model import BenchError

FOUND = 0.10
"""A planted difference of so much must be found; a smaller one may stay within the interval, and that is said."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`holds`: every pair was compared, every interval holds the truth, what is large was found, and nothing equal was called different."""

    holds: bool
    text: str


def judge(frames: Frames, truth: Mapping[str, float]) -> Verdict:
    """Hold all pairs of one scenario's capacity against `truth`: from stack to throughput relative to the first stack's.

    Raises BenchError where the run has too few blocks for intervals.
    """
    capacity = frames.trials[frames.trials["view"] == "capacity"]
    classes = dict(zip(frames.stacks["stack"], frames.stacks["model"], strict=True))
    if len(truth) < 2:
        raise BenchError("nothing can be compared with fewer than two stacks; give the truth of each")
    several = list(comparisons(replicates(capacity), classes, unranked(capacity), metrics=["capacity_rps"]))
    if len(several) > 1:
        names = ", ".join(one.scenario for one in several)
        raise BenchError(f"{frames.path.name}: has capacity in several scenarios ({names}); judge a run of one")
    found = several[0] if several else None
    if not found or not found.pairs:
        reasons = "; ".join(dict.fromkeys(found.left_out.values())) if found else ""
        raise BenchError(f"{frames.path.name}: no intervals, so nothing can be judged ({reasons or 'no figures'})")
    pairs = list(itertools.combinations(truth, 2))
    wide = max(len(_pair(*pair)) for pair in pairs)
    lines = [
        f"{frames.path.name}: {found.blocks} blocks, margin {found.margin:.1%}, intervals hold together (95%)",
        f"{'pair':<{wide}}{'true':>7}{'found':>8}  {'interval':<16}answer",
    ]
    wrongs, planted = Counter[str](), {True: list[bool](), False: list[bool]()}
    for stack, other in pairs:
        true, pair = truth[stack] / truth[other], found.pair(stack, other)
        start = _pair(stack, other).ljust(wide) + f"{true:>7.3f}"
        if pair is None:
            wrongs["not compared"] += 1
            why = found.left_out.get(stack) or found.left_out.get(other) or "no figures"
            lines.append(f"{start}{'-':>8}  {why}  NOT COMPARED")
            continue
        ratio, low, high = pair.bounds()
        is_equal, is_large = abs(true - 1) < 1e-9, abs(math.log(true)) > math.log1p(FOUND) - 1e-9
        seen = not low <= 1 <= high
        if not is_equal:
            planted[is_large].append(seen)
        own = {
            "missed": not low <= true <= high,
            "wrong": is_equal and pair.answer == "different",
            "not found": is_large and not seen,
        }
        wrongs.update(name for name, so in own.items() if so)
        mark = next((f"  {name.upper()}" for name, so in own.items() if so), "")
        lines.append(f"{start}{ratio:>8.3f}  [{low:.3f}, {high:.3f}]  {pair.answer}{mark}")
    spreads = ", ".join(f"{kind} {spread:.2%}" for kind, spread in found.copies.by_class.items())
    lines.append(f"copies of one stack differ by: {spreads or 'not known'}")
    lines.append(
        f"{len(pairs)} pairs: {wrongs['missed']} intervals without the truth, {wrongs['wrong']} equal pairs called different, "
        f"{wrongs['not compared']} not compared"
    )
    large, small = planted[True], planted[False]
    lines.append(
        f"planted {FOUND:.0%} or more: {sum(large)} of {len(large)} found; less: {sum(small)} of {len(small)} found"
        + (", the others are within what this run cannot tell from none" if not all(small) else "")
    )
    return Verdict(holds=not wrongs, text="\n".join(lines))


def _pair(*stacks: str) -> str:
    return " / ".join(stack.split("/")[0] for stack in stacks)
