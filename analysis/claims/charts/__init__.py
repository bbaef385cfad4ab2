"""The pictures of a claim: each shows what its kind of experiment saw. They are drawn from values, and read no file."""

from analysis.claims.charts.burn import draw_burn
from analysis.claims.charts.crowd import draw_crowd
from analysis.claims.charts.dip import draw_dip
from analysis.claims.charts.forest import draw_forest
from analysis.claims.charts.plateau import draw_plateau
from analysis.claims.charts.series import Course, Curve, Line, Row

__all__ = [
    "Course",
    "Curve",
    "Line",
    "Row",
    "draw_burn",
    "draw_crowd",
    "draw_dip",
    "draw_forest",
    "draw_plateau",
]
