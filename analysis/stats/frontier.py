"""Which stacks are not dominated: no other one is surely better in throughput or memory and at least as good in the other."""

from collections.abc import Mapping

from analysis.stats.comparison import Comparison


def frontier(throughput: Comparison | None, memory: Comparison | None) -> Mapping[str, tuple[str, ...]]:
    """From each stack that was compared in both to those that dominate it: none, if it is on the frontier.

    Only differences count: one stack dominates another if it is differently better in one of the two and differently better or equivalent
    in the other. What is unresolved dominates nothing, so a frontier is rather too long than too short.
    """
    if throughput is None or memory is None:
        return {}
    ranked = [{place.stack for place in one.places} for one in (throughput, memory)]
    both = [place.stack for place in throughput.places if place.stack in ranked[0] & ranked[1]]
    return {
        stack: tuple(other for other in both if other != stack and _dominates(other, stack, throughput, memory))
        for stack in both
    }


def _dominates(one: str, other: str, throughput: Comparison, memory: Comparison) -> bool:
    standings = {_stands(found, one, other) for found in (throughput, memory)}
    return "better" in standings and standings <= {"better", "equivalent"}


def _stands(found: Comparison, one: str, other: str) -> str:
    pair = found.pair(one, other)
    if pair is None or pair.answer != "different":
        return pair.answer if pair else "unknown"
    return "better" if (pair.log_ratio > 0) == (found.better == "higher") else "worse"
