"""What the charts and the page are made of: a run's frames with the estimates that follow from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from analysis.frames import Frames, records
from analysis.palette import framework_keys
from analysis.spectra import Spectrum, spectra
from analysis.stats import estimates, load_not_reached, replicates
from analysis.stats.comparison import Comparison, comparisons
from analysis.stats.figures import answered
from analysis.stats.layout import unranked

Key = tuple[str, str, str, str]
"""Scenario, view, stack, metric."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One estimate over `n` deployments in `blocks`; the bounds are NaN where these are too few for an interval."""

    value: float
    low: float
    high: float
    n: int
    blocks: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A run with its estimates and the replicates behind each, by key; its stacks and cells as rows; each stack's colour key.

    `cells` are those of the frames, with the flag `load-not-reached` added where the stack did not answer what was offered.
    `comparisons` are by scenario, view and metric.
    """

    frames: Frames
    figures: Mapping[Key, Figure]
    replicates: Mapping[Key, Sequence[float]]
    stacks: Sequence[Mapping[str, Any]]
    cells: Sequence[Mapping[str, Any]]
    colours: Mapping[str, str]
    comparisons: Mapping[tuple[str, str, str], Comparison]

    @property
    def has_intervals(self) -> bool:
        """Whether any figure has enough blocks behind it."""
        return any(figure.high >= figure.low for figure in self.figures.values())

    @cached_property
    def spectra(self) -> Mapping[tuple[str, str, str], Spectrum]:
        """Percentiles over all requests of a stack's deployments, by scenario, view and stack."""
        return spectra(self.frames)

    @cached_property
    def answered(self) -> Mapping[tuple[str, str, str], float]:
        """Requests answered a second in open loops, by scenario, view and stack."""
        return answered(self.frames.trials)

    def deployments(self) -> tuple[int, int]:
        """The fewest and the most deployments behind a figure; (0, 0) if there is none."""
        counts = [figure.n for figure in self.figures.values()]
        return (min(counts), max(counts)) if counts else (0, 0)

    @cached_property
    def _by_stack(self) -> Mapping[str, Mapping[tuple[str, str], Mapping[str, Any]]]:
        found: dict[str, dict[tuple[str, str], Mapping[str, Any]]] = {}
        for cell in self.cells:
            found.setdefault(cell["stack"], {})[cell["scenario"], cell["view"]] = cell
        return found

    def of(self, stack: str, scenario: str | None = None, view: str | None = None) -> list[Mapping[str, Any]]:
        """The cells of a stack, of all scenarios or one, in all views or one."""
        mine = self._by_stack.get(stack, {})
        if scenario is not None and view is not None:
            return [mine[scenario, view]] if (scenario, view) in mine else []
        return [
            cell
            for (its_scenario, its_view), cell in mine.items()
            if scenario in (None, its_scenario) and view in (None, its_view)
        ]


def gather(frames: Frames) -> Evidence:
    """The estimates of a run."""
    tidy = replicates(frames.trials)
    values: dict[Key, list[float]] = {}
    columns = (tidy[name].tolist() for name in ("scenario", "view", "stack", "metric", "value"))
    for scenario, view, stack, metric, value in zip(*columns, strict=True):
        values.setdefault((scenario, view, stack, metric), []).append(value)
    figures = {
        _key(row): Figure(**{part: row[part] for part in ("value", "low", "high", "n", "blocks")})
        for row in records(estimates(tidy))
    }
    stacks = records(frames.stacks)
    keys = framework_keys((stack["app"], stack["framework"]) for stack in stacks)
    cells, short = records(frames.cells), load_not_reached(frames.trials)
    for cell in cells:
        if (cell["scenario"], cell["view"], cell["stack"]) in short:
            cell["flags"] = (*cell["flags"], "load-not-reached")
    return Evidence(
        frames=frames,
        figures=figures,
        replicates=values,
        stacks=stacks,
        cells=cells,
        colours={stack["stack"]: keys[stack["app"], stack["framework"]] for stack in stacks},
        comparisons={
            (one.scenario, one.view, one.metric): one
            for one in comparisons(tidy, {stack["stack"]: stack["model"] for stack in stacks}, unranked(frames.trials))
        },
    )


def _key(row: Mapping[str, Any]) -> Key:
    return row["scenario"], row["view"], row["stack"], row["metric"]
