"""Who has no mark in a picture, and why: named below curves and clouds, where a stack without a figure has no row that could say it."""

import pandas as pd

from analysis.charts._drawing import Drawing, width_of
from analysis.charts._scene import About
from analysis.outside import abridged, shortened
from analysis.words import Coded, Said, say

LETTER = 0.61
"""The width of most letters, as a share of their size."""


def parted(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of a frame that have a figure, and those that only say why there is none: these have no metric."""
    drawn = frame["metric"].notna()
    return frame[drawn], frame[~drawn]


def because(status: str, reason: str) -> Said:
    """The status of a stack without a figure, with the reason: `status` and `reason` as `_frames.without` gives them."""
    return say(f"status.{status.replace(' ', '_')}_because", reason=Coded(reason, "span"))


def instead(status: str, reason: str, letters: int) -> Said:
    """What stands in the place of a mark, the reason in about so many letters."""
    return say("charts.without", why=because(status, shortened(reason, letters)))


def told(draw: Drawing, absent: pd.DataFrame, x: float, y: float) -> float:
    """Names `absent` from `x` on, in as many lines as they need; returns the height used, which is 0 where nobody is absent.

    A row's `where`, if it has one, tells what alone is not drawn of a stack that is.
    """
    if absent.empty:
        return 0.0
    right = draw.width - x
    letters = int((right - x) / (draw.small * LETTER))
    head = say("charts.not_drawn")
    draw.text(x, y + 6, head, ink="muted")
    at, line = x + width_of(head, draw.small) + 6, 0.0
    entries = {(row["stack"], row.get("where") or ""): row for row in absent.to_dict("records")}
    for (stack, where), row in entries.items():
        name = f"{abridged(stack, letters // 2)} {where}".strip()
        reason = shortened(str(row["reason"] or ""), max(letters - len(name) - 16, 12))
        words = say("charts.absent", stack=Coded(name, "span"), why=because(row["status"], reason))
        wide = width_of(words, draw.small)
        if at + wide > right and at > x:
            at, line = x, line + 16
        draw.text(at, y + line + 6, words, ink="muted", about=About(stack=stack))
        at += wide + 14
    return line + 18
