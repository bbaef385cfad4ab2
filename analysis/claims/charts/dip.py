"""Answers around a crash or a reload: one panel an arm, correct answers a second in steps of 100 ms, losses, and the first 200 after."""

import math
from collections.abc import Sequence

from analysis.charts import Sheet
from analysis.charts import _axis as axes
from analysis.charts._axis import Axis
from analysis.charts._scene import About, Scene
from analysis.claims.charts._panels import Field, Panels, seconds
from analysis.claims.charts.series import Course
from analysis.claims.requests import STEP_S, Requests, joined, per_second, recovery_s
from analysis.words import plain, say

BEFORE_S = 1.0
LEAST_AFTER_S, MOST_AFTER_S = 3.0, 20.0


def draw_dip(courses: Sequence[Course], sheet: Sheet) -> Scene:
    """Panels with one time axis, 0 s at the fault, each with a rate axis from zero."""
    panels = Panels(sheet)
    until = max(LEAST_AFTER_S, *(_until(course.middle) for course in courses))
    before = min(BEFORE_S, max(float(-course.middle.intended_s.min(initial=0.0)) for course in courses))
    window = (-math.ceil(before / STEP_S) * STEP_S, math.ceil(until / STEP_S - 1e-9) * STEP_S)
    step = next(step for step in (0.5, 1.0, 2.0, 5.0) if (window[1] - window[0]) / step <= 12)
    for course in courses:
        field = panels.add(course.label, 60.0, note=course.note)
        time = seconds(*window, field.left, field.right, step)
        several = [per_second(one, *window) for one in (course.middle, *course.others)]
        rate = axes.linear(
            [float(rates.max(initial=1.0)) for _, rates in several], field.bottom, field.top + 12, most_ticks=4
        )
        panels.vertical(field, rate)
        zero = time.at(0.0)
        panels.draw.strokes([((zero, field.top), (zero, field.bottom))], "text", dash=(4, 3))
        for other in course.others:
            _steps(panels, time, rate, other, window, width=0.9, opacity=0.25)
        _steps(panels, time, rate, course.middle, window, width=1.8, opacity=1.0)
        for shown, opacity in ((joined(course.others), 0.25), (course.middle, 1.0)):
            seen = shown.between(*window)
            panels.losses(time, seen.intended_s[~seen.ok], field.top + 4, opacity=opacity)
        _first(panels, field, time, course)
        last = course is courses[-1]
        panels.horizontal(
            field, [(time.at(t), f"{t:g}") for t in time.ticks] if last else (), say("claims.axis.dip") if last else ""
        )
    return panels.scene()


def _until(found: Requests) -> float:
    """How far a course has to be shown: a second beyond the first answer after the fault; without one, to its end."""
    first, again = recovery_s(found)
    end = min(float(found.intended_s.max(initial=0.0)), MOST_AFTER_S)
    if math.isnan(first):
        return 0.0
    return end if math.isnan(again) else min(again + 1.0, end)


def _steps(
    panels: Panels,
    time: Axis,
    rate: Axis,
    found: Requests,
    window: tuple[float, float],
    *,
    width: float,
    opacity: float,
) -> None:
    begins, rates = per_second(found, *window)
    lasting = (begins >= found.end_s.min(initial=math.inf)) & (
        begins + STEP_S <= found.intended_s.max(initial=-math.inf)
    )
    begins, rates = begins[lasting], rates[lasting]  # before and after the record nothing was asked: that is no 0
    line = [
        (time.at(at), rate.at(value))
        for begin, value in zip(begins.tolist(), rates.tolist(), strict=True)
        for at in (begin, begin + STEP_S)
    ]
    if line:
        panels.draw.strokes([line], "link", width=width, opacity=opacity)


def _first(panels: Panels, field: Field, time: Axis, course: Course) -> None:
    """The first 200 after the first loss; nothing where none was lost, or none came."""
    first, again = recovery_s(course.middle)
    if math.isnan(again) or not time.holds(again):
        return
    x = time.at(again)
    tip = f"{plain(course.label, 'en')}\n{plain(course.note, 'en')}"
    about = About(tip=tip, values={"first_lost_s": first, "first_200_s": again})
    panels.draw.strokes([((x, field.top + 8), (x, field.bottom))], "good", width=1.6)
    panels.draw.symbol(x, field.bottom - 3, "loops", "good", size=9, about=about)
