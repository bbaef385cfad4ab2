"""The percentiles behind the spectrum's curves as a table: over all requests of a stack's deployments together."""

from dataclasses import dataclass

from analysis import spectra, tables
from analysis.evidence import Evidence
from analysis.numbers import count, parts
from analysis.tables import ABSENT, Name, Printed
from analysis.words import Said


@dataclass(frozen=True, kw_only=True)
class Row:
    """One stack: its percentiles in ms, in the order of `spectra.NAMED`, and how many requests are behind them."""

    name: Name
    percentiles: tuple[Printed, ...]
    requests: str
    blocks: int


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
    known = [
        (name, spectrum)
        for name in tables.names(evidence)
        if (spectrum := evidence.spectra.get((scenario, view, name.stack)))
    ]
    known.sort(key=lambda one: [(one[1].at(share) or (float("inf"),))[0] for share in (0.99, 0.9, 0.5)])
    return tuple(
        Row(
            name=name, requests=count(spectrum.n), blocks=spectrum.blocks,
            percentiles=tuple(
                parts(*figure) if (figure := spectrum.at(share)) else ABSENT for share in spectra.NAMED
            ),
        )
        for name, spectrum in known
    )  # fmt: skip
