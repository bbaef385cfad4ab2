"""How far the run may be trusted: each condition with its value and its limit; the worst of them is the verdict."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis import outside
from analysis.evidence import Evidence
from analysis.frames import mapping, sequence
from analysis.numbers import count, to_place
from analysis.stats import MIN_REPLICATES
from analysis.stats.comparison import Comparison
from analysis.stats.pairs import MARGIN
from analysis.words import Coded, Listed, Said, known, say

Level = Literal["good", "care", "bad"]
LEVELS: tuple[Level, ...] = ("good", "care", "bad")

BUSY = 0.85
CEILING = 0.7
"""The limits of `bench.trial`, above which a trial is flagged as bound by its generator."""
STEAL = 0.02
"""Share of CPU time that the hypervisor may give to others in the worst trial before it is told."""
NAMED = 3
"""So many scenarios and views with skipped trials are named before the rest is counted."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One condition: how it stands, in words, and where on the page the rest is."""

    level: Level
    words: Said
    section: str


@dataclass(frozen=True, kw_only=True)
class Trust:
    """The verdict of the worst line, and all lines, in a fixed order."""

    level: Level
    verdict: Said
    lines: tuple[Line, ...]


def trust(evidence: Evidence) -> Trust:
    """What a reader must know before citing a figure of this run."""
    lines = tuple(
        line for part in (_complete, _blocks, _copies, _generator, _trials, _machine) for line in part(evidence)
    )
    level = max((line.level for line in lines), key=LEVELS.index)
    return Trust(level=level, verdict=say(f"trust.{level}"), lines=lines)


def _capacities(evidence: Evidence) -> list[Comparison]:
    return [
        one for (_, view, metric), one in evidence.comparisons.items() if (view, metric) == ("capacity", "capacity_rps")
    ]


def _complete(evidence: Evidence) -> Iterable[Line]:
    status = evidence.frames.header.get("status")
    if status != "finished":
        words = say("trust.status", status=how_far(status))
        yield Line(level="bad", words=words, section="method")


def _blocks(evidence: Evidence) -> Iterable[Line]:
    blocks = evidence.frames.trials["block"].nunique()
    found = [one for one in _capacities(evidence) if one.pairs]
    if not evidence.has_intervals:
        words = say("trust.no_intervals", blocks=say("count.blocks", n=blocks), least=MIN_REPLICATES)
        yield Line(level="bad", words=words, section="method")
    elif not found:
        yield Line(level="care", words=say("trust.no_pairs", blocks=say("count.blocks", n=blocks)), section="capacity")
    else:
        middle = max(found, key=lambda one: one.precision)
        widest = max(math.expm1(pair.half) for one in found for pair in one.pairs)
        wanted = _wanted(evidence)
        if wanted is None:
            # Nothing was asked for; but a pair whose interval is wider than the margin cannot be shown to tie.
            good, limit = middle.precision <= MARGIN, say("trust.not_wanted", margin=_share(MARGIN))
        else:
            good, limit = widest <= wanted, say("trust.wanted", limit=_share(wanted))
        words = say(
            "trust.precision", half=_share(middle.precision), scenario=middle.scenario, widest=_share(widest), limit=limit,
            blocks=say("count.blocks", n=blocks),
        )  # fmt: skip
        yield Line(level="good" if good else "care", words=words, section="capacity")


def _wanted(evidence: Evidence) -> float | None:
    """The half-width (a share) of every pair's interval that the run was to go on until; None where none was asked for.

    What the plan says, which may be more or less than what is wanted of such runs now.
    """
    asked = mapping(evidence.frames.plan.get("profile")).get("precision")
    if isinstance(asked, bool) or not isinstance(asked, int | float) or not 0 < asked < 1:
        return None
    return float(asked)


def _copies(evidence: Evidence) -> Iterable[Line]:
    known = [one.copies for one in _capacities(evidence) if math.isfinite(one.copies.spread)]
    if not known:
        yield Line(level="care", words=say("trust.no_copies"), section="method")
        return
    worst = max(one.spread for one in known)
    apart = sum(one.p < 0.05 / len(known) for one in known)
    key = "trust.copies_apart" if apart else "trust.copies"
    level: Level = "good" if worst <= MARGIN and not apart else "care"
    words = say(key, spread=_share(worst), limit=_share(MARGIN), n=apart)
    yield Line(level=level, words=words, section="copies")


