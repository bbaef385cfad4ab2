"""What the intervals are worth: 2,000 runs of known truth on the recorded drift, with the rules in force (`python -m analysis power`).

The stopping rule, other methods and the printed tables are in test_stats_stopping.py, so that two processes can share the work.
"""

from pathlib import Path

import numpy as np
import pytest

from analysis.stats import power, simulate
from analysis.stats.pairs import MARGIN
from analysis.stats.simulate import HARD, MISLED, STANDARD, STANDARD_SLICES, Design, Outcome
from bench import catalog
from bench.model import BenchError
from bench.pace import MOST_BLOCKS
from bench.plan import PROFILES

RUNS, FEW = 2000, 500
"""For shares of runs in which something is wrong, and for means over all runs and pairs."""
DESIGNS = {"standard": STANDARD, "hard": HARD, "misled": MISLED}


@pytest.fixture(scope="module")
def recorded() -> simulate.Floats:
    return simulate.trace()


@pytest.fixture(scope="module")
def fixed(recorded: simulate.Floats) -> dict[str, Outcome]:
    """Every design at the default budget: as many blocks and slices as the profile `standard` has at least."""
    return {
        name: simulate.outcome(logs(design, recorded, PROFILES["standard"].blocks), design)
        for name, design in DESIGNS.items()
    }


@pytest.fixture(scope="module")
def full(recorded: simulate.Floats) -> dict[int, Outcome]:
    """By number of stacks: the profile `full`, ended by its rule, where the pairs of so many must hold together as those of twelve do."""
    profile = PROFILES["full"]
    assert profile.precision is not None
    drawn = logs(STANDARD, recorded, MOST_BLOCKS, slices=simulate.FULL_SLICES, runs=FEW)
    return {
        stacks: simulate.stopped(
            drawn, STANDARD, least=profile.blocks, precision=profile.precision, pairs=stacks * (stacks - 1) // 2
        )
        for stacks in (len(STANDARD), power.FULL_STACKS)
    }


def logs(
    design: Design, recorded: simulate.Floats, blocks: int, *, slices: int = STANDARD_SLICES, runs: int = RUNS
) -> simulate.Floats:
    return simulate.block_logs(design, runs=runs, blocks=blocks, slices=slices, seed=11, recorded=recorded)


def test_simulated_runs_have_no_more_slices_and_copies_than_the_profiles() -> None:
    for name, slices in (("standard", STANDARD_SLICES), ("full", simulate.FULL_SLICES)):
        profile = PROFILES[name]
        assert slices * profile.slice_s <= profile.capacity_s + 1e-9
        assert profile.copies >= simulate.COPIES


@pytest.mark.parametrize("name", DESIGNS)
def test_intervals_cover(fixed: dict[str, Outcome], name: str) -> None:
    alone, worst, together = fixed[name].covered()
    assert 0.93 <= alone <= 0.97
    assert 0.93 <= together <= 0.97
    assert worst >= (0.93 if name != "misled" else 0.88)  # the noisiest stack of a class that is no class


@pytest.mark.parametrize("name", DESIGNS)
def test_false_differences_are_few(fixed: dict[str, Outcome], name: str) -> None:
    assert fixed[name].falsely_found() <= 0.065
    assert fixed[name].falsely_found(beyond=MARGIN) <= 0.005


def test_false_answers_are_few_where_the_truth_lies_on_the_margin(fixed: dict[str, Outcome]) -> None:
    """Half of the stacks are better than the others by just the margin: neither `different` nor `equivalent` is right."""
    one, half = fixed["standard"], len(STANDARD) // 2
    first, second = np.triu_indices(len(STANDARD), 1)
    edge = np.log1p(MARGIN) * ((first < half).astype(float) - (second < half))
    off = edge != 0
    estimate = np.abs((one.error + edge)[:, off])
    assert (estimate - one.half[:, off] > np.log1p(MARGIN)).any(axis=1).mean() <= 0.065
    assert (estimate + one.half[:, off] < np.log1p(MARGIN)).any(axis=1).mean() <= 0.065


