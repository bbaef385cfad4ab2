"""Charts: found by looking, pure, deterministic, and honest about rows without a figure."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis import pictures
from analysis.charts import FRAME_COLUMNS, Chart, Sheet, discover
from analysis.evidence import Evidence, chart_frame, gather
from analysis.frames import load
from analysis.palette import COLOURS, INK
from analysis.stats import ALL_SCENARIOS

CHARTS = {chart.name: chart for chart in discover()}
WIDE = Sheet(width_in=10.0, title="db: a question?", subtitle="Metric, unit, n = 1", footer="run")
NARROW = Sheet(width_in=4.0)


@pytest.fixture(autouse=True)
def _drawing() -> Iterator[None]:
    with pictures.settings():
        yield


@cache
def evidence_in(folder: Path) -> Evidence:
    return gather(load(folder))


def frame_of(folder: Path, chart: Chart, scenario: str) -> pd.DataFrame:
    return chart_frame(evidence_in(folder), chart, ALL_SCENARIOS if chart.each == "run" else scenario)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def test_charts_are_found_in_their_folder_and_in_order() -> None:
    assert [chart.name for chart in discover()] == ["throughput", "latency", "cpu", "memory"]
    for chart in discover():
        assert chart.question.format(scenario="db", load="a load").endswith("?")
        assert "better" in chart.measure


@pytest.mark.parametrize("name", CHARTS)
@pytest.mark.parametrize("sheet", [WIDE, NARROW], ids=["file", "page"])
def test_a_chart_is_a_pure_function_of_its_frame(mixed_run: Any, name: str, sheet: Sheet) -> None:
    chart = CHARTS[name]
    frame = frame_of(mixed_run.folder, chart, "db")
    before = frame.copy(deep=True)
    first, second = pictures.svg(chart.draw(frame, sheet)), pictures.svg(chart.draw(frame, sheet))
    assert first == second
    pd.testing.assert_frame_equal(frame, before)
    assert list(frame.columns) == list(FRAME_COLUMNS)


@pytest.mark.parametrize("name", CHARTS)
def test_pictures_stand_alone_and_use_the_palette_only(mixed_run: Any, name: str) -> None:
    chart = CHARTS[name]
    figure = chart.draw(frame_of(mixed_run.folder, chart, "json"), WIDE)
    image = pictures.png(figure)
    assert image.startswith(b"\x89PNG")
    assert int.from_bytes(image[16:20]) == 2000  # 10 in at 200 dpi
    drawn = pictures.svg(figure).decode()
    root = ET.fromstring(drawn)
    assert root.tag.endswith("svg")
    assert WIDE.title in drawn  # letters stay text
    assert "metadata" not in drawn
    known = {value for colour in [*COLOURS.values(), *INK.values()] for value in (colour.light,)}
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawn)) <= known


def test_on_the_page_colours_follow_the_theme_and_ids_are_the_charts_own(mixed_run: Any) -> None:
    chart = CHARTS["cpu"]
    figure = chart.draw(frame_of(mixed_run.folder, chart, "db"), NARROW)
    drawn = str(pictures.inline_svg(figure, name="cpu-db", label='a "label" <b>'))
    root = ET.fromstring(drawn.replace("xlink:href", "href"))
    assert not re.search(r"#[0-9a-f]{6}\b", drawn)
    assert "var(--fw-django)" in drawn
    assert "<style" not in drawn
    assert root.attrib["aria-label"] == 'a "label" <b>'
    ids = {element.attrib["id"] for element in root.iter() if "id" in element.attrib}
    assert ids
    assert all(name.startswith("cpu-db-") for name in ids)
    assert set(re.findall(r"url\(#([^)]+)\)", drawn)) <= ids
    assert set(re.findall(r'href="#([^"]+)"', drawn)) <= ids


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
    figure = chart.draw(frame_of(mixed_run.folder, chart, "plaintext"), WIDE)
    said = texts(figure)
    assert [text.split("/")[0] for text in said if text.count("/") == 2] == ["aiohttp", "tornado", "flask", "django"]
    assert "at least 6,200" in said
    assert "3,100" in said
    points = [line for line in figure.axes[0].lines if line.get_markersize() == 8.5]
    hollow = [line.get_markerfacecolor() == INK["bg"].light for line in points]
    assert hollow == [True, False, False, False]
    assert [line.get_xdata()[0] for line in points] == pytest.approx([6200, 3100, 2100, 1300])
    assert [line.get_markeredgecolor() for line in points][:2] == [COLOURS["aiohttp"].light, COLOURS["tornado"].light]
    assert [line.get_marker() for line in points] == ["^", "^", "s", "s"]


@pytest.mark.parametrize(("blocks", "brackets", "dots"), [(1, 0, 0), (2, 0, 1), (6, 1, 1)])
def test_intervals_from_six_deployments_and_faint_dots_from_two(
    make_run: Callable[..., Any], blocks: int, brackets: int, dots: int
) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"], blocks=blocks)
    chart = CHARTS["throughput"]
    figure = chart.draw(frame_of(run.write(), chart, "db"), WIDE)
    lines = figure.axes[0].lines
    assert sum(len(line.get_xdata()) == 4 for line in lines) == brackets
    assert (
        sum(line.get_alpha() == 0.35 and len(line.get_xdata()) == blocks and line.get_marker() == "o" for line in lines)
        == dots
    )
    assert any("[" in text for text in texts(figure)) == bool(brackets)


def test_long_names_are_whole_in_files_and_keep_both_ends_on_the_page(make_run: Callable[..., Any]) -> None:
    name = "django+raw@5.2/gunicorn-gthread+workers=8/nginx-uwsgi+keepalive=4"
    run = make_run(scenarios=["db"], stacks=[name])
    chart = CHARTS["throughput"]
    frame = frame_of(run.write(), chart, "db")
    assert name in "".join(texts(chart.draw(frame, WIDE)))
    (short,) = [text for text in texts(chart.draw(frame, NARROW)) if "django" in text]
    assert short.startswith("django+raw@5.2/gun")
    assert short.endswith("uwsgi+keepalive=4")
    assert len(short) < len(name)


def test_cpu_bars_start_at_zero_and_end_at_the_sum(mixed_run: Any) -> None:
    chart = CHARTS["cpu"]
    axes = chart.draw(frame_of(mixed_run.folder, chart, "db"), WIDE).axes[0]
    assert axes.get_xlim()[0] == 0
    trial = mixed_run.find("aiohttp/multi/nginx", "db", "capacity")
    ends = [bar.get_x() + bar.get_width() for bar in axes.patches[:3]]
    parts = [trial["cpu_s"][role] * 1000 / trial["window_requests"] for role in ("app", "front", "database")]
    assert axes.patches[0].get_x() == 0
    assert ends == pytest.approx([sum(parts[: n + 1]) for n in range(3)])


def test_latency_dumbbell_holds_the_three_percentiles(mixed_run: Any) -> None:
    chart = CHARTS["latency"]
    axes = chart.draw(frame_of(mixed_run.folder, chart, "db"), WIDE).axes[0]
    expected = mixed_run.find("aiohttp/multi/nginx", "db", "latency")["latency_ms"]
    drawn = {round(float(line.get_xdata()[0]), 9) for line in axes.lines if len(line.get_xdata()) == 1}
    assert {round(expected[key], 9) for key in ("p50", "p90", "p99")} <= drawn


def test_text_from_outside_is_drawn_as_it_is(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"])
    run.trials[0] |= {
        "status": "failed",
        "reason": "cost $\\frac{1}$ < 5 & \x1b[31m\u6570\u636e\u5e93 \x07 " + "x" * 300,
    }
    chart = CHARTS["throughput"]
    figure = chart.draw(frame_of(run.write(), chart, "db"), NARROW)
    drawn = pictures.svg(figure).decode()
    ET.fromstring(drawn)
    assert "$\\frac{1}$ &lt; 5 &amp;" in drawn
    assert "x" * 100 not in drawn
    assert pictures.png(figure)