def _generator(evidence: Evidence) -> Iterable[Line]:
    trials = evidence.frames.trials
    mine = trials[(trials["view"] == "capacity") & (trials["status"] == "measured")]
    busiest = mine["generator_cpu"].max()
    near = (mine["rps"] / mine["ceiling_rps"]).max()
    bound = len({cell["stack"] for cell in evidence.cells if "generator-bound" in cell["flags"]})
    if not math.isfinite(busiest):
        yield Line(level="care", words=say("trust.no_generator"), section="method")
        return
    slots = {"busy": _share(busiest, 0), "limit": _share(BUSY, 0)}
    told = say("trust.ceiling", near=_share(near, 0), limit=_share(CEILING, 0)) if math.isfinite(near) else ""
    if bound:
        yield Line(level="care", words=say("trust.bound", n=bound, **slots), section="troubles")
    else:
        late = any("generator-late" in cell["flags"] for cell in evidence.cells)
        level: Level = "good" if busiest <= BUSY and not late else "care"
        yield Line(level=level, words=say("trust.generator", ceiling=told, **slots), section="method")


def _trials(evidence: Evidence) -> Iterable[Line]:
    trials = evidence.frames.trials
    failed, total = int((trials["status"] == "failed").sum()), len(trials)
    flagged = sum(bool(flags) for flags in trials["flags"])
    skipped = trials[trials["status"] == "skipped"]
    verified = mapping(evidence.frames.header.get("verified")).values()
    counted = {
        # A flag of cells alone: over all deployments together too little was answered, whatever a single trial says.
        "missed": sum("load-not-reached" in cell["flags"] for cell in evidence.cells),
        "missing": sum(cell["status"] == "missing" for cell in evidence.cells),
        "damaged": len(evidence.frames.damaged),
        "contract": sum(bool(mapping(one).get("failures")) for one in verified),
    }
    if not total:
        yield Line(level="bad", words=say("trust.no_trials"), section="troubles")
        return
    if not (failed or flagged or len(skipped) or any(counted.values())):
        yield Line(level="good", words=say("trust.clean", total=count(total)), section="trials")
        return
    if failed or flagged:
        words = say("trust.troubles", total=count(total), failed=count(failed), flagged=count(flagged))
        yield Line(level="bad" if failed == total else "care", words=words, section="troubles")
    if len(skipped):
        words = say("trust.skipped", n=count(len(skipped)), total=count(total), places=_places(skipped))
        yield Line(level="care", words=words, section="troubles")
    for key, n in counted.items():
        if n:
            yield Line(level="care", words=say(f"trust.{key}", n=n), section="troubles")


def _places(trials: pd.DataFrame) -> Said | Listed:
    """The scenarios and views of `trials`: the first by name, the rest by number."""
    known = dict.fromkeys(zip(trials["scenario"], trials["view"], strict=True))
    told = [say("trouble.cell", scenario=scenario, view=view) for scenario, view in known]
    if len(told) <= NAMED:
        return Listed(told)
    return say("trust.and_more", places=Listed(told[:NAMED], last="list.between"), n=len(told) - NAMED)


def _machine(evidence: Evidence) -> Iterable[Line]:
    header = evidence.frames.header
    placement = mapping(header.get("placement"))
    for text in sequence(placement.get("shared")):
        yield Line(level="care", words=shared(text), section="method")
    if placement.get("pinned") is False:
        yield Line(level="care", words=say("trust.not_pinned"), section="method")
    steal = evidence.frames.trials["steal"].max()
    if steal > STEAL:
        yield Line(level="care", words=say("trust.steal", share=_share(steal)), section="drift")


def how_far(status: object) -> Said | str:
    """How far a run came, in words, or as it was recorded if it is none of the usual ones."""
    key = f"state.{outside.line(status or '')}"
    return say(key) if known(key) else outside.line(status or "not recorded")


def shared(text: object) -> Said:
    """A note on a CPU that two sides share: in the page's words where it is the usual one, else as it was recorded."""
    plain = outside.line(text)
    if plain.casefold().startswith("the database shares the generator's cpu"):
        return say("trust.database_shares")
    return say("words.recorded", text=Coded(plain, "span"))


def _share(value: float, places: int = 1) -> str:
    return f"{to_place(100 * value, -places)}%"
