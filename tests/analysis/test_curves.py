"""Charts of curves and clouds: their frames and what is drawn of them, and how names and axes find room."""

import itertools
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_runs import unmeasured
from test_charts import CHARTS, WIDE, assert_pure, evidence_in, frame_of, symbols, texts
from test_spectra import store

from analysis.charts import Sheet, _absent, _axis, _plane
from analysis.charts._drawing import Drawing, width_of
from analysis.charts._scene import Strokes, Symbol, Text
from analysis.report import draw_all
from analysis.stats import ALL_SCENARIOS
from analysis.words import plain

PAGE = Sheet(width=620)
FLASK, AIOHTTP = "flask/gunicorn-sync/nginx", "aiohttp/multi/nginx"


@pytest.fixture(scope="module")
def stored(make_run: Callable[..., Any]) -> Path:
    """Six blocks of two stacks, open loops at an equal load and at 80%, with their requests."""
    return with_requests(two_loads(make_run))


def two_loads(make_run: Callable[..., Any]) -> Any:
    """The run of `stored`, to be changed before its requests are stored."""
    run = make_run(scenarios=["db"], stacks=[FLASK, AIOHTTP], blocks=6, copies=2)
    run.header["plan"]["views"]["db"].append("latency-80")
    run.trials += [
        t | {"view": "latency-80", "trial_id": f"{t['trial_id']}-80", "offered_rps": 400.0, "requests": 2400,
             "latency_ms": dict(t["latency_ms"])}
        for t in run.trials
        if t["view"] == "latency"
    ]  # fmt: skip
    for trial in run.trials:
        trial["offset_s"] = 600.0 * trial["block"]
    return run


def with_requests(run: Any) -> Path:
    rng = np.random.default_rng(3)
    return store(run, lambda block: rng.lognormal(0.02 * block, 0.6, 200))


@pytest.mark.parametrize("name", ["load", "spectrum", "frontier"])
@pytest.mark.parametrize("sheet", [WIDE, PAGE], ids=["file", "page"])
def test_a_curve_is_a_pure_function_of_its_frame(stored: Path, name: str, sheet: Sheet) -> None:
    assert_pure(CHARTS[name], frame_of(stored, CHARTS[name], "db"), sheet)


SNAPSHOTS = Path(__file__).parent / "data" / "charts.json"
"""What every mark of every chart stands for, of one fixed run: no pixels. UPDATE_SNAPSHOTS=1 writes it anew; look at what changed."""


@pytest.mark.parametrize("name", CHARTS)
def test_marks_stand_for_what_they_stood_for(stored: Path, make_run: Callable[..., Any], name: str) -> None:
    """Effects and sweeps need other stacks than the rest, and have a run of their own."""
    chart = CHARTS[name]
    runs = {"effects": crossed, "sweeps": swept}
    frame = frame_of(runs[name](make_run).write() if name in runs else stored, chart, "db")
    told = [shape.about for shape in chart.draw(frame, WIDE).shapes if shape.about and shape.about.values]
    found = [
        {
            "stack": one.stack,
            **{key: round(value, 6) if isinstance(value, float) else value for key, value in one.values.items()},
        }
        for one in told
    ]
    known = json.loads(SNAPSHOTS.read_text()) if SNAPSHOTS.is_file() else {}
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOTS.write_text(json.dumps({**known, name: found}, indent=0, sort_keys=True) + "\n")
        known = {**known, name: found}
    assert known[name], "nothing would be compared with nothing"
    assert len(found) == len(known[name])
    for now, then in zip(found, known[name], strict=True):
        assert now.keys() == then.keys()
        for key, value in then.items():
            assert now[key] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-4)), key


