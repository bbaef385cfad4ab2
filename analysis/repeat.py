"""Whether a second run says what the first one said: of every pair that the first called `different`, what the second says.

No run is pooled with another: each pair has the two answers side by side, by one margin.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from analysis import unlike
from analysis.between import Cell, not_to_be_compared
from analysis.frames import Frames
from analysis.numbers import percent
from analysis.stats.comparison import Comparison, comparisons
from analysis.stats.figures import replicates
from analysis.stats.layout import unranked
from analysis.stats.pairs import Pair, answer
from bench.model import BenchError

Outcome = Literal["confirmed", "unresolved", "contradicted", "not compared"]
OUTCOMES: tuple[Outcome, ...] = ("confirmed", "unresolved", "contradicted", "not compared")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A pair that the first run called `different`, and what the second run has for it; None where it does not compare them.

    `why`: for each of the two stacks that was asked otherwise, or has no measurement, what forbids to compare its figures.
    """

    scenario: str
    view: str
    metric: str
    first: Pair
    second: Pair | None
    why: Mapping[str, str]

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
    found = [
        (one, later.get((one.scenario, one.view, one.metric)), pair)
        for one in _compared(first, metrics) for pair in one.pairs if pair.answer == "different"
    ]  # fmt: skip
    if not found:
        raise BenchError(f"{first.path.name} calls no pair of stacks different, so there is nothing to repeat")
    cells = dict.fromkeys(_cell(one, stack) for one, _, pair in found for stack in (pair.stack, pair.other))
    reasons = not_to_be_compared(list(cells), (first, second))
    return [_verdict(one, other, pair, reasons) for one, other, pair in found]


def _cell(found: Comparison, stack: str) -> Cell:
    return found.metric, found.scenario, found.view, stack


def _verdict(one: Comparison, other: Comparison | None, pair: Pair, reasons: Mapping[Cell, str]) -> Verdict:
    """`pair` of the comparison `one` beside the same of `other`, which is judged anew by the smaller of the two margins.

    A margin is wider where the run's own copies differ more. By a wider one of its own a second run would call equivalent what the first
    calls different, and both be right.
    """
    why = {stack: reasons[_cell(one, stack)] for stack in (pair.stack, pair.other) if _cell(one, stack) in reasons}
    second = other.pair(pair.stack, pair.other) if other and not why else None
    if other and second:
        margin = min(one.margin, other.margin)
        second = replace(second, answer=answer(second.log_ratio, second.half, margin))
    return Verdict(scenario=one.scenario, view=one.view, metric=one.metric, first=pair, second=second, why=why)


def _compared(frames: Frames, metrics: Sequence[str]) -> list[Comparison]:
    classes = dict(zip(frames.stacks["stack"], frames.stacks["model"], strict=True))
    return comparisons(replicates(frames.trials), classes, unranked(frames.trials), metrics=metrics)


def text(first: Frames, second: Frames, *, metrics: Sequence[str] = ("capacity_rps",)) -> tuple[str, bool]:
    """What `bench compare RUN RUN --verdicts` prints, and whether nothing is contradicted."""
    found = verdicts(first, second, metrics=metrics)
    machines = unlike.machines(first, second)
    lines = [f"UNLIKE {line}" for line in machines]
    if machines:
        lines.append(
            "these runs are unlike: a contradiction may be the machine's, and says nothing of the stacks alone"
        )
    lines += [
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
    lines += dict.fromkeys(
        f"NOT COMPARED {one.scenario} {one.view} {one.metric}: {stack}: {reason}"
        for one in found for stack, reason in one.why.items()
    )  # fmt: skip
    return "\n".join(lines), not wrong


def _counts(some: Iterable[Verdict]) -> str:
    counted = Counter(one.outcome for one in some)
    return "".join(f"{counted[name]:>14}" for name in OUTCOMES)
