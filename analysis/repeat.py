"""Whether a second run says what the first one said: of every pair that the first called `different`, what the second says.

No run is pooled with another: each pair has the two answers side by side.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.frames import Frames
from analysis.numbers import percent
from analysis.stats.comparison import Comparison, comparisons
from analysis.stats.figures import replicates
from analysis.stats.layout import unranked
from analysis.stats.pairs import Pair
from bench.model import BenchError

Outcome = Literal["confirmed", "unresolved", "contradicted", "not compared"]
OUTCOMES: tuple[Outcome, ...] = ("confirmed", "unresolved", "contradicted", "not compared")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A pair that the first run called `different`, and what the second run has for it; None where it does not compare them."""

    scenario: str
    view: str
    metric: str
    first: Pair
    second: Pair | None

    @property
    def outcome(self) -> Outcome:
        """`contradicted`: the second run calls them equivalent, or different the other way round."""
        if self.second is None:
            return "not compared"
        if self.second.answer == "unresolved":
            return "unresolved"
        same_way = (self.second.log_ratio > 0) == (self.first.log_ratio > 0)
        return "confirmed" if self.second.answer == "different" and same_way else "contradicted"


def verdicts(first: Frames, second: Frames, *, metrics: Sequence[str] = ("capacity_rps",)) -> list[Verdict]:
    """All pairs that the first run calls `different`. Raises BenchError where it has none: too few blocks, or nothing differs."""
    later = {(one.scenario, one.view, one.metric): one for one in _compared(second, metrics)}
    found = []
    for one in _compared(first, metrics):
        other = later.get((one.scenario, one.view, one.metric))
        found += [
            Verdict(
                scenario=one.scenario, view=one.view, metric=one.metric, first=pair,
                second=other.pair(pair.stack, pair.other) if other else None,
            )
            for pair in one.pairs if pair.answer == "different"
        ]  # fmt: skip
    if not found:
        raise BenchError(f"{first.path.name} calls no pair of stacks different, so there is nothing to repeat")
    return found


def _compared(frames: Frames, metrics: Sequence[str]) -> list[Comparison]:
    classes = dict(zip(frames.stacks["stack"], frames.stacks["model"], strict=True))
    return comparisons(replicates(frames.trials), classes, unranked(frames.trials), metrics=metrics)


def text(first: Frames, second: Frames, *, metrics: Sequence[str] = ("capacity_rps",)) -> tuple[str, bool]:
    """What `bench compare RUN RUN --verdicts` prints, and whether nothing is contradicted."""
    found = verdicts(first, second, metrics=metrics)
    lines = [
        f"pairs that {first.path.name} calls different, and what {second.path.name} says of them",
        f"{'scenario':<16}{'view':<12}{'metric':<14}{'different':>10}" + "".join(f"{name:>14}" for name in OUTCOMES),
    ]
    cells = dict.fromkeys((one.scenario, one.view, one.metric) for one in found)
    for cell in cells:
        mine = [one for one in found if (one.scenario, one.view, one.metric) == cell]
        lines.append(f"{cell[0]:<16}{cell[1]:<12}{cell[2]:<14}{len(mine):>10}{_counts(mine)}")
    lines.append(f"{'all':<42}{len(found):>10}{_counts(found)}")
    wrong = [one for one in found if one.outcome == "contradicted"]
    for one in wrong:
        assert one.second is not None
        lines.append(
            f"CONTRADICTED {one.scenario} {one.view}: {one.first.stack} over {one.first.other}: "
            f"{percent(*one.first.bounds())}, then {percent(*one.second.bounds())} {one.second.answer}"
        )
    return "\n".join(lines), not wrong


def _counts(some: Iterable[Verdict]) -> str:
    counted = Counter(one.outcome for one in some)
    return "".join(f"{counted[name]:>14}" for name in OUTCOMES)