def test_the_spectrum_is_that_of_the_requests(stored: Path) -> None:
    frame = frame_of(stored, CHARTS["spectrum"], "db")
    assert set(frame["view"]) == {"latency"}
    known = evidence_in(stored).spectra["db", "latency", FLASK]
    mine = frame[frame["stack"] == FLASK]
    assert list(mine["share"]) == list(known.shares)
    assert list(mine["value"]) == list(known.values)
    assert (mine["low"] < mine["value"]).all()
    scene = CHARTS["spectrum"].draw(frame, PAGE)
    points = symbols(scene)
    told = [one.about.values["unit"] for one in points if one.about and one.about.stack == FLASK and one.about.values]
    assert told == ["ms p50", "ms p90", "ms p99"], "2,400 requests are too few for p99.9"
    heights = [one.at[1] for one in points if one.about and one.about.stack == FLASK and one.about.values]
    assert heights == sorted(heights, reverse=True)
    assert {"50", "90", "99"} <= set(texts(scene))
    assert "99.9" not in texts(scene)


def test_the_spectrum_says_at_which_load_it_is(stored: Path, make_run: Callable[..., Any], tmp_path: Path) -> None:
    """Where nothing ran at an equal load the curves are at shares of each stack's own capacity, and are not called equal."""
    run = two_loads(make_run)
    run.trials = [trial for trial in run.trials if trial["view"] != "latency"]
    shares = with_requests(run)
    assert set(frame_of(shares, CHARTS["spectrum"], "db")["view"]) == {"latency-80"}
    said = {folder: subtitle(folder, "spectrum", tmp_path) for folder in (stored, shares)}
    assert "at an equal load of 200 req/s" in said[stored]
    assert "equal load" not in said[shares]
    assert "at 80% of each stack's own capacity, 400 to 400 req/s" in said[shares]
    assert "n = 2,400 requests of each stack" in said[shares]


def subtitle(folder: Path, chart: str, out: Path) -> str:
    drawn, _ = draw_all(evidence_in(folder), out)
    (said,) = [plain(picture.subtitle, "en") for picture in drawn if picture.chart == chart]
    return said


def test_latency_against_throughput_joins_only_loads_that_were_reached(stored: Path) -> None:
    chart = CHARTS["load"]
    frame = frame_of(stored, chart, "db")
    assert len(frame) == 4
    assert set(frame["share"]) == {0.99}
    assert frame["rate"].tolist() == pytest.approx([1200 / 6, 2400 / 6] * 2, rel=0.01)
    scene = chart.draw(frame, PAGE)
    assert len([one for one in scene.shapes if isinstance(one, Strokes) and one.width == 1.6]) == 2
    frame["flags"] = [("load-not-reached",) if view == "latency-80" else () for view in frame["view"]]
    scene = chart.draw(frame, PAGE)
    assert not [one for one in scene.shapes if isinstance(one, Strokes) and one.width == 1.6]
    marks = [one for one in symbols(scene) if one.about and one.about.values]
    assert [one.hollow for one in marks] == [False, True] * 2


@pytest.mark.parametrize(
    "flag", ["load-not-reached", "generator-late", "generator-bound", "database-bound", "unbalanced"]
)
def test_a_latency_that_is_not_the_stacks_own_is_hollow_in_every_curve(make_run: Callable[..., Any], flag: str) -> None:
    """What only says how a stack worked, such as that its workers shared the load unequally, leaves its latency what it is."""
    run = two_loads(make_run)
    for trial in run.trials:
        if (trial["stack"], trial["view"]) == (FLASK, "latency"):
            trial |= {"requests": 600} if flag == "load-not-reached" else {"flags": [flag]}
    folder, marred = with_requests(run), flag != "unbalanced"
    scenes = {name: CHARTS[name].draw(frame_of(folder, CHARTS[name], "db"), PAGE) for name in ("spectrum", "load")}
    marks = {
        name: {
            (one.about.stack, str(one.about.values.get("view"))): one
            for one in symbols(scene)
            if one.about and one.about.values
        }
        for name, scene in scenes.items()
    }
    assert {key: one.hollow for key, one in marks["spectrum"].items()} == {
        (FLASK, "None"): marred,
        (AIOHTTP, "None"): False,
    }
    assert {key: one.hollow for key, one in marks["load"].items()} == {
        (FLASK, "latency"): marred, (FLASK, "latency-80"): False, (AIOHTTP, "latency"): False, (AIOHTTP, "latency-80"): False,
    }  # fmt: skip
    for one in (*marks["spectrum"].values(), *marks["load"].values()):
        assert one.about
        assert (flag in one.about.tip) == one.hollow
    dashed = [
        one.about.stack for one in scenes["spectrum"].shapes if isinstance(one, Strokes) and one.dash and one.about
    ]
    assert dashed == ([FLASK] if marred else [])


