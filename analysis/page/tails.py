"""The percentiles behind the spectrum's curves as a table: over all requests of a stack's deployments together."""

from dataclasses import dataclass

from analysis import spectra, tables
from analysis.charts._absent import because
from analysis.charts._frames import flags_of, without_tail
from analysis.evidence import Evidence
from analysis.numbers import count, parts
from analysis.tables import ABSENT, Name, Printed
from analysis.words import Said


@dataclass(frozen=True, kw_only=True)
class Row:
    """One stack: its percentiles in ms, in the order of `spectra.NAMED`, and how many requests are behind them.

    `flags` are those of its trials together; `why` tells the reason where it has no percentile at all.
    """

    name: Name
    percentiles: tuple[Printed, ...]
    requests: str
    blocks: int
    flags: tuple[str, ...]
    why: tuple[Said, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """One scenario at one load, the lowest tail first."""

    scenario: str
    view: str
    load: Said
    rows: tuple[Row, ...]


HEADS = tuple(spectra.words(share) for share in spectra.NAMED)


def tails(evidence: Evidence) -> list[Table]:
    """A table for each scenario and load of which requests are stored."""
    found = []
    for scenario in tables.scenarios(evidence):
        for view in tables.views(evidence):
            rows = _rows(evidence, scenario, view)
            if rows:
                found.append(Table(scenario=scenario, view=view, load=tables.load(evidence, scenario, view), rows=rows))
    return found


def _rows(evidence: Evidence, scenario: str, view: str) -> tuple[Row, ...]:
    """Every stack, the lowest tail first and those without one last; none at all where no stack has a percentile."""
    found = {name.stack: evidence.spectra.get((scenario, view, name.stack)) for name in tables.names(evidence)}
    if not any(spectrum and spectrum.at(spectra.NAMED[0]) for spectrum in found.values()):
        return ()

    def tail(name: Name) -> list[float]:
        spectrum = found[name.stack]
        figures = (spectrum.at(share) if spectrum else None for share in (0.99, 0.9, 0.5))
        return [figure[0] if figure else float("inf") for figure in figures]

    ordered = sorted(tables.names(evidence), key=tail)
    return tuple(_row(evidence, scenario, view, name, found[name.stack]) for name in ordered)


def _row(evidence: Evidence, scenario: str, view: str, name: Name, found: spectra.Spectrum | None) -> Row:
    stack, figures = evidence.stacks[name.number], [found.at(share) if found else None for share in spectra.NAMED]
    absent = None if figures[0] else without_tail(evidence, scenario, view, stack)
    return Row(
        name=name, percentiles=tuple(parts(*figure) if figure else ABSENT for figure in figures),
        requests=count(found.n if found else 0), blocks=found.blocks if found else 0,
        flags=flags_of(evidence, scenario, view, stack),
        why=(because(absent["status"], absent["reason"]),) if absent else (),
    )  # fmt: skip
