"""From stored records to frames: nothing guessed, nothing dropped in silence."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from analysis.frames import Frames, load, tried
from bench.model import BenchError


def _cell(frames: Frames, scenario: str, view: str, stack: str) -> dict[str, Any]:
    cells = frames.cells
    found = cells[(cells["scenario"] == scenario) & (cells["view"] == view) & (cells["stack"] == stack)]
    assert len(found) == 1
    return dict(found.iloc[0])


def test_every_planned_cell_is_there(mixed_run: Any) -> None:
    frames = load(mixed_run.folder)
    assert len(frames.trials) == 32
    assert len(frames.cells) == 4 * 4 * 2
    assert list(frames.stacks["stack"]) == [stack["id"] for stack in mixed_run.header["plan"]["stacks"]]
    assert frames.damaged == ()


def test_status_reason_flags_and_errors_of_a_cell(mixed_run: Any) -> None:
    frames = load(mixed_run.folder)
    failed = _cell(frames, "db", "capacity", "flask/gunicorn-sync/nginx")
    assert (failed["status"], failed["reason"]) == ("failed", "worker exited 70 <b>&</b>")
    skipped = _cell(frames, "fortunes", "latency", "django/gunicorn-sync/nginx")
    assert (skipped["status"], skipped["reason"]) == ("skipped", "load stopped at 110 s")
    assert _cell(frames, "plaintext", "capacity", "aiohttp/multi/nginx")["flags"] == ("generator-bound",)
    assert _cell(frames, "json", "latency", "tornado/multi/nginx")["errors"] == {"timeout": 3, "reset": 1}
    measured = _cell(frames, "plaintext", "latency", "tornado/multi/nginx")
    assert (measured["status"], measured["reason"], measured["flags"], measured["errors"]) == ("measured", None, (), {})


def test_a_cell_measured_once_and_failed_once_is_measured_and_says_both(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"], blocks=2)
    run.trials[0] |= {"status": "failed", "reason": "died", "requests": None, "seconds": None}
    frames = load(run.write())
    cell = _cell(frames, "db", "capacity", "flask/gunicorn-sync/nginx")
    assert (cell["status"], cell["measured"], cell["failed"], tried(cell)) == ("measured", 1, 1, 2)
    assert (cell["reason"], cell["failure"]) == (None, "died")
    assert _cell(frames, "db", "latency", "flask/gunicorn-sync/nginx")["failure"] is None


def test_what_was_not_measured_is_nan_and_never_zero(mixed_run: Any) -> None:
    trials = load(mixed_run.folder).trials
    failed = trials[trials["status"] == "failed"].iloc[0]
    assert all(math.isnan(failed[key]) for key in ("requests", "seconds", "cpu_app_s", "pss_app_bytes", "p50_ms"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": "fine"}, "status 'fine' is none of"),
        ({"scenario": 7}, "key 'scenario': is no text"),
        ({"requests": -1}, "'requests' holds -1"),
        ({"seconds": "3"}, "'seconds' holds '3'"),
        ({"cpu_s": {"app": True}}, "'cpu_app_s' holds True"),
        ({"block": "first"}, "key 'block': is no whole number"),
        ({"errors": {"reset": None}}, None),
    ],
)
def test_a_record_that_makes_no_sense_is_named_and_left_out(
    make_run: Callable[..., Any], change: dict[str, Any], said: str | None
) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"])
    run.trials[1] |= change
    frames = load(run.write())
    if said is None:
        assert frames.damaged == ()
        return
    assert len(frames.trials) == 1
    assert len(frames.damaged) == 1
    assert frames.damaged[0].startswith(("trials.jsonl, record 2: left out, ", "trials.jsonl, line 2: key "))
    assert said in frames.damaged[0]


def test_damaged_lines_are_reported_and_the_rest_is_kept(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"])
    run.extra_lines = [
        '{"schema": 1, "stack": "flask/gun',
        json.dumps(run.trials[0] | {"schema": 99}),
        "[]",
    ]
    frames = load(run.write())
    assert len(frames.trials) == 8
    assert len(frames.damaged) == 3


def test_of_a_unit_that_was_repeated_the_last_record_counts(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"])
    run.extra_lines = [json.dumps(run.trials[0] | {"rps": 4711.0})]
    frames = load(run.write())
    assert len(frames.trials) == 8
    assert frames.trials["rps"].iloc[0] == 4711.0
    assert frames.damaged == ()


def test_planned_cells_of_an_interrupted_run_are_missing_with_the_reason(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["plaintext", "db"])
    run.header["status"] = "interrupted"
    run.trials = [trial for trial in run.trials if trial["scenario"] == "plaintext"]
    cell = _cell(load(run.write()), "db", "capacity", "tornado/multi/nginx")
    assert (cell["status"], cell["reason"]) == ("missing", "the run was interrupted before it")


def test_a_view_that_was_not_planned_is_not_missing(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["plaintext"])
    run.header["plan"]["views"] = {"plaintext": ["capacity"]}
    run.trials = [trial for trial in run.trials if trial["view"] == "capacity"]
    assert set(load(run.write()).cells["view"]) == {"capacity"}


def test_a_stack_outside_the_plan_is_kept(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["plaintext"])
    run.trials.append(
        run.trials[0] | {"stack": "bottle+x@1/waitress/direct", "trial_id": "other", "deployment_id": "other"}
    )
    last = load(run.write()).stacks.iloc[-1]
    assert (last["stack"], last["app"], last["planned"]) == ("bottle+x@1/waitress/direct", "bottle", False)


def test_a_header_without_plan_still_loads(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["plaintext"])
    run.header = {"schema": 1}
    frames = load(run.write())
    assert len(frames.stacks) == 4
    assert frames.plan == {}


def test_a_newer_run_is_refused(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["plaintext"])
    run.header["schema"] = 999
    with pytest.raises(BenchError, match=r"run\.json.*999.*newer"):
        load(run.write())