@pytest.mark.parametrize("sheet", [WIDE, PAGE], ids=["file", "page"])
def test_a_failed_stack_is_named_with_its_reason_below_every_plane(
    make_run: Callable[..., Any], sheet: Sheet, tmp_path: Path
) -> None:
    run = two_loads(make_run)
    run.trials = [unmeasured(t, "failed", "worker exited 70") if t["stack"] == FLASK else t for t in run.trials]
    folder = with_requests(run)
    for name in ("spectrum", "load", "frontier"):
        frame = frame_of(folder, CHARTS[name], "db")
        said = texts(CHARTS[name].draw(frame, sheet))
        assert said[said.index("Not drawn:") + 1] == f"✕ {FLASK} (failed: worker exited 70)", name
        assert said.count(AIOHTTP) == 1
        assert_pure(CHARTS[name], frame, sheet)
    assert "n = 2,400 requests of each stack" in subtitle(folder, "spectrum", tmp_path), (
        "who is not drawn is not counted"
    )


def test_where_everybody_is_drawn_nobody_is_called_absent(stored: Path) -> None:
    for name in ("spectrum", "load", "frontier"):
        assert "Not drawn:" not in texts(CHARTS[name].draw(frame_of(stored, CHARTS[name], "db"), PAGE))


def test_a_stack_whose_requests_are_lost_is_told_from_one_with_too_few(make_run: Callable[..., Any]) -> None:
    run = two_loads(make_run)
    folder = with_requests(run)
    for trial in run.trials:
        if (trial["stack"], trial["view"]) == (FLASK, "latency"):
            trial["latency_ms"]["samples"] += 1
    run.write()
    lost = "no figure: its requests are not all stored"
    spectrum, load = (
        texts(CHARTS[name].draw(frame_of(folder, CHARTS[name], "db"), PAGE)) for name in ("spectrum", "load")
    )
    assert f"✕ {FLASK} ({lost})" in spectrum
    assert f"✕ {FLASK} latency ({lost})" in load, "its other load is there"
    rng = np.random.default_rng(3)
    few = two_loads(make_run)
    few.trials = [
        trial for trial in few.trials if trial["stack"] == AIOHTTP or (trial["block"], trial["copy"]) == (0, 0)
    ]
    folder = store(few, lambda block: rng.lognormal(0, 0.6, 18))
    said = texts(CHARTS["spectrum"].draw(frame_of(folder, CHARTS["spectrum"], "db"), PAGE))
    assert f"✕ {FLASK} (no figure: too few answers for a percentile)" in said


@pytest.mark.parametrize("sheet", [Sheet(width=720, title="a file"), PAGE], ids=["file", "page"])
def test_who_is_absent_stands_in_as_many_lines_as_the_picture_is_wide(sheet: Sheet) -> None:
    names = [
        FLASK,
        "django+raw@5.2/gunicorn-gthread+workers=8/nginx-uwsgi+keepalive=4",
        *(f"app-{n}/one/two" for n in range(9)),
    ]
    reasons = [
        "x",
        "the server did not answer within 30 s, and its log says nothing of why " * 3,
        *["no time left"] * 9,
    ]
    rows = pd.DataFrame({"stack": names, "status": "failed", "reason": reasons})
    draw = Drawing(sheet)
    height = _absent.told(draw, pd.concat([rows, rows]), 4.0, 100.0)
    shapes = [shape for shape in draw.done(100 + height).shapes if isinstance(shape, Text)]
    assert len(shapes) == 1 + len(names), "each is named once"
    assert [shape.about.stack for shape in shapes if shape.about] == names
    assert max(shape.at[0] + width_of(shape.words, shape.size) for shape in shapes) <= sheet.width
    lines = sorted({shape.at[1] for shape in shapes})
    assert 3 <= len(lines) < len(names)
    assert 100 < lines[0] <= lines[-1] < 100 + height
    assert _absent.told(draw, rows.iloc[:0], 4.0, 100.0) == 0


