"""The model behind comparisons: known answers where there are any, and the ways in which data may be missing."""

import numpy as np
import pytest

from analysis.stats import mixed, ratio_interval
from analysis.stats.distributions import inverse_trigamma, of_each, t_quantile, trigamma


def draw(seed: int, *shape: int, spread: float | list[float] = 0.02) -> np.ndarray:  # type: ignore[type-arg]
    rng = np.random.default_rng(seed)
    drift = rng.normal(0, 0.3, (*shape[:-1], 1))
    return drift + rng.normal(0, 1, shape) * np.asarray(spread) + np.arange(shape[-1]) * 0.1


@pytest.mark.parametrize("classes", [["sync", "sync"], ["sync", "loop"]])
def test_two_stacks_are_students_paired_t(classes: list[str]) -> None:
    logs = draw(1, 1, 6, 2, spread=[0.01, 0.04])
    difference, error, df = (float(found[0, 0]) for found in mixed.contrasts(mixed.fit(logs, classes), [1], [0]))
    wanted = ratio_interval(list(logs[0, :, 1] - logs[0, :, 0]))
    assert np.exp(difference) == pytest.approx(wanted.estimate)
    assert df == pytest.approx(5)
    assert np.exp(difference + t_quantile(0.975, df) * error) == pytest.approx(wanted.high, rel=1e-5)


def test_drift_that_hits_all_stacks_alike_does_not_matter() -> None:
    logs = draw(2, 3, 6, 5)
    shifted = logs + np.random.default_rng(9).normal(0, 5, (3, 6, 1))
    classes = ["a", "a", "b", "b", "c"]
    for one, other in zip(
        mixed.contrasts(mixed.fit(logs, classes), [0, 1], [2, 4]),
        mixed.contrasts(mixed.fit(shifted, classes), [0, 1], [2, 4]),
        strict=True,
    ):
        assert other == pytest.approx(one, rel=1e-6)


def test_where_nothing_is_missing_the_closed_formulas_are_the_general_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = np.triu_indices(6, 1)
    fitted = mixed.fit(draw(3, 2, 7, 6, spread=[0.01, 0.01, 0.02, 0.03, 0.03, 0.06]), ["a", "a", "b", "c", "c", "c"])
    closed = mixed.contrasts(fitted, first, second)
    monkeypatch.setattr(mixed.Fit, "complete", property(lambda self: False))
    for one, other in zip(closed, mixed.contrasts(fitted, first, second), strict=True):
        assert other == pytest.approx(one, rel=1e-6)


def test_variances_are_those_of_the_stacks() -> None:
    spreads = [0.01, 0.01, 0.05, 0.05]
    fitted = mixed.fit(draw(4, 400, 12, 4, spread=spreads), ["loop", "loop", "sync", "sync"])
    assert np.sqrt(fitted.variance.mean(axis=0)) == pytest.approx(spreads, rel=0.05)


def test_alike_classes_pool_and_unlike_ones_do_not() -> None:
    alike = mixed.fit(draw(5, 200, 6, 6), ["sync"] * 6)
    unlike = mixed.fit(draw(5, 200, 6, 6, spread=[0.005, 0.01, 0.02, 0.04, 0.08, 0.16]), ["sync"] * 6)
    assert np.median(alike.df) > 15
    assert np.median(unlike.df) < 8
    assert np.median(unlike.variance[:, 5] / unlike.variance[:, 0]) > 4


def test_a_stack_with_missing_blocks_costs_itself_and_not_the_others() -> None:
    logs = draw(6, 1, 12, 4)
    whole = mixed.contrasts(mixed.fit(logs, ["a"] * 4), [0, 0], [1, 3])
    logs[0, 6:, 3] = np.nan
    found = mixed.contrasts(mixed.fit(logs, ["a"] * 4), [0, 0], [1, 3])
    assert found[0][0, 0] == pytest.approx(whole[0][0, 0], abs=1e-9)
    assert found[1][0, 1] / found[1][0, 0] == pytest.approx(np.sqrt(1.5), rel=0.15)


def test_groups_are_held_together_by_the_stack_that_is_in_both() -> None:
    """Two groups meet different drift; only the reference says how they compare, and its error counts."""
    logs = np.full((1, 24, 5), np.nan)
    drawn = draw(7, 1, 24, 5, spread=0.001)
    logs[0, :12, [0, 1, 2]] = drawn[0, :12, [0, 1, 2]]
    logs[0, 12:, [0, 3, 4]] = drawn[0, 12:, [0, 3, 4]]
    difference, error, _ = mixed.contrasts(mixed.fit(logs, ["a"] * 5), [2, 3], [1, 1])
    assert difference[0] == pytest.approx([0.1, 0.2], abs=0.003)
    assert error[0, 1] / error[0, 0] == pytest.approx(np.sqrt(2), rel=0.1)


def test_what_nothing_holds_together_is_not_compared() -> None:
    logs = draw(8, 1, 12, 4)
    logs[0, :6, 2:] = np.nan
    logs[0, 6:, :2] = np.nan
    difference, _, _ = mixed.contrasts(mixed.fit(logs, ["a"] * 4), [0, 0, 2], [1, 2, 3])
    assert list(np.isnan(difference[0])) == [False, True, False]


def test_figures_that_do_not_differ_at_all_have_an_interval_of_no_width() -> None:
    _, error, df = mixed.contrasts(mixed.fit(np.zeros((1, 6, 3)), ["a", "a", "b"]), [0, 1], [1, 2])
    assert (error < 1e-4).all()
    assert np.isfinite(df).all()


def test_the_level_of_each_interval_holds_all_of_them_together() -> None:
    assert of_each(0.95, 1) == 0.95
    assert of_each(0.95, 66) ** 66 == pytest.approx(0.95)


def test_trigamma_is_inverted() -> None:
    shapes = np.array([0.2, 1.0, 2.5, 40.0, 3000.0])
    assert inverse_trigamma(trigamma(shapes)) == pytest.approx(shapes)
