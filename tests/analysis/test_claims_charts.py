"""The pictures of claims: what they show is what was recorded, and 10 ms are resolved."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.charts import Sheet
from analysis.charts._scene import Area, Scene, Strokes, Symbol, Text
from analysis.claims import drawing, stacks
from analysis.claims.charts import Course, Curve, Line, draw_burn, draw_crowd, draw_dip, draw_forest, draw_plateau
from analysis.claims.charts.series import Row
from analysis.claims.records import load
from analysis.claims.requests import Requests, delayed_share, middle, per_second, read, recovery_s, thinned
from analysis.claims.verdict import judge
from analysis.palette import COLOURS
from analysis.words import plain
from bench.model import BenchError
from tests.analysis import stored_claims as stored

SHEET = Sheet(width=440.0)


def requests(intended: Any, latency_ms: Any, lost: Any = None) -> Requests:
    due = np.asarray(intended, float)
    gone = np.zeros(len(due), bool) if lost is None else np.asarray(lost, bool)
    return Requests(intended_s=due, end_s=due + np.asarray(latency_ms, float) / 1000, ok=~gone)


def course(found: Requests, *, label: str = "arm", ends_s: float = 0.0) -> Course:
    return Course(label=label, middle=found, others=[], ends_s=ends_s, note="a note")


def texts(scene: Scene) -> list[str]:
    return [plain(shape.words, "en") for shape in scene.shapes if isinstance(shape, Text)]


def strokes(scene: Scene, ink: str) -> list[Strokes]:
    return [shape for shape in scene.shapes if isinstance(shape, Strokes) and shape.ink == ink]


def test_probes_ten_ms_apart_are_ten_ms_apart_in_the_picture() -> None:
    due = np.arange(-0.5, 2.5, 0.01)
    scene = draw_burn([course(requests(due, np.full(len(due), 3.0)), ends_s=2.0)], Sheet(width=720.0))
    (dots,) = strokes(scene, "link")
    places = sorted((line[0][0] + line[1][0]) / 2 for line in dots.lines)
    assert len(places) == len(due)
    assert np.allclose(np.diff(places), (places[-1] - places[0]) / (len(due) - 1), rtol=1e-6)


def test_the_shade_is_the_burn_and_delayed_probes_lie_above_the_limit() -> None:
    due = np.arange(-0.5, 2.5, 0.01)
    waits = np.where((due >= 0) & (due < 2), (2 - due) * 1000, 3.0)
    scene = draw_burn([course(requests(due, waits), ends_s=2.0)], SHEET)
    (shade,) = [shape for shape in scene.shapes if isinstance(shape, Area)]
    (limit,) = strokes(scene, "muted")
    (dots,) = strokes(scene, "link")
    left, right = shade.points[0][0], shade.points[1][0]
    above = [line for line in dots.lines if line[0][1] < limit.lines[0][0][1] - 0.5]
    assert all(left - 0.1 <= (line[0][0] + line[1][0]) / 2 <= right + 0.1 for line in above)
    assert len(above) / 200 == pytest.approx(0.95, abs=0.02)
    assert shade.about
    assert shade.about.values["burn_s"] == 2.0


def test_lost_probes_stand_on_the_rail_and_not_among_the_latencies() -> None:
    due = np.arange(-0.5, 2.5, 0.01)
    lost = (due >= 1) & (due < 1.1)
    scene = draw_burn([course(requests(due, np.full(len(due), 3.0), lost), ends_s=2.0)], SHEET)
    assert sum(len(shape.lines) for shape in strokes(scene, "bad")) == lost.sum()
    assert sum(len(shape.lines) for shape in strokes(scene, "link")) == len(due) - lost.sum()


def test_answers_are_counted_in_steps_of_100_ms_by_when_they_ended() -> None:
    found = requests([0.0, 0.05, 0.09, 0.15], [1, 1, 60, 1], [False, False, False, True])
    begins, rates = per_second(found, 0.0, 0.3)
    assert begins.tolist() == pytest.approx([0.0, 0.1, 0.2])
    assert rates.tolist() == [20.0, 10.0, 0.0]


def test_recovery_goes_from_the_first_lost_start_to_the_first_200_after() -> None:
    due = np.array([-0.1, 0.02, 0.05, 0.10, 0.40, 0.50])
    lost = [True, False, True, True, False, False]
    first, again = recovery_s(requests(due, np.full(6, 10.0), lost))
    assert (first, again) == (pytest.approx(0.05), pytest.approx(0.41))
    assert all(math.isnan(one) for one in recovery_s(requests(due, np.full(6, 10.0), [True, *[False] * 5])))
    never = recovery_s(requests(due, np.full(6, 10.0), [False, *[True] * 5]))
    assert never[0] == pytest.approx(0.02)
    assert math.isnan(never[1])


def test_the_first_200_is_marked_where_there_is_one() -> None:
    due = np.arange(-1, 4, 0.01)
    back = draw_dip([course(requests(due, np.full(len(due), 2.0), (due >= 0) & (due < 1.2)))], SHEET)
    (mark,) = [shape for shape in back.shapes if isinstance(shape, Symbol)]
    assert mark.about
    assert mark.about.values["first_200_s"] == pytest.approx(1.2, abs=0.02)
    gone = draw_dip([course(requests(due, np.full(len(due), 2.0), due >= 0))], SHEET)
    none = draw_dip([course(requests(due, np.full(len(due), 2.0)))], SHEET)
    assert not [shape for scene in (gone, none) for shape in scene.shapes if isinstance(shape, Symbol)]


def curve(rates: dict[float, float], **rest: Any) -> Curve:
    xs, ys = list(rates), list(rates.values())
    line = Line(x=xs, mean=ys, low=[y * 0.98 for y in ys], high=[y * 1.02 for y in ys], replicates=[[y, y] for y in ys])
    return Curve(
        label="arm", stack="flask/gunicorn-sync/direct", ink="fw-flask", model="sync", lines={"rate": line}, **rest
    )


def test_the_shaded_region_begins_a_fifth_above_slots_over_wait() -> None:
    scene = draw_plateau([curve({1: 5.0, 4: 20.0, 16: 24.0}, slots=4, wait_s=0.2)], SHEET)
    (shade,) = [shape for shape in scene.shapes if isinstance(shape, Area)]
    marks = {
        shape.about.values["connections"]: shape.at[1]
        for shape in scene.shapes
        if isinstance(shape, Symbol) and shape.about
    }
    assert shade.points[2][1] == pytest.approx(marks[16], abs=0.01), "24 is 1.2 x 4 / 0.2"
    assert "predicted: 20 req/s" in texts(scene)


def test_what_was_not_asked_is_not_drawn_as_no_answer() -> None:
    due = np.arange(-0.4, 2.0, 0.01)
    scene = draw_dip([course(requests(due, np.full(len(due), 2.0)))], SHEET)
    (line,) = [one for shape in strokes(scene, "link") for one in shape.lines]
    heights = {round(y, 3) for _, y in line}
    assert len(heights) == 1, "100 answers a second from first to last, and nothing beyond"


def test_long_names_of_curves_are_broken_in_two_within_the_picture() -> None:
    line = Line(x=[3, 64], mean=[0.0, 1.0], low=[0, 1], high=[0, 1], replicates=[[0], [1]])
    name = "4 sync workers behind nginx, slow bodies of requests"
    scene = draw_crowd(
        [Curve(label=name, stack="", ink="fw-flask", model="sync", lines={"failed": line}, workers=1.0)], SHEET
    )
    parts = [shape for shape in scene.shapes if isinstance(shape, Text) and shape.ink == "fw-flask"]
    assert " ".join(plain(part.words, "en") for part in parts) == name
    assert all(part.at[0] + len(plain(part.words, "en")) * 6 < scene.width for part in parts)
    assert not [one for one in strokes(scene, "text") if one.dash], "one worker is no place on the axis"


def test_an_arm_without_slots_has_no_region() -> None:
    scene = draw_plateau([curve({1: 5.0, 64: 320.0}, wait_s=0.2)], SHEET)
    assert not [shape for shape in scene.shapes if isinstance(shape, Area)]


def test_names_of_curves_that_end_together_do_not_lie_on_each_other() -> None:
    line = Line(x=[0, 64], mean=[0.0, 1.0], low=[0, 1], high=[0, 1], replicates=[[0], [1]])
    several = [
        Curve(label=f"arm {n}", stack="", ink="fw-flask", model="sync", lines={"failed": line}, workers=4.0)
        for n in range(4)
    ]
    scene = draw_crowd(several, SHEET)
    heights = sorted(
        shape.at[1] for shape in scene.shapes if isinstance(shape, Text) and plain(shape.words, "en").startswith("arm")
    )
    assert min(np.diff(heights)) >= 12


def row(unit: str, value: float, **rest: Any) -> Row:
    given = {
        "low": value - 0.1,
        "high": value + 0.1,
        "supports": [(0.5, math.inf)],
        "refutes": [(-math.inf, 0.2)],
        "answer": "supports",
    }
    return Row(label=f"{unit} of it", figure="a figure", unit=unit, value=value, **{**given, **rest})


def test_effects_of_unlike_units_have_axes_of_their_own() -> None:
    scene = draw_forest(
        [row("share", 98.0), row("ratio", 1.2), row("plain", -3.0), row("s", 0.2, answer="broken", refutes=[])], SHEET
    )
    told = texts(scene)
    assert [one for one in told if one in ("ratio, log scale", "share", "seconds", "value")] == [
        "ratio, log scale", "share", "seconds", "value",
    ]  # fmt: skip
    assert "control: s of it" in told
    assert sum(isinstance(shape, Symbol) for shape in scene.shapes) == 4


def test_what_refutes_on_either_side_is_striped_on_either_side() -> None:
    def striped(refutes: list[tuple[float, float]]) -> int:
        return len(list(draw_forest([row("share", 50.0, refutes=refutes)], SHEET).shapes))

    below, above = (-math.inf, 20.0), (80.0, math.inf)
    assert striped([below, above]) - striped([below]) == striped([above]) - striped([]) > 0


def test_an_effect_that_is_unknown_has_its_regions_and_no_mark() -> None:
    scene = draw_forest([row("share", math.nan, answer="unresolved")], SHEET)
    assert not [shape for shape in scene.shapes if isinstance(shape, Symbol)]
    assert "a figure" in texts(scene)


def test_the_replicate_in_the_middle_is_shown_and_not_the_best() -> None:
    assert middle([0.9, 0.1, 0.5]) == 2
    assert middle([0.9, math.nan, 0.5]) == 0


def test_dots_that_would_cover_each_other_are_one() -> None:
    x, y = thinned(np.array([0.0, 0.001, 0.02]), np.array([5.0, 5.01, 5.0]))
    assert (x.tolist(), y.tolist()) == ([0.0, 0.02], [5.0, 5.0])


def test_shares_count_what_was_delayed_or_lost_within_the_burn() -> None:
    found = requests(
        [-0.1, 0.1, 0.2, 0.3, 0.4, 2.1], [500, 200, 50, 50, 500, 500], [False, False, False, True, False, False]
    )
    assert delayed_share(found, 2.0) == 3 / 4
    assert math.isnan(delayed_share(found, 0.0))


def test_of_a_record_with_probes_only_the_probes_are_read(tmp_path: Path) -> None:
    stored.requests(tmp_path / "load.parquet", [0.2, 0.1], [0.0, 0.0], [False, True], target="load")
    assert read(tmp_path / "load.parquet").intended_s.tolist() == [0.1, 0.2]
    assert read(tmp_path / "load.parquet").ok.tolist() == [False, True]
    with pytest.raises(BenchError, match="is no record of requests"):
        read(tmp_path / "none.parquet")


def test_levels_may_be_arms_of_one_curve(tmp_path: Path) -> None:
    arms = [stored.arm(f"at-{n}", "tornado/single/direct", curve="a", connections=n) for n in (1, 8)]
    records = [
        stored.record(2, one["name"], n, {"rps": 5.0 * one["parameters"]["connections"]}, parameters={"wait_ms": 200})
        for one in arms for n in range(6)
    ]  # fmt: skip
    table = stored.claim(
        2, arms, [stored.check("a", "rps", "at-8", "> 1", "< 1")], [stored.control("b", "rps", "at-1", "> 1")]
    )
    run = load(stored.write(tmp_path, stored.header({2: table}), records))
    (found,) = judge(run)
    (curve_,) = drawing._curves(run, found)
    assert (str(curve_.label), curve_.wait_s, list(curve_.lines["rate"].x), list(curve_.lines["rate"].mean)) == (
        "at 8",
        0.2,
        [1, 8],
        [5, 40],
    )


def test_arms_that_differ_in_their_levels_alone_are_one_curve(tmp_path: Path) -> None:
    arms = [
        stored.arm("few", "flask/gunicorn-sync/direct", levels=[3]), stored.arm("many", "flask/gunicorn-sync/direct", levels=[16]),
        stored.arm("bodies", "flask/gunicorn-sync/direct", levels=[16], kind="slow-bodies"),
    ]  # fmt: skip
    records = [
        stored.record(6, name, n, {f"probe_failed_share_at_{level}": share, f"probe_p90_ms_at_{level}": 5.0})
        for name, level, share in (("few", 3, 0.0), ("many", 16, 1.0), ("bodies", 16, 0.5)) for n in range(6)
    ]  # fmt: skip
    checks = [stored.check("a", "probe_failed_share_at_16", "many", ">= 0.5", "< 0.1")]
    table = stored.claim(6, arms, checks, [stored.control("b", "probe_failed_share_at_3", "few", "<= 0.1")])
    run = load(stored.write(tmp_path, stored.header({6: table}), records))
    (readers, bodies) = drawing._curves(run, judge(run)[0])
    assert (list(readers.lines["failed"].x), list(readers.lines["failed"].mean)) == ([3, 16], [0, 1])
    assert (list(bodies.lines["failed"].x), bodies.dash is None, readers.dash is None) == ([16], False, True)
    assert "p90 latency of the probes in ms, log scale" in texts(draw_crowd([readers, bodies], SHEET))


def test_a_plateau_without_given_slots_is_drawn_against_what_it_was_compared_with(tmp_path: Path) -> None:
    metrics = {"rps_at_4": 19.0, "plateau_rps": 19.0, "plateau_per_prediction": 0.95}
    records = [stored.record(2, "one", n, metrics, parameters={"wait_ms": 200}) for n in range(6)]
    checks = [stored.check("a", "plateau_per_prediction", "one", "<= 1.2", "> 1.2")]
    table = stored.claim(2, [stored.arm("one")], checks, [stored.control("b", "rps_at_4", "one", "> 1")])
    run = load(stored.write(tmp_path, stored.header({2: table}), records))
    assert drawing._curves(run, judge(run)[0])[0].slots == pytest.approx(4)


@pytest.mark.parametrize(
    ("stack", "model", "ink"),
    [
        ("flask/gunicorn-sync+workers=2/nginx", "sync", "fw-flask"), ("django-async/uvicorn/direct", "asgi", "fw-django-async"),
        ("tornado/single/direct", "loop", "fw-tornado"), ("bottle/uwsgi-gevent/direct", "greenlets", "fw-bottle"),
        ("twisted/twisted-multi/direct", "loops", "fw-twisted"), ("django+raw/gunicorn-gthread/nginx", "threads", "fw-django"),
        ("new/thing/direct", "", "fw-other"), ("", "", "fw-other"),
    ],
)  # fmt: skip
def test_a_stack_is_drawn_as_in_every_other_picture(stack: str, model: str, ink: str) -> None:
    assert (stacks.model(stack), stacks.ink(stack)) == (model, ink)
    assert ink.removeprefix("fw-") in COLOURS
