"""The benchmark of the report's growth (`make bench-report`), in small: what it generates is a run, and what it judges by."""

from pathlib import Path

import pandas as pd
import pytest
import scale

from analysis.frames import load
from analysis.stats import replicates


def test_what_is_generated_reads_as_a_run_of_that_size(tmp_path: Path) -> None:
    folder = scale.generate(tmp_path / "20260101-000000-abcd", requests=2000, cells=40)
    frames = load(folder)
    assert frames.damaged == ()
    assert len(frames.cells) == 2 * 3 * scale.SCENARIOS  # views, stacks
    assert set(replicates(frames.trials)["block"]) == set(range(scale.BLOCKS))
    files = sorted((folder / "requests").glob("*.parquet"))
    assert len(files) == scale.BLOCKS * scale.SCENARIOS * 2
    rows = [pd.read_parquet(path) for path in files]
    assert sum(map(len, rows)) == pytest.approx(2000, abs=len(files))
    assert set(rows[0]["target"]) <= set(frames.trials["deployment_id"])


@pytest.mark.parametrize(
    ("last_s", "last_bytes", "holds"),
    [(50.0, 1e9, True), (61.0, 1e9, False), (50.0, 1.6e9, False), (5.0, 1.49e9, False)],
)
def test_the_goal_is_time_memory_and_no_more_than_linear(last_s: float, last_bytes: float, holds: bool) -> None:
    first = scale.Took(requests=100, seconds=20.0, cpu_s=20.0, peak_bytes=10**8)
    last = scale.Took(requests=1000, seconds=last_s, cpu_s=last_s, peak_bytes=int(last_bytes))
    assert scale.holds([first, last]) == holds
