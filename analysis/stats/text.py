"""What a run says about who differs, for a person at a terminal: `python -m analysis compare`."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from analysis.frames import Frames, records
from analysis.numbers import percent
from analysis.stats import letters
from analysis.stats.comparison import Comparison, comparisons
from analysis.stats.effects import FAMILY as EFFECTS_FAMILY
from analysis.stats.effects import Effect, effects
from analysis.stats.figures import replicates
from analysis.stats.layout import BETTER, unranked
from analysis.stats.pairs import FAMILY, Pair
from bench.model import BenchError


def compare(frames: Frames, *, scenarios: Sequence[str] | None = None, metrics: Sequence[str] | None = None) -> str:
    """What `python -m analysis compare` prints. Raises BenchError where a scenario or metric is unknown."""
    figures, chosen = replicates(frames.trials), list(metrics or BETTER)
    _known("metric", chosen, list(BETTER))
    if scenarios:
        _known("scenario", scenarios, [str(name) for name in figures["scenario"].unique()])
        figures = figures[figures["scenario"].isin(scenarios)]
    classes = dict(zip(frames.stacks["stack"], frames.stacks["model"], strict=True))
    return report(comparisons(figures, classes, unranked(frames.trials), metrics=chosen), records(frames.stacks))


def _known(kind: str, names: Sequence[str], there: Sequence[str]) -> None:
    for name in names:
        if name not in there:
            raise BenchError(f"--{kind} {name}: no such {kind} in this run; there are {', '.join(there) or 'none'}")


def report(found: Sequence[Comparison], stacks: Sequence[Mapping[str, Any]]) -> str:
    """Every comparison, with the effects of the parts. `stacks` are rows of `Frames.stacks`."""
    lines = [f"intervals of pairs: 95%, {FAMILY}", f"answers of effects: {EFFECTS_FAMILY}"]
    for one in found:
        lines += ["", *comparison(one), *(line for effect in effects(one, stacks) for line in _effect(effect))]
    return "\n".join(lines)


def comparison(found: Comparison) -> Iterator[str]:
    """One metric of one scenario: the stacks in order with letters, ranks and the ratio to the first; then how sure that is."""
    yield f"{found.scenario} {found.view} {found.metric} ({found.better} is better), {found.blocks} blocks"
    first = found.places[0].stack if found.places else ""
    for place in found.places:
        pair = found.pair(place.stack, first)
        said = f"{percent(*pair.bounds())} {pair.answer}" if pair else ""
        yield f"  {place.letters:<6} rank {letters.words(place.rank):<9}{place.stack:<40} {said}"
    for stack, reason in found.left_out.items():
        yield f"  {'-':<6} no rank       {stack:<40} {reason}"
    if found.pairs:
        counted = ", ".join(f"{count} {answer}" for answer, count in found.counts().items())
        small, sure = found.detectable
        yield (
            f"  {len(found.pairs)} pairs: {counted}; margin {found.margin:.1%}; middle half-width {found.precision:.1%}; "
            f"found 8 times in 10: {small:.1%}, 9 in 10: {sure:.1%}"
        )
    if found.apart:
        yield (
            f"  {found.apart} pairs were not compared, since nothing holds their groups together: across groups the order is that of the "
            "stacks' own figures, drift included"
        )
    if math.isfinite(found.copies.spread):
        kinds = ", ".join(f"{kind} {spread:.1%}" for kind, spread in found.copies.by_class.items())
        yield f"  copies agree within {found.copies.spread:.1%} (p = {found.copies.p:.2g}); one deployment varies by: {kinds}"


def _effect(found: Effect) -> Iterator[str]:
    yield (
        f"  {found.axis}, {found.before} -> {found.after}: {percent(found.ratio, found.low, found.high)}, "
        f"paired over {found.n} stack{'s' * (found.n != 1)}: {found.answer}"
    )
    if found.answer in ("depends", "too few pairs"):
        yield from (f"      {_named(pair)}" for pair in found.pairs)


def _named(pair: Pair) -> str:
    return f"{percent(*pair.bounds(alone=True))} {pair.stack} over {pair.other}"
