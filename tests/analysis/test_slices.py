"""What slices do to a rate: the estimators on requests whose truth is known, and the tables."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.slices import rates, report, summary
from bench.model import BenchError


def store(folder: Path, name: str, *, length_s: float, at_once: bool, service_s: float, slices: int) -> None:
    """Two stacks of the same true rate, 8 connections: one answers them one by one, the other all 8 together after 8 services."""
    requests, windows = [], []
    now = 0.0
    for number in range(slices):
        target = "plain" if number % 2 == 0 else "shared"
        windows.append({"target": target, "slice": number, "loaded_s": now, "end_s": now + length_s})
        turn = 8 * service_s if target == "shared" and at_once else service_s
        per_turn = 8 if target == "shared" and at_once else 1
        # What is in flight at the end is answered in the drain: 7 more one by one, or the rest of the turn.
        turns = int(np.ceil(length_s / turn)) if per_turn == 8 else int(length_s / turn) + 8
        for turn_number in range(1, turns + 1):
            for _ in range(per_turn):
                end_s = now + turn_number * turn
                phase = "measure" if end_s < now + length_s else "drain"
                requests.append({"target": target, "end_s": end_s, "error": None, "phase": phase, "slice": number})
        now += length_s + 1.0
    for kind, rows in (("requests", requests), ("slices", windows)):
        (folder / kind).mkdir(exist_ok=True)
        pd.DataFrame(rows).to_parquet(folder / kind / f"{name}.parquet")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    jobs = []
    for round_ in range(3):
        for length_ms in (50, 3000):
            name = f"{round_}-{length_ms}"
            store(tmp_path, name, length_s=length_ms / 1000 + 0.0001 * round_, at_once=True, service_s=0.001, slices=4)
            jobs.append({"name": name, "round": round_, "length_ms": length_ms})
    (tmp_path / "slices.json").write_text(json.dumps({"jobs": jobs, "stacks": {"plain": "a/b/c", "shared": "a/b/d"}}))
    return tmp_path


def test_work_in_flight_is_lost_within_and_kept_with_the_drain(study: Path) -> None:
    """The true rate of both is 1,000/s. A slice of 50 ms ends in the middle of the seventh turn of 8."""
    table = rates(study).set_index(["stack", "estimator", "length_ms"])["rate_rps"]
    short = {name: float(table[("a/b/d", name, 50.0)].mean()) for name in ("within", "drained", "settled")}
    assert short["within"] == pytest.approx(48 / 0.05, rel=0.01)
    assert short["drained"] == pytest.approx(1000, rel=0.01)
    assert short["settled"] == pytest.approx(40 / 0.04, rel=0.01)
    for name in ("within", "drained", "settled"):
        assert float(table[("a/b/c", name, 50.0)].mean()) == pytest.approx(1000, rel=0.03)
        assert float(table[("a/b/d", name, 3000.0)].mean()) == pytest.approx(1000, rel=0.005)


def test_bias_is_held_against_the_longest_slices_of_the_same_round(study: Path) -> None:
    found = summary(rates(study)).set_index(["estimator", "length_ms", "stack"])
    assert float(found.loc[("within", 3000.0, "a/b/d"), "bias"]) == pytest.approx(1.0)
    row = found.loc[("within", 50.0, "a/b/d")]
    assert row["bias"] == pytest.approx(0.96, rel=0.02)
    assert row["bias_low"] <= row["bias"] <= row["bias_high"] < 1
    assert row["rounds"] == 3


def test_the_tables_are_written_and_printed(study: Path) -> None:
    text = report(study)
    assert "ratios to a/b/c" in text
    assert max(map(len, text.splitlines())) <= 80
    assert len(pd.read_csv(study / "rates.csv")) == 2 * 3 * 3 * 2
    assert len(pd.read_csv(study / "summary.csv")) == 3 * 2


def test_no_study_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="`bench slices` writes it"):
        report(tmp_path)


def test_the_drift_trace_is_there_for_statistics() -> None:
    trace = pd.read_parquet(Path(__file__).parent / "data" / "drift.parquet")
    assert trace.groupby(["length_ms", "round"], observed=True)["stack"].nunique().eq(11).all()
    assert (trace["requests"] >= 0).all()
