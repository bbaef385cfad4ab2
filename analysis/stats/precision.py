"""How wide the intervals are so far, and which scenarios need more blocks: what `bench run` asks between blocks.

The rule looks at widths alone, never at estimates, and all stacks of a scenario go on together: so neither a stack that looks good
nor one that looks close is measured by rules of its own. What stopping by it does to coverage is simulated (docs/statistics.md).
"""

import math
from typing import Any

from analysis.frames import Frames
from analysis.stats.comparison import Comparison, comparisons
from analysis.stats.figures import replicates
from analysis.stats.intervals import MIN_REPLICATES
from analysis.stats.layout import unranked
from analysis.stats.pairs import FAMILY, LEVEL

SCHEMA = 1
METRIC = "capacity_rps"
PRECISION = 0.03


def precision(frames: Frames, *, wanted: float = PRECISION) -> dict[str, Any]:
    """What docs/statistics.md describes under "Precision": half-widths by scenario and stack, and the scenarios that are still `wide`."""
    classes = dict(zip(frames.stacks["stack"], frames.stacks["model"], strict=True))
    capacity = frames.trials[frames.trials["view"] == "capacity"]
    found = comparisons(replicates(capacity), classes, unranked(capacity), metrics=[METRIC])
    scenarios = [_scenario(one, wanted) for one in found]
    # By the middle pair: a stack whose deployments vary a lot sets the widest, which a few more blocks hardly change.
    ordered = sorted(scenarios, key=lambda one: -(one["half_width"] or math.inf))
    return {
        "schema": SCHEMA,
        "run_id": frames.header.get("run_id"),
        "metric": METRIC,
        "precision": wanted,
        "level": LEVEL,
        "family": FAMILY,
        "min_blocks": MIN_REPLICATES,
        "wide": [one["scenario"] for one in ordered if one["more"]],
        "scenarios": scenarios,
    }


def _scenario(found: Comparison, wanted: float) -> dict[str, Any]:
    """One entry. A stack that lacks blocks is waited for, unless it failed in most of them and would hold up the run."""
    widest = max((pair.half for pair in found.pairs), default=math.nan)
    stacks = [
        {
            "stack": place.stack, "blocks": place.blocks, "half_width": place.half_width,
            "blocks_needed": _needed(place.blocks, place.half_width, wanted), "reason": None,
        }
        for place in found.places
    ] + [
        {
            "stack": stack, "blocks": found.few.get(stack), "half_width": None, "blocks_needed": None, "reason": reason,
        }
        for stack, reason in found.left_out.items()
    ]  # fmt: skip
    waited_for = [count for count in found.few.values() if 2 * count >= found.blocks]
    return {
        "scenario": found.scenario,
        "blocks": found.blocks,
        "half_width": _share(found.precision),
        "widest": _share(math.expm1(widest)),
        "blocks_needed": _needed(found.blocks, math.expm1(widest), wanted),
        "more": bool(waited_for) or math.expm1(widest) > wanted,
        "stacks": stacks,
    }


def _needed(blocks: int, half_width: float, wanted: float) -> int | None:
    """How many blocks there would have to be in all, if spreads stay as they are; None without an interval."""
    if not math.isfinite(half_width):
        return None
    return max(blocks, math.ceil(blocks * (math.log1p(half_width) / math.log1p(wanted)) ** 2))


def _share(value: float) -> float | None:
    return value if math.isfinite(value) else None


def text(found: dict[str, Any]) -> str:
    """For a person, within 100 columns."""
    lines = [
        f"half-widths of the intervals of all pairs of stacks, throughput; wanted: {found['precision']:.1%}",
        f"{'scenario':<18}{'blocks':>7}{'middle':>9}{'widest':>9}{'blocks needed':>15}",
    ]
    for one in found["scenarios"]:
        middle, widest = ("none" if value is None else f"{value:.1%}" for value in (one["half_width"], one["widest"]))
        needed = "?" if one["blocks_needed"] is None else one["blocks_needed"]
        lines.append(f"{one['scenario']:<18}{one['blocks']:>7}{middle:>9}{widest:>9}{needed:>15}")
        lines += [f"  {stack['stack']}: {stack['reason']}" for stack in one["stacks"] if stack["reason"]]
    lines.append(f"more blocks for: {', '.join(found['wide']) or 'none'}")
    return "\n".join(lines)
