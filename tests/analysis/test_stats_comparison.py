"""From trials to what is said of a scenario: who is ranked, who is not and why, and what bench is told between blocks."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis import summary
from analysis.__main__ import main
from analysis.evidence import gather
from analysis.frames import load, records
from analysis.stats import replicates
from analysis.stats.comparison import Comparison, comparisons
from analysis.stats.layout import unranked
from analysis.stats.precision import precision
from analysis.tables import scenario_tables

FLASK, DJANGO, TORNADO, AIOHTTP = (
    "flask/gunicorn-sync/nginx",
    "django/gunicorn-sync/nginx",
    "tornado/multi/nginx",
    "aiohttp/multi/nginx",
)


def compared(run: Any, metric: str = "capacity_rps", view: str = "capacity") -> Comparison:
    frames = load(run.write())
    classes = {stack["stack"]: stack["model"] for stack in records(frames.stacks)}
    found = comparisons(replicates(frames.trials), classes, unranked(frames.trials), metrics=[metric])
    (one,) = [comparison for comparison in found if comparison.view == view]
    return one


def two_copies(make_run: Callable[..., Any], blocks: int = 6) -> Any:
    return make_run(scenarios=["db"], blocks=blocks, copies=2)


def test_stacks_are_ranked_with_the_best_first(make_run: Callable[..., Any]) -> None:
    one = compared(two_copies(make_run))
    assert [place.stack for place in one.places] == [AIOHTTP, TORNADO, FLASK, DJANGO]
    assert [place.rank for place in one.places] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert [place.letters for place in one.places] == ["a", "b", "c", "d"]
    assert one.counts() == {"different": 6, "equivalent": 0, "unresolved": 0}
    pair = one.pair(FLASK, AIOHTTP)
    assert pair is not None
    ratio, low, high = pair.bounds()
    assert low < 2100 / 6200 < high
    assert ratio == pytest.approx(2100 / 6200, rel=0.05)


def test_less_latency_is_better(make_run: Callable[..., Any]) -> None:
    one = compared(two_copies(make_run), "p99_ms", "latency")
    assert one.places[0].stack == AIOHTTP
    assert one.better == "lower"


def test_too_few_blocks_compare_nothing(make_run: Callable[..., Any]) -> None:
    one = compared(two_copies(make_run, blocks=5))
    assert one.pairs == ()
    assert one.places == ()
    assert set(one.left_out.values()) == {"5 blocks: an interval needs 6"}
    assert one.few == dict.fromkeys((FLASK, DJANGO, TORNADO, AIOHTTP), 5)
    assert math.isnan(one.precision)


@pytest.mark.parametrize("flag", ["generator-bound", "database-bound"])
def test_a_bound_is_never_ranked(make_run: Callable[..., Any], flag: str) -> None:
    run = two_copies(make_run)
    run.find(AIOHTTP, "db", "capacity")["flags"] = [flag]
    one = compared(run)
    assert one.left_out == {AIOHTTP: flag}
    assert [place.rank for place in one.places] == [(1, 1), (2, 2), (3, 3)]
    assert AIOHTTP in {place.stack for place in compared(run, "cpu_ms").places}  # what a request costs is no bound


def test_latency_at_another_load_or_of_the_generator_is_not_ranked(make_run: Callable[..., Any]) -> None:
    run = two_copies(make_run)
    run.replace(FLASK, "db", "latency", lambda trial: trial | {"requests": 600})
    run.replace(AIOHTTP, "db", "latency", lambda trial: trial | {"late": ["p50"]})
    assert compared(run, "p99_ms", "latency").left_out == {FLASK: "load-not-reached"}
    assert compared(run, "p50_ms", "latency").left_out == {FLASK: "load-not-reached", AIOHTTP: "generator-late"}


def test_a_percentile_needs_enough_samples_in_every_deployment(make_run: Callable[..., Any]) -> None:
    run = two_copies(make_run)
    run.replace(FLASK, "db", "latency", lambda t: t | {"latency_ms": t["latency_ms"] | {"samples": 999}})
    assert FLASK not in {place.stack for place in compared(run, "p99_ms", "latency").places}
    assert FLASK in {place.stack for place in compared(run, "p90_ms", "latency").places}


def test_a_block_that_failed_for_one_stack_leaves_the_others_theirs(make_run: Callable[..., Any]) -> None:
    run = two_copies(make_run, blocks=8)
    for trial in run.trials:
        if trial["stack"] == FLASK and trial["block"] in (2, 5):
            trial |= {"status": "failed", "reason": "worker exited 70"}
    one = compared(run)
    assert {place.stack: place.blocks for place in one.places} == {FLASK: 6, DJANGO: 8, TORNADO: 8, AIOHTTP: 8}
    pair = one.pair(FLASK, DJANGO)
    assert pair is not None
    assert pair.blocks == 6


def test_the_margin_is_never_below_what_copies_differ_by(make_run: Callable[..., Any]) -> None:
    run = two_copies(make_run)
    assert compared(run).margin == 0.03
    for trial in run.trials:
        if trial["view"] == "capacity" and trial["copy"] == 0:
            trial["requests"] = round(trial["requests"] * 1.1)
    one = compared(run)
    assert one.margin == pytest.approx(0.1, abs=0.03)
    assert one.margin == one.copies.spread
    assert one.copies.p < 0.05


def test_what_could_have_been_found_is_more_than_margin_and_half_width(make_run: Callable[..., Any]) -> None:
    one = compared(two_copies(make_run))
    assert 0 < one.margin < one.margin + one.precision < one.detectable[0] < one.detectable[1]


def test_groups_of_a_block_are_occasions_of_their_own(make_run: Callable[..., Any]) -> None:
    """Django and aiohttp were alive at another time than Flask and Tornado, twice as fast a moment; Flask was there both times."""
    run = two_copies(make_run)
    later = [
        dict(t, group=1, trial_id=f"g1-{t['trial_id']}", deployment_id=f"g1-{t['deployment_id']}") for t in run.trials
    ]
    run.trials = [t for t in run.trials if t["stack"] in (FLASK, TORNADO)] + [
        t | {"requests": t["requests"] * 2} for t in later if t["stack"] in (FLASK, DJANGO, AIOHTTP)
    ]
    one = compared(run)
    pair = one.pair(AIOHTTP, TORNADO)
    assert pair is not None
    assert pair.bounds()[0] == pytest.approx(6200 / 3100, rel=0.05)
    assert pair.blocks == 6


def test_groups_that_nothing_holds_together_stand_in_the_order_of_their_own_figures(
    make_run: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Flask was in both groups, and one trial of it was the generator's limit. Each group has a faster and a slower stack left."""
    bottle = "bottle/gunicorn-sync/nginx"
    run = make_run(scenarios=["db"], stacks=[FLASK, TORNADO, bottle, DJANGO, AIOHTTP], blocks=6, copies=2)
    later = [
        dict(t, group=1, trial_id=f"g1-{t['trial_id']}", deployment_id=f"g1-{t['deployment_id']}") for t in run.trials
    ]
    run.trials = [t for t in run.trials if t["stack"] in (FLASK, TORNADO, bottle)]
    run.trials += [t for t in later if t["stack"] in (FLASK, DJANGO, AIOHTTP)]
    whole = compared(run)
    assert (len(whole.pairs), whole.apart) == (10, 0)
    run.find(FLASK, "db", "capacity")["flags"] = ["generator-bound"]
    one = compared(run)
    assert one.left_out == {FLASK: "generator-bound"}
    assert {frozenset((pair.stack, pair.other)) for pair in one.pairs} == {
        frozenset((TORNADO, bottle)),
        frozenset((DJANGO, AIOHTTP)),
    }
    assert one.apart == 4
    assert [place.stack for place in one.places] == [AIOHTTP, TORNADO, DJANGO, bottle]
    assert [place.rank for place in one.places] == [(1, 3), (1, 3), (2, 4), (2, 4)]
    assert main(["compare", str(run.write()), "--metric", "capacity_rps"]) == 0
    assert "  4 pairs were not compared, since nothing holds their groups together" in capsys.readouterr().out
    evidence = gather(load(run.folder))
    assert summary.leaders(evidence.comparisons["db", "capacity", "capacity_rps"])[1] == "open", "that is no tie"
    assert "since nothing holds their groups together: 4." in str(scenario_tables(evidence)[0].sure)


