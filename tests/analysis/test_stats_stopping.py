"""What stopping when intervals are narrow costs, and other methods, on runs as in test_stats_simulation.py; and the printed tables."""

import numpy as np
import pytest

from analysis.stats import power, rivals, simulate
from analysis.stats.simulate import HARD, STANDARD, STANDARD_SLICES, Design

RUNS, FEW = 2000, 500
"""For shares of runs in which something is wrong, and for medians."""
DESIGNS = {"standard": STANDARD, "hard": HARD}


@pytest.fixture(scope="module")
def recorded() -> simulate.Floats:
    return simulate.trace()


def logs(design: Design, recorded: simulate.Floats, blocks: int) -> simulate.Floats:
    return simulate.block_logs(design, runs=RUNS, blocks=blocks, slices=STANDARD_SLICES, seed=11, recorded=recorded)


@pytest.mark.parametrize(("name", "width"), [("standard", 0.05), ("hard", 0.085)])
def test_stopping_when_intervals_are_narrow_costs_no_coverage(
    recorded: simulate.Floats, name: str, width: float
) -> None:
    design = DESIGNS[name]
    found = simulate.stopped(logs(design, recorded, 10), design, least=6, precision=width)
    assert len(set(found.blocks)) >= 4  # the rule is at work
    alone, worst, together = found.covered()
    assert 0.93 <= alone <= 0.97
    assert 0.93 <= together <= 0.97
    assert worst >= 0.92
    assert found.falsely_found() <= 0.065


def test_the_other_methods_are_wider_or_wrong(recorded: simulate.Floats) -> None:
    drawn = logs(HARD, recorded, 6)
    few = drawn[:FEW]
    in_use = np.median(simulate.outcome(few, HARD).half)
    assert np.median(rivals.paired(few, HARD).half) > 1.5 * in_use
    assert rivals.tukey(drawn, HARD).covered()[2] < 0.9
    assert np.median(rivals.unpooled(few, HARD).half) > 1.15 * in_use


def test_the_tables_are_printed_for_any_number_of_runs() -> None:
    text = power.text(runs=10)
    assert "| standard | 6 to 12, stopped at 5%" in text
    assert "| +10.0% | all pairs |" in text
    assert text.count("**") == 6
