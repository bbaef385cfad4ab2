"""Probes around a burn: one panel an arm, a dot for each probe when it was due, what it waited, and those that were lost."""

from collections.abc import Sequence

import numpy as np

from analysis.charts import Sheet
from analysis.charts._axis import Axis
from analysis.charts._scene import About, Scene
from analysis.claims.charts._panels import Field, Panels, seconds
from analysis.claims.charts.series import Course
from analysis.claims.requests import LIMIT_MS, Requests, joined, thinned
from analysis.words import plain, say

BEFORE_S, AFTER_S = 0.75, 1.25
LOWEST_MS = 0.5


def draw_burn(courses: Sequence[Course], sheet: Sheet) -> Scene:
    """Panels with one time axis (0 s is the beginning of the burn) and one logarithmic latency axis."""
    panels = Panels(sheet)
    due = joined([course.middle for course in courses]).intended_s
    longest = max(course.ends_s for course in courses)
    window = (max(-BEFORE_S, float(due.min()) - 0.02), min(longest + AFTER_S, float(due.max()) + 0.02))
    highest = max(
        [1000.0, *(_highest(one.between(*window)) for course in courses for one in (course.middle, *course.others))]
    )
    ticks = tuple(tick for tick in (1.0, 10.0, 100.0, 1000.0, 10000.0) if tick <= highest)
    for course in courses:
        field = panels.add(course.label, 66.0, note=course.note)
        time = seconds(*window, field.left, field.right, 0.5)
        waited = Axis(
            least=LOWEST_MS, most=highest * 1.2, start=field.bottom, end=field.top + 11, logarithmic=True, ticks=ticks
        )
        about = About(tip=f"{plain(course.label, 'en')}\n{plain(course.note, 'en')}", values={"burn_s": course.ends_s})
        left, right = time.at(0.0), time.at(course.ends_s)
        panels.draw.box(left, field.top, right - left, field.bottom - field.top, "axis", opacity=0.17, about=about)
        panels.vertical(field, waited)
        limit = waited.at(LIMIT_MS)
        panels.draw.strokes([((field.left, limit), (field.right, limit))], "muted", dash=(1.5, 2.5))
        others = joined([other.between(*window) for other in course.others])
        _points(panels, field, time, waited, others, opacity=0.2, size=1.8)
        _points(panels, field, time, waited, course.middle.between(*window), opacity=1.0, size=2.4)
        last = course is courses[-1]
        panels.horizontal(
            field, [(time.at(t), f"{t:g}") for t in time.ticks] if last else (), say("claims.axis.burn") if last else ""
        )
    return panels.scene()


def _highest(found: Requests) -> float:
    return float(found.latency_ms[found.ok].max(initial=LOWEST_MS))


def _points(
    panels: Panels, field: Field, time: Axis, waited: Axis, found: Requests, *, opacity: float, size: float
) -> None:
    latency = np.maximum(found.latency_ms, LOWEST_MS)
    x, y = thinned(found.intended_s[found.ok], latency[found.ok])
    points = ((time.at(one), waited.at(other)) for one, other in zip(x.tolist(), y.tolist(), strict=True))
    panels.dots(points, "link", size=size, opacity=opacity)
    panels.losses(time, found.intended_s[~found.ok], field.top + 4, opacity=opacity)