def told(run: Any, wanted: float) -> dict[str, Any]:
    return precision(load(run.write()), wanted=wanted)


def test_bench_is_told_which_scenarios_are_still_wide(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["plaintext", "db"], blocks=6, copies=2)
    for trial in run.trials:  # plaintext is steady to the request
        if trial["scenario"] == "plaintext" and trial["view"] == "capacity":
            trial["requests"] = round(3000 * {FLASK: 2, DJANGO: 1, TORNADO: 3, AIOHTTP: 6}[trial["stack"]])
    found = told(run, 0.01)
    assert found["wide"] == ["db"]
    plain, db = found["scenarios"]
    assert (plain["scenario"], plain["more"], plain["blocks_needed"]) == ("plaintext", False, 6)
    assert db["widest"] >= db["half_width"] > 0.01
    assert db["blocks_needed"] > 6
    assert {stack["stack"] for stack in db["stacks"]} == {FLASK, DJANGO, TORNADO, AIOHTTP}
    assert told(run, 0.5)["wide"] == []


def test_what_many_pairs_need_comes_before_what_one_wild_stack_does(make_run: Callable[..., Any]) -> None:
    ups = {
        FLASK: (1, -1, 1, -1, 1, -1),
        DJANGO: (1, 1, -1, -1, 1, -1),
        TORNADO: (1, -1, -1, 1, 1, -1),
        AIOHTTP: (-1, 1, 1, 1, -1, -1),
    }
    run = make_run(scenarios=["plaintext", "db"], blocks=6, copies=2)
    for trial in run.trials:
        if trial["view"] == "capacity":
            share = 0.1 if trial["scenario"] == "db" else 0.14 if trial["stack"] == FLASK else 0.0
            trial["requests"] = round(30000 * (1 + share * ups[trial["stack"]][trial["block"]]))
    found = told(run, 0.01)
    plain, db = found["scenarios"]
    assert plain["widest"] > db["widest"]
    assert plain["half_width"] < db["half_width"]
    assert found["wide"] == ["db", "plaintext"]


