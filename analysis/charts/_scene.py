"""A picture as plain shapes, in the order in which they are painted. `analysis.pictures` makes SVG and PNG of it.

Lengths are CSS pixels on the page and points in a file. An ink is a name of `palette.INK`, or `fw-` and a name of `palette.COLOURS`: so
one picture serves light and dark. What a shape stands for goes with it: the stack, and its values as they were computed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from analysis.palette import Mark
from analysis.words import Coded, Listed, Said, Spoken

Point = tuple[float, float]
Words = str | Said | Coded | Listed | Spoken
"""A text that is the same in every language, or one that is told in each."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What a shape stands for. `values` are unrounded, by the name that the page gives them; `tip` says them to a reader."""

    stack: str = ""
    tip: str = ""
    values: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Strokes:
    """Lines of one ink: each a row of points that are joined."""

    lines: tuple[tuple[Point, ...], ...]
    ink: str
    width: float = 1.0
    dash: tuple[float, float] | None = None
    opacity: float = 1.0
    about: About | None = None


@dataclass(frozen=True, kw_only=True)
class Area:
    """A filled polygon."""

    points: tuple[Point, ...]
    ink: str
    opacity: float = 1.0
    about: About | None = None


@dataclass(frozen=True, kw_only=True)
class Symbol:
    """A mark of a worker model around a point, `size` wide; hollow where the figure is only a bound."""

    at: Point
    mark: Mark
    ink: str
    size: float = 11.0
    hollow: bool = False
    opacity: float = 1.0
    about: About | None = None


@dataclass(frozen=True, kw_only=True)
class Text:
    """One line of text; `at` is on its vertical middle."""

    at: Point
    words: Words
    size: float = 12.0
    ink: str = "text"
    anchor: Literal["start", "middle", "end"] = "start"
    bold: bool = False
    about: About | None = None


Shape = Strokes | Area | Symbol | Text


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All shapes of a picture, the first at the bottom, and how large it is."""

    width: float
    height: float
    shapes: tuple[Shape, ...]