def test_effects_of_a_tenth_are_found_at_the_default_budget(fixed: dict[str, Outcome]) -> None:
    assert fixed["standard"].found(0.10).mean() >= 0.9
    assert fixed["standard"].found(0.10).min() >= 0.9  # in pairs of the noisiest stacks too


def test_the_printed_tables_speak_of_the_full_profile_as_it_is() -> None:
    profile = PROFILES["full"]
    assert (profile.blocks, MOST_BLOCKS, profile.precision) == (power.FULL_LEAST, power.FULL_MOST, power.FULL_PRECISION)
    stacks = catalog.select_stacks(catalog.load(), profile.stacks)
    assert len(stacks) == pytest.approx(power.FULL_STACKS, rel=0.1), "simulate anew with about as many as there are"


@pytest.mark.parametrize("stacks", [len(STANDARD), power.FULL_STACKS])
def test_effects_of_a_twentieth_are_found_by_the_full_profile(full: dict[int, Outcome], stacks: int) -> None:
    assert full[stacks].found(0.05).mean() >= 0.9
    assert full[stacks].found(0.10, beyond=MARGIN).mean() >= 0.98
    assert full[stacks].covered()[2] >= 0.93


def test_more_blocks_find_more(fixed: dict[str, Outcome], full: dict[int, Outcome]) -> None:
    for effect in (0.05, 0.1):
        for beyond in (0.0, MARGIN):
            few, many = (one.found(effect, beyond=beyond).mean() for one in (fixed["standard"], full[len(STANDARD)]))
            assert many >= few


def test_intervals_cover_where_stacks_come_in_groups_and_blocks_are_missing(recorded: simulate.Floats) -> None:
    """Six blocks of two groups with one stack in both, and one figure in twenty gone."""
    drawn = logs(STANDARD, recorded, 16, runs=300)
    occasions = np.arange(16)
    for stack in range(1, 12):
        drawn[:, occasions % 2 == stack % 2, stack] = np.nan
    drawn[:, :, 1:][np.random.default_rng(3).random((300, 16, 11)) < 0.05] = np.nan
    alone, _, together = simulate.outcome(drawn, STANDARD).covered()
    assert 0.93 <= alone <= 0.97
    assert 0.92 <= together <= 0.99


def test_drift_is_nothing_on_average_and_common_to_neighbours(recorded: simulate.Floats) -> None:
    drawn = simulate.drift(recorded, np.random.default_rng(4), runs=4000, blocks=2, stacks=12, slices=5)
    assert drawn.shape == (4000, 2, 2, 12)
    assert abs(drawn.mean()) < 0.002
    together, apart = drawn.mean(axis=(2, 3)).std(), (drawn[:, :, :, 0] - drawn[:, :, :, 1]).std()
    assert together > 0.02
    assert 0.01 < apart < 0.08


def test_more_slices_than_were_recorded_are_refused(recorded: simulate.Floats) -> None:
    with pytest.raises(ValueError, match="30 slices of each stack; 4 x 8 are needed"):
        simulate.drift(recorded, np.random.default_rng(1), runs=1, blocks=1, stacks=12, slices=8)


def test_without_the_recording_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="part of a clone"):
        simulate.trace(tmp_path / "drift.parquet")


def test_totals_over_all_slices_are_about_as_good_as_a_fitted_local_drift(recorded: simulate.Floats) -> None:
    """Why rates stay plain totals: dividing each slice by what its neighbours in time say of the machine gains next to nothing."""
    plain, fitted = [], []
    for round_ in recorded:
        for half in (round_[:15], round_[15:]):
            logs = np.log(np.maximum(half, 0.05)) - np.log(half.mean(axis=0))
            flat = logs.ravel()  # in the order of time
            near = np.stack([np.roll(flat, shift) for shift in (-3, -2, -1, 1, 2, 3)]).mean(axis=0).reshape(logs.shape)
            for values, found in ((half, plain), (half / np.exp(near), fitted)):
                level = np.log(values.mean(axis=0))
                found.append(level - level.mean())
    spreads = [np.sqrt(np.mean(np.square(found))) for found in (plain, fitted)]
    assert spreads[1] > 0.85 * spreads[0]