def test_the_rule_looks_at_widths_and_not_at_ratios(make_run: Callable[..., Any]) -> None:
    run = two_copies(make_run)
    before = told(run, 0.03)["scenarios"][0]
    for trial in run.trials:
        if trial["stack"] == FLASK:
            trial["requests"] *= 7
    after = told(run, 0.03)["scenarios"][0]
    assert after["widest"] == pytest.approx(before["widest"])
    assert after["more"] == before["more"]


def test_a_run_with_too_few_blocks_is_wide_and_one_failing_stack_holds_up_nothing(make_run: Callable[..., Any]) -> None:
    assert told(two_copies(make_run, blocks=5), 0.5)["wide"] == ["db"]
    run = two_copies(make_run, blocks=7)
    run.trials = [t for t in run.trials if t["stack"] != FLASK or t["block"] < 2]
    found = told(run, 0.5)
    assert found["wide"] == []
    (flask,) = [stack for stack in found["scenarios"][0]["stacks"] if stack["stack"] == FLASK]
    assert flask == {
        "stack": FLASK, "blocks": 2, "half_width": None, "blocks_needed": None, "reason": "2 blocks: an interval needs 6",
    }  # fmt: skip


def test_every_key_of_the_answer_is_documented(make_run: Callable[..., Any]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text("utf-8")
    section = text[text.index("## Precision") : text.index("## Is it true")]
    first, second = section.split("Each of `scenarios`:")
    found = told(two_copies(make_run), 0.03)
    for table, keys in ((first, found.keys()), (second, found["scenarios"][0].keys())):
        cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
        assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(keys)
    (row,) = [line for line in second.splitlines() if line.startswith("| `stacks`")]
    assert set(re.findall(r"`(\w+)`", row.split("|")[3])) == found["scenarios"][0]["stacks"][0].keys()


def test_commands_answer_from_a_stored_run(make_run: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(two_copies(make_run).write())
    assert main(["precision", folder, "--precision", "3%", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scenarios"][0]["blocks"] == 6
    assert main(["precision", folder]) == 0
    assert "more blocks for:" in capsys.readouterr().out
    assert main(["compare", folder, "--metric", "capacity_rps"]) == 0
    out = capsys.readouterr().out
    assert "rank 1" in out
    assert "copies agree within" in out
    assert "application, django -> flask" in out
    assert main(["compare", folder, "--scenario", "dbb"]) == 2
    assert "--scenario dbb: no such scenario in this run; there are db" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["precision", folder, "--precision", "wide"])
    assert "expected a share such as 3% or 0.03, not wide" in capsys.readouterr().err
