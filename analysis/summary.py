"""A run in at most 60 lines of Markdown, fit for a pull request: who leads, who ties, how sure, at what cost, and what to trust."""

from collections.abc import Iterator, Sequence

from analysis import outside
from analysis.evidence import Evidence
from analysis.frames import mapping, sequence, tried
from analysis.numbers import MIB, count, estimate, percent
from analysis.page.trust import BUSY
from analysis.setups import date_words
from analysis.stats import MIN_REPLICATES
from analysis.stats.comparison import Comparison, Place

MOST_LINES = 60
NAMED = 3
"""How many stacks a sentence names before it counts the rest."""
SECTIONS = (
    (("capacity_rps",), "Throughput", "requests/s, closed loop; more is better"),
    (("p99_ms", "p90_ms", "p50_ms"), "Latency", "ms from the intended start, open loop; less is better"),
)
"""Metrics, title and unit. Of several metrics the first that stacks were compared by is told, in each scenario and view."""


def text(evidence: Evidence) -> str:
    """The summary. What would be beyond `MOST_LINES` is counted instead, and is in report.json."""
    head = [*_facts(evidence), "", *_trust(evidence)]
    tail = [
        "",
        "All figures with their intervals: `data/estimates.csv`; all pairs: `data/pairs.csv`; `index.html` shows them.",
    ]
    lines = [*head, *(line for part in SECTIONS for line in _section(evidence, *part))]
    room = MOST_LINES - len(tail)
    if len(lines) > room:
        cut = sum(line.startswith("| `") for line in lines[room - 2 :])
        lines = [*lines[: room - 2], "", f"and {cut} rows more, which are in `data/estimates.csv`."]
    return "\n".join([*lines, *tail]) + "\n"


def _facts(evidence: Evidence) -> Iterator[str]:
    frames = evidence.frames
    header, environment = frames.header, mapping(frames.header.get("environment"))
    run_id = outside.line(header.get("run_id") or frames.path.resolve().name)
    yield f"### forkloop run {code(run_id)}"
    yield ""
    facts = [
        f"{date_words(header.get('started'))}",
        f"host {code(environment.get('host') or 'not recorded')}",
        f"{environment['cpus']} CPUs" if isinstance(environment.get("cpus"), int) else "",
        f"mode {code(header.get('mode') or 'not recorded')}",
        f"profile {code(header.get('profile') or 'none')}",
        _counted(evidence),
    ]
    yield ", ".join(fact for fact in facts if fact) + ". Loopback; relative to this machine only."


def _counted(evidence: Evidence) -> str:
    blocks, stacks = evidence.frames.trials["block"].nunique(), len(evidence.stacks)
    return f"{stacks} stack{'s' * (stacks != 1)} in {blocks} block{'s' * (blocks != 1)}"


def _trust(evidence: Evidence) -> Iterator[str]:
    """What to think of the run, each line with a mark: + in order, ! with care, - do not cite."""
    trials = evidence.frames.trials
    state = evidence.frames.header.get("status")
    if state != "finished":
        yield f"- **!** The run is not complete, its status is {code(state or 'not recorded')}."
    if not len(trials):
        yield "- **-** No trial was recorded."
        return
    counts = {status: int((trials["status"] == status).sum()) for status in ("failed", "skipped")}
    flagged = int(sum(bool(flags) for flags in trials["flags"]))
    mark = "-" if counts["failed"] else "!" if flagged or counts["skipped"] else "+"
    yield (
        f"- **{mark}** {count(len(trials))} trials: {counts['failed']} failed, {counts['skipped']} skipped, {flagged} flagged."
    )
    missing = sum(cell["status"] == "missing" for cell in evidence.cells)
    if missing:
        yield f"- **!** {missing} planned cell{'s' * (missing != 1)} of scenario, view and stack have no trial."
    if evidence.frames.damaged:
        yield f"- **!** {len(evidence.frames.damaged)} records could not be read."
    yield _intervals(evidence)
    yield _copies(evidence)
    busy = trials.loc[trials["status"] == "measured", "generator_cpu"].max()
    if busy == busy:
        yield f"- **{'+' if busy <= BUSY else '!'}** The generator used at most {busy:.0%} of its CPU (limit {BUSY:.0%})."
    shared = [outside.line(one) for one in sequence(mapping(evidence.frames.header.get("placement")).get("shared"))]
    yield from (f"- **!** {plain(one[:1].upper() + one[1:]).rstrip('.')}." for one in shared[:2])


def _intervals(evidence: Evidence) -> str:
    if evidence.has_intervals:
        return "- **+** 95% intervals in brackets; those of pairs hold together over all pairs of a scenario."
    return f"- **!** No intervals, so no ranks: they need {MIN_REPLICATES} blocks. The order of figures is no ranking."


def _copies(evidence: Evidence) -> str:
    found = [one for one in evidence.comparisons.values() if one.metric == "capacity_rps" and one.copies.stacks]
    if not found:
        return "- **!** There are no copies of a stack to tell how far equal ones are apart."
    worst = max(found, key=lambda one: one.copies.spread)
    mark = "+" if worst.copies.spread <= worst.margin and worst.margin < 0.05 else "!"
    return f"- **{mark}** Copies of one stack agree within {worst.copies.spread:.1%} in the worst scenario, {code(worst.scenario)}."


