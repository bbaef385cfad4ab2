"""Charts: found by looking, pure, deterministic, and honest about rows without a figure."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_runs import unmeasured

from analysis import charts, pictures
from analysis.charts import FRAME_COLUMNS, Chart, Scene, Sheet, discover
from analysis.charts._chart import words
from analysis.charts._scene import Area, Strokes, Symbol, Text
from analysis.evidence import Evidence, gather
from analysis.frames import load
from analysis.page.sections import SECTIONS
from analysis.palette import COLOURS, INK, MARKS
from analysis.stats import ALL_SCENARIOS
from analysis.words import plain

CHARTS = {chart.name: chart for chart in discover()}
DRAWN = ("throughput", "latency", "cpu", "memory", "frontier")
"""Those for which one block has figures; tests/analysis/test_curves.py has the others."""
WIDE = Sheet(width=720, title="db: a question?", subtitle="Metric, unit, n = 1", footer="run")
NARROW = Sheet(width=360)


@cache
def evidence_in(folder: Path) -> Evidence:
    return gather(load(folder))


def frame_of(folder: Path, chart: Chart, scenario: str) -> pd.DataFrame:
    return charts.frame(evidence_in(folder), chart, ALL_SCENARIOS if chart.each == "run" else scenario)


def texts(scene: Scene) -> list[str]:
    return [plain(shape.words, "en") for shape in scene.shapes if isinstance(shape, Text)]


def symbols(scene: Scene) -> list[Symbol]:
    """The marks of estimates, in the order of rows."""
    return [shape for shape in scene.shapes if isinstance(shape, Symbol) and shape.about and shape.about.stack]


def brackets(scene: Scene) -> list[Strokes]:
    return [shape for shape in scene.shapes if isinstance(shape, Strokes) and shape.lines and len(shape.lines[0]) == 4]


def test_charts_are_found_in_their_folder_and_in_order() -> None:
    assert [chart.name for chart in discover()] == [
        "throughput", "latency", "load", "spectrum", "cpu", "memory", "frontier", "effects", "sweeps", "drift",
    ]  # fmt: skip
    for chart in discover():
        assert plain(words(chart.question, scenario="db", load="a load"), "en").endswith("?")
        assert len(plain(words(chart.measure, load="a load"), "en")) > 20
        assert chart.section in SECTIONS


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("sheet", [WIDE, NARROW], ids=["file", "page"])
def test_a_chart_is_a_pure_function_of_its_frame(mixed_run: Any, name: str, sheet: Sheet) -> None:
    chart = CHARTS[name]
    frame = frame_of(mixed_run.folder, chart, "db")
    assert chart.frame or list(frame.columns) == list(FRAME_COLUMNS)
    assert_pure(chart, frame, sheet)


def assert_pure(chart: Chart, frame: pd.DataFrame, sheet: Sheet) -> None:
    """The same picture twice, its frame as it was, colours of the palette only, and text that stays text."""
    before = frame.copy(deep=True)
    drawn = pictures.svg(chart.draw(frame, sheet))
    assert drawn == pictures.svg(chart.draw(frame, sheet))
    pd.testing.assert_frame_equal(frame, before)
    known = {value for colour in [*COLOURS.values(), *INK.values()] for value in (colour.light,)}
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawn.decode())) <= known
    ET.fromstring(drawn)


@pytest.mark.parametrize("name", DRAWN)
def test_pictures_stand_alone(mixed_run: Any, name: str) -> None:
    chart = CHARTS[name]
    frame = frame_of(mixed_run.folder, chart, "json")
    drawn = pictures.svg(chart.draw(frame, WIDE)).decode()
    root = ET.fromstring(drawn)
    assert root.tag.endswith("svg")
    assert str(WIDE.title) in drawn  # letters stay text
    assert "var(" not in drawn


def test_a_png_has_twice_the_usual_density(mixed_run: Any, usual_dpi: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "PNG_DPI", usual_dpi)
    chart = CHARTS["memory"]
    image = pictures.png(chart.draw(frame_of(mixed_run.folder, chart, "json"), WIDE))
    assert image.startswith(b"\x89PNG")
    assert int.from_bytes(image[16:20]) == 2000  # 10 in at 200 dpi


def test_on_the_page_colours_follow_the_theme_and_marks_carry_their_values(mixed_run: Any) -> None:
    chart = CHARTS["throughput"]
    scene = chart.draw(frame_of(mixed_run.folder, chart, "db"), NARROW)
    drawn = str(pictures.inline_svg(scene, label='a "label" <b>'))
    root = ET.fromstring(drawn)
    assert not re.search(r"#[0-9a-f]{6}\b", drawn)
    assert "var(--fw-django)" in drawn
    assert root.attrib["aria-label"] == 'a "label" <b>'
    (mark,) = [one for one in root.iter() if one.get("data-stack") == "aiohttp/multi/nginx" and one.get("data-value")]
    trial = mixed_run.find("aiohttp/multi/nginx", "db", "capacity")
    assert float(mark.attrib["data-value"]) == pytest.approx(trial["requests"] / 3, rel=1e-5)
    assert mark.attrib["data-n"] == "1"
    assert mark[0].text == "aiohttp/multi/nginx\n2,500 req/s, n = 1"


def test_every_mark_has_an_outline_in_both_kinds_of_file() -> None:
    for mark in MARKS.values():
        box = pictures.outline(mark.path).get_extents()
        assert 0 <= box.x0 < box.x1 <= 16
        assert 0 <= box.y0 < box.y1 <= 16
        assert (box.x0 + box.x1) / 2 == pytest.approx(8, abs=0.3)


@pytest.mark.parametrize("name", ["throughput", "latency", "cpu"])
def test_a_failed_stack_is_named_with_its_reason_and_comes_last(mixed_run: Any, name: str) -> None:
    chart = CHARTS[name]
    said = texts(chart.draw(frame_of(mixed_run.folder, chart, "db"), WIDE))
    stacks = [text for text in said if text.count("/") == 2]
    assert stacks[-1] == "flask/gunicorn-sync/nginx"
    assert len(stacks) == 4
    assert "✕ failed: worker exited 70 <b>&</b>" in said


def test_capacity_is_sorted_and_a_bound_is_called_one(mixed_run: Any) -> None:
    chart = CHARTS["throughput"]
    scene = chart.draw(frame_of(mixed_run.folder, chart, "plaintext"), WIDE)
    said, points = texts(scene), symbols(scene)
    assert [text.split("/")[0] for text in said if text.count("/") == 2] == ["aiohttp", "tornado", "flask", "django"]
    assert "≥ 6,200" in said
    assert "3,100" in said
    assert [point.hollow for point in points] == [True, False, False, False]
    assert points[0].about
    assert points[0].about.tip.endswith("\n≥ 6,200 req/s, n = 1, generator-bound")
    assert [point.about.values["value"] for point in points if point.about] == pytest.approx([6200, 3100, 2100, 1300])
    assert [point.ink for point in points][:2] == ["fw-aiohttp", "fw-tornado"]
    assert [point.mark for point in points] == [MARKS[model] for model in ("loops", "loops", "sync", "sync")]
    assert [point.at[0] for point in points] == sorted((point.at[0] for point in points), reverse=True)


@pytest.mark.parametrize(("blocks", "intervals", "dots"), [(1, 0, 0), (2, 0, 2), (6, 1, 6)])
def test_intervals_from_six_deployments_and_faint_dots_from_two(
    make_run: Callable[..., Any], blocks: int, intervals: int, dots: int
) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"], blocks=blocks)
    chart = CHARTS["throughput"]
    scene = chart.draw(frame_of(run.write(), chart, "db"), WIDE)
    assert len(brackets(scene)) == intervals
    assert sum(isinstance(shape, Symbol) and shape.opacity == 0.35 for shape in scene.shapes) == dots
    assert any("[" in text for text in texts(scene)) == bool(intervals)


def test_ratios_to_the_first_stand_beside_capacity_with_the_margin(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"], blocks=6, copies=2)
    chart = CHARTS["throughput"]
    frame = frame_of(run.write(), chart, "db")
    scene = chart.draw(frame, WIDE)
    ratios = {row.stack: row for row in frame[frame["kind"] == "ratio"].itertuples()}
    assert ratios["aiohttp/multi/nginx"].value == 1
    assert ratios["aiohttp/multi/nginx"].high == pytest.approx(1.03)
    assert ratios["tornado/multi/nginx"].value == pytest.approx(0.5, rel=0.03)
    told = [point.about for point in symbols(scene) if point.about and "ratio" in point.about.values]
    assert [one.stack for one in told] == ["tornado/multi/nginx", "flask/gunicorn-sync/nginx"]
    assert told[0].values["ratio"] == ratios["tornado/multi/nginx"].value
    assert told[0].tip.endswith(", different")
    assert "ratio to aiohttp/multi/nginx" in texts(scene)
    assert any(text.startswith("← 0.2") for text in texts(scene)), "Django is off the scale, and named as such"
    assert [text.split(":")[0] for text in texts(scene) if re.match(r"\d: ", text)] == ["1", "2", "3", "4"]
    assert not any("ratio" in text for text in texts(chart.draw(frame, NARROW))), "the page has them in its table"


def test_long_names_are_whole_in_files_and_keep_both_ends_on_the_page(make_run: Callable[..., Any]) -> None:
    name = "django+raw@5.2/gunicorn-gthread+workers=8/nginx-uwsgi+keepalive=4"
    run = make_run(scenarios=["db"], stacks=[name])
    chart = CHARTS["throughput"]
    frame = frame_of(run.write(), chart, "db")
    assert name in "".join(texts(chart.draw(frame, WIDE)))
    (short,) = [text for text in texts(chart.draw(frame, NARROW)) if "django" in text]
    assert short.startswith("django+raw@5.2/gun")
    assert short.endswith("keepalive=4")
    assert len(short) < len(name)


def test_cpu_bars_start_at_zero_and_end_at_the_sum(mixed_run: Any) -> None:
    chart = CHARTS["cpu"]
    scene = chart.draw(frame_of(mixed_run.folder, chart, "db"), WIDE)
    bars = [shape for shape in scene.shapes if isinstance(shape, Area) and shape.about]
    mine = [bar for bar in bars if bar.about and bar.about.stack == "aiohttp/multi/nginx"]
    trial = mixed_run.find("aiohttp/multi/nginx", "db", "capacity")
    parts = [trial["cpu_s"][role] * 1000 / trial["window_requests"] for role in ("app", "front", "database")]
    assert [bar.about.values["value"] for bar in mine if bar.about] == pytest.approx(parts)
    zero = min(point[0] for bar in bars for point in bar.points)
    scale = (mine[0].points[1][0] - zero) / parts[0]
    assert mine[0].points[0][0] == zero
    assert mine[2].points[1][0] - zero == pytest.approx(scale * sum(parts))
    assert [mine[0].ink, mine[1].ink, mine[2].ink] == ["fw-aiohttp", "bg", "axis"]


def test_a_bound_of_capacity_is_none_of_cpu_time(mixed_run: Any) -> None:
    chart = CHARTS["cpu"]
    scene = chart.draw(frame_of(mixed_run.folder, chart, "plaintext"), WIDE)
    told = [shape.about for shape in scene.shapes if isinstance(shape, Area | Strokes) and shape.about]
    mine = [one.tip for one in told if one.stack == "aiohttp/multi/nginx" and one.values]
    assert len(mine) == 2
    assert not [tip for tip in mine if "≥" in tip]


def test_latency_dumbbell_holds_the_three_percentiles(mixed_run: Any) -> None:
    chart = CHARTS["latency"]
    scene = chart.draw(frame_of(mixed_run.folder, chart, "db"), WIDE)
    expected = mixed_run.find("aiohttp/multi/nginx", "db", "latency")["latency_ms"]
    told = [shape.about for shape in scene.shapes if isinstance(shape, Symbol | Strokes) and shape.about]
    mine = {str(one.values["unit"]): one.values["value"] for one in told if one.stack == "aiohttp/multi/nginx"}
    assert mine == pytest.approx({f"ms {key}": expected[key] for key in ("p50", "p90", "p99")})


def test_each_load_has_a_panel_of_its_own(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"])
    run.header["plan"]["views"]["db"].append("latency-80")
    run.trials += [
        t | {"view": "latency-80", "trial_id": f"{t['trial_id']}-80", "offered_rps": 500.0}
        for t in run.trials
        if t["view"] == "latency"
    ]
    chart = CHARTS["latency"]
    scene = chart.draw(frame_of(run.write(), chart, "db"), WIDE)
    assert {"equal load", "80% of own capacity"} <= set(texts(scene))
    places = [point.at[0] for point in symbols(scene)]
    assert len(places) == 8
    assert max(places[:4]) < min(places[4:]), "the first load's panel ends before the second's begins"


@pytest.mark.parametrize("missed", ["latency", "latency-80"])
def test_a_load_at_which_a_stack_was_skipped_says_so_on_its_rail(make_run: Callable[..., Any], missed: str) -> None:
    run = make_run(scenarios=["db"], stacks=["aiohttp/multi/nginx", "flask/gunicorn-sync/nginx"])
    run.header["plan"]["views"]["db"].append("latency-80")
    run.trials += [
        t | {"view": "latency-80", "trial_id": f"{t['trial_id']}-80"} for t in run.trials if t["view"] == "latency"
    ]
    run.replace("flask/gunicorn-sync/nginx", "db", missed, lambda t: unmeasured(t, "skipped", "too slow for it"))
    chart = CHARTS["latency"]
    frame = frame_of(run.write(), chart, "db")
    for sheet in (WIDE, NARROW):
        scene = chart.draw(frame, sheet)
        (said,) = [one for one in scene.shapes if isinstance(one, Text) and "too slow" in plain(one.words, "en")]
        others = [point.at[0] for point in symbols(scene)]
        assert len(others) == 3
        assert said.about is not None
        assert said.about.stack == "flask/gunicorn-sync/nginx"
        assert (said.at[0] < min(others[1:])) == (missed == "latency"), "in the panel of that load"


@pytest.mark.parametrize(("missed", "hollow"), [("latency", [0, 1, 0, 0]), ("latency-80", [0, 0, 0, 1])])
def test_a_load_that_was_missed_is_hollow_in_its_own_panel_alone(
    make_run: Callable[..., Any], missed: str, hollow: list[int]
) -> None:
    run = make_run(scenarios=["db"], stacks=["aiohttp/multi/nginx", "flask/gunicorn-sync/nginx"])
    run.header["plan"]["views"]["db"].append("latency-80")
    run.trials += [
        t | {"view": "latency-80", "trial_id": f"{t['trial_id']}-80"} for t in run.trials if t["view"] == "latency"
    ]
    run.replace("flask/gunicorn-sync/nginx", "db", missed, lambda t: t | {"requests": t["requests"] // 2})
    chart = CHARTS["latency"]
    frame = frame_of(run.write(), chart, "db")
    for sheet in (WIDE, NARROW):
        scene = chart.draw(frame, sheet)
        assert [int(point.hollow) for point in symbols(scene)] == hollow
        told = [shape.about for shape in scene.shapes if isinstance(shape, Symbol | Strokes) and shape.about]
        assert sum("load-not-reached" in one.tip for one in told) == 3, "each of its percentiles, in one panel"
        assert not [one for one in told if "≥" in one.tip]


def test_text_from_outside_is_drawn_as_it_is(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"])
    run.trials[0] |= {
        "status": "failed",
        "reason": "cost $\\frac{1}$ < 5 & \x1b[31m\u6570\u636e\u5e93 \x07 " + "x" * 300,
    }
    chart = CHARTS["throughput"]
    scene = chart.draw(frame_of(run.write(), chart, "db"), NARROW)
    drawn = pictures.svg(scene).decode()
    ET.fromstring(drawn)
    assert "$\\frac{1}$ &lt; 5 &amp;" in drawn
    assert "x" * 100 not in drawn
    assert pictures.png(scene)
