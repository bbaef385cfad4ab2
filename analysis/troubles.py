"""What went wrong or is to be read with care, in the order of its weight, and nothing left out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analysis import outside
from analysis.evidence import Evidence
from analysis.frames import mapping, records, sequence

REMEDIES: Mapping[str, str] = {
    "generator-bound": "the load generator was at its limit, so the stack can do at least this; give the generator more CPUs",
    "generator-late": "the generator sent so late that it is more than a tenth of a percentile; give it a CPU of its own or a lower rate",
    "database-bound": "the database was at its limit, so the figure says more of it than of the stack; give it a CPU of its own",
    "load-not-reached": "less was answered than offered, so the latency is not one at that load; offer less",
    "unbalanced": "a worker did over 20% more or less than an equal share of the work, so the stack was not as wide as its worker count; "
    "try more connections, or a front that spreads them",
    "restarted": "processes were replaced while it was loaded, so part of the time it was starting; its log says why",
    "errors": "some requests were not answered correctly; they are counted in the column of errors and in no rate",
}
"""What a flag means and what to do about it. Flags that are not listed are shown by name."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One cause, the stacks and the trials it befell. `kind` is one of contract, failed, skipped, missing, flagged, damaged.

    `trials` are told without their stack: every one of `stacks` had them all.
    """

    kind: str
    stacks: tuple[str, ...]
    reason: str
    trials: tuple[str, ...] = ()
    log_tail: str | None = None


def troubles(evidence: Evidence) -> list[Trouble]:
    """All of a run's troubles; what has one cause and befell the same trials of several stacks is told once."""
    found = [
        *_contract(evidence),
        *_trials(evidence, "failed"),
        *_damaged(evidence),
        *_flagged(evidence),
        *_trials(evidence, "skipped"),
        *_missing(evidence),
    ]
    merged: dict[tuple[str, str, tuple[str, ...], str | None], list[str]] = {}
    for one in found:
        merged.setdefault((one.kind, one.reason, one.trials, one.log_tail), []).extend(one.stacks)
    return [
        Trouble(kind=kind, stacks=tuple(stacks), reason=reason, trials=trials, log_tail=log_tail)
        for (kind, reason, trials, log_tail), stacks in merged.items()
    ]


def _contract(evidence: Evidence) -> Iterable[Trouble]:
    for stack, result in mapping(evidence.frames.header.get("verified")).items():
        failures = [mapping(failure) for failure in sequence(mapping(result).get("failures"))]
        if not failures and mapping(result).get("status") != "failed":
            continue
        told = [
            "{} [{}]: expected {}, got {}".format(
                *(outside.line(failure.get(k, "?")) for k in ("endpoint", "rule", "expected", "got"))
            )
            for failure in failures
        ]
        rules = mapping(result).get("rules")
        count = f"{len(failures)} of {rules} rules" if rules else f"{len(failures)} rules"
        yield Trouble(
            kind="contract",
            stacks=(outside.line(stack),),
            reason=f"does not keep the contract: {count}",
            log_tail="\n".join(told),
        )


def _trials(evidence: Evidence, status: str) -> Iterable[Trouble]:
    trials = evidence.frames.trials
    chosen = trials[trials["status"] == status]
    reasons = [reason or "no reason was recorded" for reason in chosen["reason"]]
    for (stack, reason), group in chosen.assign(reason=reasons).groupby(["stack", "reason"], sort=False):
        tails = [tail for tail in group["log_tail"] if tail]
        names = tuple(
            f"{row['scenario']} {row['view']}, block {row['block'] + 1}"
            + (f", copy {row['copy'] + 1}" if row["copy"] else "")
            for row in records(group)
        )
        yield Trouble(
            kind=status, stacks=(str(stack),), reason=str(reason), trials=names, log_tail=tails[-1] if tails else None
        )


def _damaged(evidence: Evidence) -> Iterable[Trouble]:
    for line in evidence.frames.damaged:
        yield Trouble(kind="damaged", stacks=(), reason=line)


def _flagged(evidence: Evidence) -> Iterable[Trouble]:
    found: dict[tuple[str, str], list[str]] = {}
    for cell in evidence.cells:
        for flag in cell["flags"]:
            found.setdefault((cell["stack"], flag), []).append(f"{cell['scenario']} {cell['view']}")
    for (stack, flag), cells in found.items():
        meaning = REMEDIES.get(flag)
        yield Trouble(
            kind="flagged", stacks=(stack,), reason=f"{flag}: {meaning}" if meaning else flag, trials=tuple(cells)
        )


def _missing(evidence: Evidence) -> Iterable[Trouble]:
    found: dict[tuple[str, str], list[str]] = {}
    for cell in evidence.cells:
        if cell["status"] == "missing":
            found.setdefault((cell["stack"], cell["reason"]), []).append(f"{cell['scenario']} {cell['view']}")
    for (stack, reason), cells in found.items():
        yield Trouble(kind="missing", stacks=(stack,), reason=reason, trials=tuple(cells))


def not_planned(evidence: Evidence) -> list[Trouble]:
    """Combinations that the plan left out, with the reason: no trouble of the run, but nothing is left out in silence."""
    found = []
    for entry in map(mapping, sequence(evidence.frames.plan.get("skipped"))):
        reason = outside.line(entry.get("reason", "no reason given"))
        found.append(Trouble(kind="skipped", stacks=(outside.line(entry.get("id", "?")),), reason=reason))
    return found