def _section(evidence: Evidence, metrics: Sequence[str], title: str, unit: str) -> Iterator[str]:
    chosen: dict[tuple[str, str], Comparison] = {}
    for metric in metrics:
        for (scenario, view, of), one in evidence.comparisons.items():
            known = chosen.get((scenario, view))
            if of == metric and scenario and (known is None or (one.places and not known.places)):
                chosen[scenario, view] = one
    if not chosen:
        return
    yield ""
    yield f"**{title}** ({unit})"
    yield ""
    yield "| Scenario | Leads | The next | How sure |"
    yield "|---|---|---|---|"
    for one in chosen.values():
        name = code(one.scenario) + ("" if one.view in ("capacity", "latency") else f" {code(one.view)}")
        name += f" {one.metric.removesuffix('_ms')}" if one.metric.endswith("_ms") else ""
        yield f"| {name} | {_leads(evidence, one)} | {_next(one)} | {_sure(one)} |"


def leaders(found: Comparison) -> tuple[list[Place], str]:
    """The stacks that none is differently better than, and how they stand: `leads`, `tie`, `open` (some unresolved or not compared)."""
    first = [place for place in found.places if place.rank[0] == 1]
    if len(first) == 1:
        return first, "leads"
    among = {place.stack for place in first}
    answers = [pair.answer for pair in found.pairs if {pair.stack, pair.other} <= among]
    pairs = len(first) * (len(first) - 1) // 2
    return first, "tie" if first and answers.count("equivalent") == pairs else "open"


def _leads(evidence: Evidence, found: Comparison) -> str:
    first, how = leaders(found)
    if not first:
        return f"no ranks; {_range(evidence, found)}"
    names = _some([place.stack for place in first])
    figure = evidence.figures.get((found.scenario, found.view, first[0].stack, found.metric))
    shown = estimate(figure.value, figure.low, figure.high) if figure else ""
    failures = _failures(evidence, found, first[:NAMED])
    if how == "leads":
        return f"{names}, {shown}{_cost(evidence, found, first[0].stack)}{failures}"
    stands = f"{names} {'tie' if how == 'tie' else ': no winner yet'}, {shown} for the first".replace(" :", ":")
    return f"{stands}{failures}"


def _failures(evidence: Evidence, found: Comparison, named: Sequence[Place]) -> str:
    """In how many of their trials stacks failed that are named for what they did in the others."""
    cells = [cell for place in named for cell in evidence.of(place.stack, found.scenario, found.view)]
    return "".join(
        f"; {code(one['stack'])} failed in {one['failed']} of {tried(one)} trials" for one in cells if one["failure"]
    )


def _range(evidence: Evidence, found: Comparison) -> str:
    """From the least to the largest figure, with two digits and no stack's name: no one leads."""
    at = (found.scenario, found.view, found.metric)
    values = [
        one.value for (scenario, view, _, metric), one in evidence.figures.items() if (scenario, view, metric) == at
    ]
    if not values:
        return "no figures"
    return (
        f"figures from {estimate(min(values))} to {estimate(max(values))}" if len(values) > 1 else estimate(values[0])
    )


def _cost(evidence: Evidence, found: Comparison, stack: str) -> str:
    if found.view != "capacity":
        return ""
    cpu = evidence.figures.get((found.scenario, found.view, stack, "cpu_ms"))
    pss = evidence.figures.get((found.scenario, found.view, stack, "pss_bytes"))
    parts = [
        f"{estimate(cpu.value)} ms CPU a request" if cpu else "",
        f"{estimate(pss.value / MIB)} MiB" if pss else "",
    ]
    said = ", ".join(part for part in parts if part)
    return f"; costs {said}" if said else ""


def _next(found: Comparison) -> str:
    """The best of those that are differently worse than the first, and by how much."""
    if not found.places:
        return "–"
    first = found.places[0].stack
    for place in found.places[1:]:
        pair = found.pair(place.stack, first)
        if pair and pair.answer == "different":
            return f"{code(place.stack)} {percent(*pair.bounds())}"
    return "none is surely worse" if len(found.places) > 1 else "–"


def _sure(found: Comparison) -> str:
    if not found.pairs:
        return _left_out(found) or f"{_blocks(found)}, no pairs"
    counts = ", ".join(f"{n} {answer}" for answer, n in found.counts().items() if n)
    wide = f"±{found.precision:.1%}" if found.precision < 1 else f"within a factor of {1 + found.precision:.1f}"
    said = f"{_blocks(found)}, {wide}; {counts}"
    return f"{said}; {_left_out(found)}" if found.left_out else said


def _left_out(found: Comparison) -> str:
    """Who is not ranked, by reason; stacks are counted where there are many."""
    by_reason: dict[str, list[str]] = {}
    for stack, reason in found.left_out.items():
        by_reason.setdefault(reason, []).append(stack)
    everyone = not found.places and len(by_reason) == 1
    said = [
        f"{'none' if everyone else _some(stacks) if len(stacks) <= NAMED else f'{len(stacks)} stacks'} ({plain(reason)})"
        for reason, stacks in by_reason.items()
    ]
    return f"{'ranked' if everyone else 'not ranked'}: {', '.join(said)}" if said else ""


def _blocks(found: Comparison) -> str:
    return f"{found.blocks} block{'s' * (found.blocks != 1)}"


def _some(stacks: Sequence[str]) -> str:
    shown = ", ".join(code(stack) for stack in stacks[:NAMED])
    return shown + (f" and {len(stacks) - NAMED} more" if len(stacks) > NAMED else "")


def code(value: object) -> str:
    """Text from outside as a code span, also within a table: no markup, no mention of a person, no link."""
    return "`" + (outside.line(value).replace("`", "'").replace("|", "\\|") or " ") + "`"


def plain(value: str) -> str:
    """Text from outside as words of a sentence: what Markdown or HTML would read is escaped."""
    escaped = outside.line(value).replace("&", "&amp;").replace("<", "&lt;").replace("@", "@\N{WORD JOINER}")
    return "".join(f"\\{one}" if one in "\\`*_[]|#!" else one for one in escaped)
