"""Percentiles over all requests of a stack: those that the load generator would give, only where the tail is deep enough, by blocks."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.frames import load
from analysis.spectra import GRID, spectra, spectrum, words

STACK = "flask/gunicorn-sync/nginx"


def store(run: Any, latency_ms: Callable[[int], np.ndarray[Any, Any]]) -> Path:
    """Store the requests of a run's open loop beside its records, as `loadtests.results` does: some warm-up and a failure with them."""
    folder: Path = run.folder / "requests"
    folder.mkdir(parents=True, exist_ok=True)
    for trial in run.trials:
        trial["cell"] = f"{trial['block']}-{trial['scenario']}-{trial['view']}"
    cells = sorted({trial["cell"] for trial in run.trials if trial["view"] != "capacity"})
    for cell in cells:
        parts = []
        for trial in [one for one in run.trials if one["cell"] == cell and one["latency_ms"]]:
            values = latency_ms(trial["block"])
            trial["latency_ms"]["samples"] = len(values)
            due = np.linspace(0, 1, len(values))
            good = pd.DataFrame({"intended_s": due, "end_s": due + values / 1000, "error": None, "phase": "measure"})
            bad = pd.DataFrame(
                {"intended_s": [0.0, 0.1], "end_s": [9.0, 9.1], "error": [None, "reset"], "phase": ["warm", "measure"]}
            )
            parts.append(pd.concat([good, bad], ignore_index=True).assign(target=trial["deployment_id"]))
        pd.concat(parts, ignore_index=True).astype({"error": "string"}).to_parquet(folder / f"{cell}.parquet")
    return Path(run.write())


def test_percentiles_are_the_generators_and_stop_where_fewer_than_ten_lie_beyond() -> None:
    values = np.arange(1, 1001, dtype=float)
    found = spectrum([values[::2], values[1::2]])
    assert (found.n, found.blocks) == (1000, 2)
    assert found.at(0.5) == pytest.approx((500, math.nan, math.nan), nan_ok=True)
    assert found.at(0.99) is not None
    assert found.at(0.99)[0] == 990  # type: ignore[index]
    assert found.at(0.999) is None
    assert max(found.shares) == 0.99
    assert set(found.shares) < set(GRID)


def test_intervals_come_from_six_blocks_and_widen_where_blocks_disagree() -> None:
    rng = np.random.default_rng(7)
    alike = [rng.lognormal(0, 1, 400) for _ in range(6)]
    unlike = [part * (3 if number == 0 else 1) for number, part in enumerate(alike)]
    assert math.isnan(spectrum(alike[:5]).at(0.5)[1])  # type: ignore[index]
    for share in (0.5, 0.9, 0.99):
        first, second = spectrum(alike).at(share), spectrum(unlike).at(share)
        assert first is not None
        assert second is not None
        assert first[1] < first[0] < first[2]
        assert second[2] / second[1] > first[2] / first[1]


def test_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Blocks that differ by 10%, and requests within them: the median's interval, over 400 runs of known truth."""
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(400):
        found = spectrum([rng.lognormal(rng.normal(0, 0.1), 0.5, 200) for _ in range(6)]).at(0.5)
        assert found is not None
        held += found[1] <= 1.0 <= found[2]
    assert 0.91 <= held / 400 <= 0.99


def test_nothing_has_no_percentile() -> None:
    assert spectrum([]).shares == ()
    assert spectrum([np.ones(19)]).at(0.5) is None
    assert [words(share) for share in (0.5, 0.9, 0.99, 0.999)] == ["p50", "p90", "p99", "p99.9"]


def test_requests_of_all_deployments_count_but_warm_ups_and_failures(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"], stacks=[STACK, "aiohttp/multi/nginx"], blocks=6, copies=2)
    folder = store(run, lambda block: np.arange(1, 101, dtype=float) + block)
    found = spectra(load(folder))
    assert set(found) == {("db", "latency", STACK), ("db", "latency", "aiohttp/multi/nginx")}
    one = found["db", "latency", STACK]
    assert (one.n, one.blocks) == (1200, 6)
    assert one.at(0.5)[0] == pytest.approx(53, abs=1)  # type: ignore[index]


def test_what_is_lost_or_cut_off_is_left_out(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db", "json"], stacks=[STACK], blocks=2)
    folder = store(run, lambda block: np.arange(1, 101, dtype=float))
    (folder / "requests" / "0-db-latency.parquet").write_bytes(b"PAR1 half a file")
    (folder / "requests" / "1-json-latency.parquet").unlink()
    found = spectra(load(folder))
    assert {key[0]: (one.n, one.blocks) for key, one in found.items()} == {"db": (100, 1), "json": (100, 1)}
    run.find(STACK, "json", "latency")["latency_ms"]["samples"] = 101
    assert set(spectra(load(run.write()))) == {("db", "latency", STACK)}, "a file that lacks requests is not trusted"
    for trial in run.trials:
        trial["cell"] = "../requests/1-db-latency"
    assert spectra(load(run.write())) == {}
