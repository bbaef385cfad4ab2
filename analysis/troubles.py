"""What went wrong or is to be read with care, in the order of its weight, and nothing left out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from analysis import outside
from analysis.evidence import Evidence
from analysis.frames import mapping, records, sequence
from analysis.words import Coded, Said, say

FLAGS = (
    "generator-bound", "generator-late", "database-bound", "load-not-reached", "unbalanced", "restarted", "errors", "died",
)  # fmt: skip
"""Those that `flag.<name>` in the page's words explains, with what to do about it. Others are shown by name."""

NO_REASON = "no reason was recorded"


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One cause, the stacks and the trials it befell. `kind` is one of contract, failed, skipped, missing, flagged, damaged.

    `trials` are told without their stack: every one of `stacks` had them all.
    """

    kind: str
    stacks: tuple[str, ...]
    reason: Said
    trials: tuple[Said, ...] = ()
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
    merged: dict[tuple[object, ...], list[str]] = {}
    first: dict[tuple[object, ...], Trouble] = {}
    for one in found:
        key = (one.kind, str(one.reason), tuple(map(str, one.trials)), one.log_tail)
        merged.setdefault(key, []).extend(one.stacks)
        first.setdefault(key, one)
    return [replace(first[key], stacks=tuple(stacks)) for key, stacks in merged.items()]


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
        reason = (
            say("trouble.contract", failed=len(failures), rules=outside.line(rules))
            if rules
            else say("trouble.contract_some", failed=len(failures))
        )
        yield Trouble(
            kind="contract",
            stacks=(outside.line(stack),),
            reason=reason,
            log_tail="\n".join(told),
        )


def _trials(evidence: Evidence, status: str) -> Iterable[Trouble]:
    trials = evidence.frames.trials
    chosen = trials[trials["status"] == status]
    reasons = [reason or NO_REASON for reason in chosen["reason"]]
    for (stack, reason), group in chosen.assign(reason=reasons).groupby(["stack", "reason"], sort=False):
        tails = [tail for tail in group["log_tail"] if tail]
        names = tuple(
            say(
                "trouble.trial",
                scenario=row["scenario"],
                view=row["view"],
                block=row["block"] + 1,
                copy=row["copy"] + 1,
            )
            for row in records(group)
        )
        yield Trouble(
            kind=status,
            stacks=(str(stack),),
            reason=recorded(str(reason)),
            trials=names,
            log_tail=tails[-1] if tails else None,
        )


def _damaged(evidence: Evidence) -> Iterable[Trouble]:
    for line in evidence.frames.damaged:
        yield Trouble(kind="damaged", stacks=(), reason=recorded(line))


def _flagged(evidence: Evidence) -> Iterable[Trouble]:
    found: dict[tuple[str, str], list[Said]] = {}
    for cell in evidence.cells:
        for flag in cell["flags"]:
            found.setdefault((cell["stack"], flag), []).append(_cell(cell))
    for (stack, flag), cells in found.items():
        yield Trouble(kind="flagged", stacks=(stack,), reason=meaning(flag), trials=tuple(cells))


def meaning(flag: str) -> Said:
    """A flag with what it means and what to do, or its name alone."""
    if flag not in FLAGS:
        return recorded(flag)
    return say("trouble.flag", flag=Coded(flag, "b"), meaning=say(f"flag.{flag}"))


def recorded(text: str) -> Said:
    """Text as it was recorded, in whatever language that is."""
    return say("words.recorded", text=Coded(text, "span"))


def _cell(cell: Mapping[str, Any]) -> Said:
    return say("trouble.cell", scenario=cell["scenario"], view=cell["view"])


def _missing(evidence: Evidence) -> Iterable[Trouble]:
    found: dict[tuple[str, str], list[Said]] = {}
    for cell in evidence.cells:
        if cell["status"] == "missing":
            found.setdefault((cell["stack"], cell["reason"]), []).append(_cell(cell))
    for (stack, reason), cells in found.items():
        yield Trouble(kind="missing", stacks=(stack,), reason=recorded(reason), trials=tuple(cells))


def not_planned(evidence: Evidence) -> list[Trouble]:
    """Combinations that the plan left out, with the reason: no trouble of the run, but nothing is left out in silence."""
    found = []
    for entry in map(mapping, sequence(evidence.frames.plan.get("skipped"))):
        reason = outside.line(entry.get("reason", "no reason given"))
        found.append(Trouble(kind="skipped", stacks=(outside.line(entry.get("id", "?")),), reason=recorded(reason)))
    return found
