"""Where each picture stands on the page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from analysis.charts._scene import Words

SECTIONS = ("capacity", "latency", "load", "spectrum", "cpu", "memory", "effects", "sweeps", "drift", "more")
"""Parts of the page that hold pictures, by their id, in order. A chart that names none of them stands under `more`."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A chart as the page shows it: its words, its SVG, and the files beside the page with the same content."""

    section: str
    chart: str
    scenario: str
    title: Words
    subtitle: Words
    width: float
    svg: Markup
    files: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Blank:
    """A chart that was not drawn, since no stack has a figure for it in the scenario (empty for one of the whole run)."""

    section: str
    chart: str
    scenario: str


def section(wanted: str) -> str:
    """The part of the page for a chart that asks for the section `wanted`."""
    return wanted if wanted in SECTIONS else "more"


def by_section[T: (Picture, Blank)](found: Iterable[T]) -> dict[str, Sequence[T]]:
    """Every section with what belongs into it."""
    grouped: dict[str, list[T]] = {name: [] for name in SECTIONS}
    for one in found:
        grouped[one.section].append(one)
    return {name: tuple(members) for name, members in grouped.items()}
