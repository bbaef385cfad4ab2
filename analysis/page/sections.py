"""Where each picture stands on the page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

SECTIONS = ("capacity", "latency", "load", "spectrum", "cpu", "memory", "effects", "sweeps", "drift", "more")
"""Parts of the page that hold pictures, by their id, in order. A chart that names none of them stands under `more`."""

DEFAULT: Mapping[str, str] = {"throughput": "capacity", "latency": "latency", "cpu": "cpu", "memory": "memory"}
"""The section of charts, by name, that do not say one."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A chart as the page shows it: its words, its SVG, and the files beside the page with the same content."""

    section: str
    scenario: str
    title: str
    subtitle: str
    svg: Markup
    files: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Blank:
    """A chart that was not drawn, since no stack has a figure for it."""

    section: str
    title: str


def section(name: str, wanted: str = "") -> str:
    """The section of the chart `name`, which asks for the section `wanted`."""
    chosen = wanted or DEFAULT.get(name, "more")
    return chosen if chosen in SECTIONS else "more"


def by_section[T: (Picture, Blank)](found: Iterable[T]) -> dict[str, Sequence[T]]:
    """Every section with what belongs into it."""
    grouped: dict[str, list[T]] = {name: [] for name in SECTIONS}
    for one in found:
        grouped[one.section].append(one)
    return {name: tuple(members) for name, members in grouped.items()}
