"""What a chart is: what it asks, of which figures, and how it is drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.charts._scene import Scene, Words
from analysis.evidence import Evidence
from analysis.words import known, say

FRAME_COLUMNS = (
    "stack", "colour", "model", "status", "reason", "flags", "view", "metric", "kind", "value", "low", "high", "n", "answer",
)  # fmt: skip
"""What `draw` is given: a row for each stack, view, metric and kind. Charts that need other figures have a `frame` of their own.

Kinds: `estimate`; `replicate` for each deployment behind it; and where the chart names a `first`, `ratio` to the stack that leads with
its `answer` (that of the leader itself is 1, its bounds are the margin), and `rank`, from `low` to `high`.
A stack without a figure has one row, with its `status`, its `reason` and no metric. `colour` is a key of `palette.COLOURS`.
"""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What a figure is drawn on. Without a title it is meant for a page that prints the title and subtitle itself."""

    width: float
    title: Words | None = None
    subtitle: Words = ""
    footer: str = ""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One kind of picture, drawn once for each scenario or once for the run.

    `question` and `measure` are English texts, or keys of `analysis/words`. The question may hold the slots `scenario` and, for open-loop
    views, `load`; the measure may hold `load`, that of the first view in the chart's frame.
    """

    name: str
    """Its file name, before the scenario."""
    order: int
    each: Literal["scenario", "run"]
    question: str
    """The title."""
    measure: str
    """What is drawn, its unit and scale: the start of the subtitle."""
    draw: Callable[[pd.DataFrame, Sheet], Scene]
    view: str = "capacity"
    """Whose trials it shows: a stack that has none in this view is named with the reason."""
    metrics: tuple[str, ...] = ()
    """The figures its frame holds. A stack without the first of them is named with the reason instead of drawn."""
    section: str = "more"
    """The part of the page where it stands: one of `page.sections.SECTIONS`."""
    frame: Callable[[Evidence, str], pd.DataFrame] | None = None
    """Makes its frame, with a column `stack`, from a run and a scenario; empty where there is nothing to draw. None: `frames.of_stacks`.
    A row without a `metric` only says why a stack is not drawn.
    """
    counts: Literal["deployments", "requests", ""] = "deployments"
    """What the column `n` of its frame counts, for the subtitle; empty where that differs from mark to mark."""
    page_width: float = 360.0
    """How wide it is on the page, in CSS pixels."""


def words(text: str, **slots: object) -> Words:
    """A chart's `question` or `measure` with its slots filled: told in every language where it is a key, else as it stands."""
    return say(text, **slots) if known(text) else text.format(**slots)