def test_one_load_alone_is_no_curve(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"], stacks=[FLASK])
    folder = store(run, lambda block: np.arange(1, 2001, dtype=float))
    assert frame_of(folder, CHARTS["load"], "db").empty
    assert not frame_of(folder, CHARTS["spectrum"], "db").empty


def test_without_stored_requests_there_are_no_curves(mixed_run: Any) -> None:
    for name in ("load", "spectrum"):
        assert frame_of(mixed_run.folder, CHARTS[name], "db").empty


def test_the_frontier_names_who_is_not_beaten(stored: Path) -> None:
    frame = frame_of(stored, CHARTS["frontier"], "db")
    assert dict(zip(frame["stack"], frame["place"], strict=True))[AIOHTTP] == "first"
    scene = CHARTS["frontier"].draw(frame, WIDE)
    bold = [shape.words for shape in scene.shapes if getattr(shape, "bold", False)]
    assert AIOHTTP in bold
    places = {one.about.stack: one.at for one in symbols(scene) if one.about and one.about.values}
    assert places[AIOHTTP][1] < places[FLASK][1], "more throughput is further up"


def test_a_figure_that_is_missing_is_no_point_of_the_frontier(mixed_run: Any) -> None:
    chart = CHARTS["frontier"]
    frame = frame_of(mixed_run.folder, chart, "db")
    drawn, absent = _absent.parted(frame)
    assert list(absent["stack"]) == [FLASK]
    assert set(drawn["place"]) == {"unknown"}, "one block: who is on the frontier is not known"
    scene = chart.draw(frame, WIDE)
    assert FLASK not in {one.about.stack for one in symbols(scene) if one.about}
    assert f"✕ {FLASK} (failed: worker exited 70 <b>&</b>)" in texts(scene)


@pytest.mark.parametrize("count", [1, 2, 12, 60])
def test_names_never_overlap_and_stay_in_order(count: int) -> None:
    rng = np.random.default_rng(count)
    places = sorted(rng.uniform(20, 60, count).tolist())
    found = _plane.apart(places, 10.0, 20.0, 20.0 + max(300.0, 10.0 * count))
    assert all(later - earlier >= 10 - 1e-9 for earlier, later in itertools.pairwise(found))
    assert found[0] >= 25
    assert found[-1] <= 20 + max(300.0, 10.0 * count)


def test_names_that_have_room_stay_where_they_are() -> None:
    assert _plane.apart([30.0, 60.0, 61.0], 10.0, 20.0, 200.0) == pytest.approx([30.0, 55.5, 65.5])


def test_axes_print_round_values_that_have_room() -> None:
    axis = _axis.logarithmic([180, 5200], 0, 100)
    assert axis.ticks == (200, 500, 1000, 2000, 5000)
    assert [_axis.text(tick) for tick in (0.05, 1, 1000, 20000)] == ["0.05", "1", "1,000", "20,000"]
    assert axis.at(180) < axis.at(1000) < axis.at(5200)
    assert (axis.at(1), axis.at(10**6)) == (0, 100), "what lies beyond stands at the end"
    assert not axis.holds(1)
    assert len(_axis.logarithmic([1e-3, 1e6], 0, 100).ticks) <= 6
    assert len(_axis.logarithmic([100, 103], 0, 100).ticks) >= 2, "figures that hardly differ have ticks, too"
    flat = _axis.linear([0.0, 7.2, math.nan], 0, 100)
    assert flat.ticks[0] == 0
    assert flat.most >= 7.2
    assert len(flat.ticks) <= 6


# Drift


def test_drift_is_every_deployment_against_its_own_mean(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db", "json"], stacks=[FLASK, AIOHTTP], blocks=3, copies=2)
    for trial in run.trials:
        slow = 0.8 if trial["block"] == 1 else 1.0
        trial["offset_s"] = 600.0 * trial["block"] + (60 if trial["scenario"] == "json" else 0)
        if trial["rps"]:
            trial["rps"] = 1000.0 * slow
    run.find(FLASK, "db", "capacity")["flags"] = ["generator-bound"]
    chart = CHARTS["drift"]
    frame = frame_of(run.write(), chart, "db")
    assert len(frame) == 2 * 2 * 3 * 2
    mean = math.exp((2 * math.log(1.0) + math.log(0.8)) / 3)
    assert sorted({round(value, 6) for value in frame["value"]}) == [round(0.8 / mean, 6), round(1 / mean, 6)]
    assert sorted(set(frame["minutes"])) == [0, 1, 10, 11, 20, 21]
    scene = chart.draw(frame, WIDE)
    said = texts(scene)
    assert {"db", "json", "1", "2", "3"} <= set(said)
    assert said.count(f"median varies {100 * math.expm1(-math.log(0.8) / math.sqrt(3)):.1f}%") == 2
    assert_pure(chart, frame, PAGE)
    assert [one.about.tip for one in scene.shapes if isinstance(one, Strokes) and one.about and "generator" in one.about.tip] == [
        f"{FLASK}\ndb, 1.1: generator-bound"
    ]  # fmt: skip


def test_one_moment_shows_no_drift(make_run: Callable[..., Any]) -> None:
    assert frame_of(make_run(scenarios=["db"], blocks=1, copies=2).write(), CHARTS["drift"], ALL_SCENARIOS).empty


# Effects


def crossed(make_run: Callable[..., Any]) -> Any:
    """Four applications on two servers, of which the second does 1.3 times as much."""
    names = [f"{app}/{server}/nginx" for app in ("django", "flask", "tornado", "aiohttp") for server in ("one", "two")]
    run = make_run(scenarios=["db"], stacks=names, blocks=6, copies=2)
    for trial in run.trials:
        if trial["view"] == "capacity" and "/two/" in trial["stack"]:
            trial["requests"] = round(trial["requests"] * 1.3)
    return run


def test_effects_are_drawn_with_their_pairs_and_a_diamond_only_where_these_agree(make_run: Callable[..., Any]) -> None:
    chart = CHARTS["effects"]
    frame = frame_of(crossed(make_run).write(), chart, "db")
    pooled = frame[(frame["kind"] == "pooled") & (frame["axis"] == "server")]
    assert pooled[["before", "after", "n", "answer"]].to_numpy().tolist() == [["one", "two", 4, "different"]]
    assert pooled["value"].iloc[0] == pytest.approx(1.3, rel=0.02)
    assert len(frame[(frame["kind"] == "pair") & (frame["axis"] == "server")]) == 4
    scene = chart.draw(frame, WIDE)
    diamonds = [one for one in scene.shapes if isinstance(one, Symbol) and one.ink == "link"]
    assert any(not one.hollow for one in diamonds)
    assert {"two, not one", "server, n = 4 pairs", "different", "0%"} <= set(texts(scene))
    assert_pure(chart, frame, PAGE)
    disagree = frame.assign(answer="depends")
    assert not [one for one in chart.draw(disagree, WIDE).shapes if isinstance(one, Symbol) and one.ink == "link"]
    assert "depends on the rest" in texts(chart.draw(disagree, WIDE))


def test_without_intervals_there_are_no_effects(mixed_run: Any) -> None:
    assert frame_of(mixed_run.folder, CHARTS["effects"], "db").empty


# Sweeps


def swept(make_run: Callable[..., Any], scenario: str = "db") -> Any:
    names = [f"flask/gunicorn-sync+workers={n}/nginx" for n in (1, 2, 4)] + [FLASK]
    run = make_run(scenarios=[scenario], stacks=names, blocks=1)
    for number, stack in enumerate(run.header["plan"]["stacks"]):
        count = 2**number if number < 3 else 3
        stack |= {"workers": count, "model": "sync", "options": {"workers": str(count)} if number < 3 else {}}
    for trial in run.trials:
        if trial["view"] == "capacity" and "=" in trial["stack"]:
            count = int(trial["stack"].split("=")[1][0])
            trial |= {"requests": 15 * count, "seconds": 3.0, "parameters": {"ms": 200}, "connections": 32}
    return run


def test_a_sweep_has_a_panel_for_each_stack_and_the_prediction_for_waiting_alone(make_run: Callable[..., Any]) -> None:
    chart = CHARTS["sweeps"]
    frame = frame_of(swept(make_run, "io").write(), chart, "io")
    assert frame[["base", "option", "x"]].to_numpy().tolist() == [[FLASK, "workers", n] for n in (1, 2, 4)]
    assert frame["value"].tolist() == pytest.approx([5, 10, 20])
    assert frame["predicted"].tolist() == pytest.approx([5, 10, 20])
    scene = chart.draw(frame, WIDE)
    assert_pure(chart, frame, PAGE)
    assert FLASK in texts(scene)
    assert {"1", "2", "4"} <= set(texts(scene))
    assert any(isinstance(one, Strokes) and one.dash == (4, 3) for one in scene.shapes)


def test_a_value_that_failed_is_named_with_its_reason(make_run: Callable[..., Any]) -> None:
    run, chart = swept(make_run), CHARTS["sweeps"]
    failed = "flask/gunicorn-sync+workers=4/nginx"
    run.replace(failed, "db", "capacity", lambda t: unmeasured(t, "failed", "no port"))
    frame = frame_of(run.write(), chart, "db")
    assert frame[["x", "metric"]].fillna("").to_numpy().tolist() == [[1, "capacity_rps"], [2, "capacity_rps"], [4, ""]]
    for sheet in (WIDE, PAGE):
        scene = chart.draw(frame, sheet)
        assert f"✕ {failed} (failed: no port)" in texts(scene)
        assert len([one for one in symbols(scene) if one.about and one.about.values]) == 2
        assert_pure(chart, frame, sheet)
    run.replace("flask/gunicorn-sync+workers=2/nginx", "db", "capacity", lambda t: unmeasured(t, "failed", "no port"))
    assert frame_of(elsewhere(run), chart, "db").empty, "one value alone is no sweep"


def elsewhere(run: Any) -> Path:
    """The same run in a folder of its own: what was read of the first is kept."""
    run.folder = run.folder.with_name("changed")
    return Path(run.write())


def test_where_work_is_done_nothing_is_predicted(make_run: Callable[..., Any]) -> None:
    frame = frame_of(swept(make_run, "db").write(), CHARTS["sweeps"], "db")
    assert frame["predicted"].isna().all()
    scene = CHARTS["sweeps"].draw(frame, WIDE)
    assert not any(isinstance(one, Strokes) and one.dash for one in scene.shapes)


def test_a_sweep_over_connections_is_told_once_with_its_first_scenario(make_run: Callable[..., Any]) -> None:
    names = [f"io-{n}-connections" for n in (16, 64, 256)]
    run = make_run(scenarios=names, stacks=[FLASK])
    for trial in run.trials:
        if trial["view"] == "capacity":
            count = int(trial["scenario"].split("-")[1])
            trial |= {"parameters": {"ms": 200}, "connections": count, "requests": 45, "seconds": 3.0}
    run.replace(FLASK, names[2], "capacity", lambda t: unmeasured(t, "skipped", "no time left"))
    folder = run.write()
    frame = frame_of(folder, CHARTS["sweeps"], names[0])
    assert frame[["option", "x"]].to_numpy().tolist() == [["connections", n] for n in (16, 64, 256)]
    assert frame["predicted"].tolist()[:2] == pytest.approx([15, 15]), "three sync workers, however many connections"
    assert frame_of(folder, CHARTS["sweeps"], names[1]).empty
    said = texts(CHARTS["sweeps"].draw(frame, WIDE))
    assert f"✕ {FLASK} connections=256 (skipped: no time left)" in said


def test_a_run_without_a_sweep_draws_none(mixed_run: Any) -> None:
    assert frame_of(mixed_run.folder, CHARTS["sweeps"], "db").empty
