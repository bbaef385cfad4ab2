"""What a chart is: what it asks, of which figures, and how it is drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from matplotlib.figure import Figure

FRAME_COLUMNS = (
    "stack", "colour", "model", "status", "reason", "flags", "metric", "kind", "value", "low", "high", "n",
)  # fmt: skip
"""What `draw` is given: a row for each stack, metric and kind (`estimate`, or `replicate` for each deployment behind it).

A stack without a figure has one row, with its `status`, its `reason` and no metric. `colour` is a key of `palette.COLOURS`.
"""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What a figure is drawn on. Without a title it is meant for a page that prints the title and subtitle itself."""

    width_in: float
    title: str | None = None
    subtitle: str = ""
    footer: str = ""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One kind of picture, drawn once for each scenario or once for the run."""

    name: str
    """Its file name, before the scenario."""
    order: int
    each: Literal["scenario", "run"]
    view: str
    """Whose trials it shows: a stack that has none in this view is named with the reason."""
    metrics: tuple[str, ...]
    """The figures its frame holds. A stack without the first of them is named with the reason instead of drawn."""
    question: str
    """The title. May hold `{scenario}` and, for open-loop views, `{load}`."""
    measure: str
    """What is drawn, its unit and scale: the start of the subtitle."""
    draw: Callable[[pd.DataFrame, Sheet], Figure]
