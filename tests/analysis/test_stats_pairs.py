"""Answers for pairs, letters and ranks, copies: what is said follows from the intervals, and from nothing else."""

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import MIN_REPLICATES
from analysis.stats.copies import agreement
from analysis.stats.layout import Layout, with_intervals
from analysis.stats.letters import letters, ordered, ranks, words
from analysis.stats.pairs import Pair, answer, compare


def layout(copies: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]", kinds: list[str] | None = None) -> Layout:
    occasions, stacks, _ = copies.shape
    return Layout(
        stacks=tuple(f"s{number}" for number in range(stacks)), classes=tuple(kinds or ["sync"] * stacks),
        blocks=tuple(range(occasions)), groups=(0,) * occasions, copies=copies, left_out={},
    )  # fmt: skip


def drawn(seed: int, blocks: int, levels: list[float], spread: float = 0.01) -> Layout:
    rng = np.random.default_rng(seed)
    shape = (blocks, len(levels), 2)
    return layout(np.log(levels)[None, :, None] + rng.normal(0, 0.2, (blocks, 1, 1)) + rng.normal(0, spread, shape))


@pytest.mark.parametrize(
    ("ratio", "half", "said"),
    [
        (1.10, 0.05, "different"),
        (1.10, 0.07, "unresolved"),  # without 1, but not beyond the margin
        (0.90, 0.05, "different"),
        (1.00, 0.02, "equivalent"),
        (1.01, 0.025, "unresolved"),
        (1.00, 0.50, "unresolved"),
        (1.02, 0.001, "equivalent"),  # surely not 1, and surely too small to matter
    ],
)
def test_three_answers_against_the_margin(ratio: float, half: float, said: str) -> None:
    assert answer(math.log(ratio), half, 0.03) == said
    assert answer(-math.log(ratio), half, 0.03) == said


@given(st.floats(-0.5, 0.5), st.floats(1e-6, 0.5), st.floats(0.001, 0.2))
@settings(max_examples=200, deadline=None)
def test_a_wider_interval_never_says_more(log_ratio: float, half: float, margin: float) -> None:
    if answer(log_ratio, half, margin) == "unresolved":
        assert answer(log_ratio, half * 1.5, margin) == "unresolved"
    else:
        assert answer(log_ratio, half / 2, margin) == answer(log_ratio, half, margin)


def test_all_pairs_are_compared_and_read_both_ways() -> None:
    found = compare(drawn(1, 8, [1000, 1200, 1500]), margin=0.03)
    assert {(pair.stack, pair.other) for pair in found} == {("s0", "s1"), ("s0", "s2"), ("s1", "s2")}
    assert {pair.answer for pair in found} == {"different"}
    ratio, low, high = found[1].bounds()
    assert low < 1000 / 1500 < high
    assert found[1].turned().bounds() == pytest.approx((1 / ratio, 1 / high, 1 / low))
    assert found[1].half > found[1].half_alone > 0


def test_more_stacks_are_more_pairs_to_hold_together() -> None:
    one = drawn(2, 12, [100.0] * 10)
    few = layout(one.copies[:, :3])
    paid = [found[0].half / found[0].half_alone for found in (compare(one, margin=0.03), compare(few, margin=0.03))]
    assert paid[0] > paid[1] > 1


def test_too_few_blocks_have_no_interval_and_say_so() -> None:
    assert with_intervals(drawn(3, MIN_REPLICATES - 1, [1.0, 2.0])).left_out == {
        "s0": "5 blocks: an interval needs 6",
        "s1": "5 blocks: an interval needs 6",
    }
    one = drawn(3, 8, [1.0, 2.0, 3.0])
    one.copies[3:, 2] = np.nan
    ready = with_intervals(one)
    assert ready.stacks == ("s0", "s1")
    assert ready.left_out == {"s2": "3 blocks: an interval needs 6"}
    assert len(compare(ready, margin=0.03)) == 1


def test_a_stack_alone_is_compared_with_nobody() -> None:
    ready = with_intervals(drawn(3, 8, [1.0]))
    assert ready.stacks == ()
    assert "beside other stacks in 0 blocks" in ready.left_out["s0"]
    assert compare(ready, margin=0.03) == []


def pair(stack: str, other: str, log_ratio: float, said: str) -> Pair:
    return Pair(
        stack=stack, other=other, log_ratio=log_ratio, error=0.01, df=20, half=0.03, half_alone=0.02, blocks=6, answer=said,  # type: ignore[arg-type]
    )  # fmt: skip


def test_letters_are_shared_by_those_not_shown_to_differ_which_is_not_transitive() -> None:
    assert letters(["x", "y", "z"], {frozenset("xz")}) == {"x": "a", "y": "ab", "z": "b"}
    assert letters(["x", "y", "z"], set()) == {"x": "a", "y": "a", "z": "a"}
    assert letters([], set()) == {}


@given(st.integers(1, 9), st.data())
@settings(max_examples=80, deadline=None)
def test_two_share_a_letter_if_and_only_if_they_were_not_told_apart(count: int, data: st.DataObject) -> None:
    stacks = [f"s{number}" for number in range(count)]
    every = [frozenset(one) for one in itertools.combinations(stacks, 2)]
    different = {one for one in every if data.draw(st.booleans())}
    found = letters(stacks, different)
    assert all(found.values())
    for one in every:
        first, second = (set(found[stack]) for stack in one)
        assert (not first & second) == (one in different)


def test_sixty_stacks_that_each_differ_from_all_but_their_neighbours_take_no_more_groups_than_there_are() -> None:
    stacks = [f"stack {number}" for number in range(60)]
    apart = {frozenset((one, other)) for at, one in enumerate(stacks) for other in stacks[at + 3 :]}
    found = letters(stacks, apart)
    assert len(set(re.findall(r"[a-z]\d*", "".join(found.values())))) == 58  # one for each three in a row
    assert found["stack 0"] == "a"
    assert found["stack 30"] == "c2d2e2"


def test_many_groups_get_letters_with_numbers() -> None:
    stacks = [f"s{number:02}" for number in range(30)]
    found = letters(stacks, {frozenset(one) for one in itertools.combinations(stacks, 2)})
    assert found["s00"] == "a"
    assert found["s25"] == "z"
    assert found["s26"] == "a2"


def test_a_rank_is_a_range_from_those_surely_better_to_those_surely_worse() -> None:
    pairs = [pair("x", "y", 0.1, "different"), pair("x", "z", 0.1, "different"), pair("y", "z", 0.01, "unresolved")]
    assert ranks(["x", "y", "z"], pairs, higher_is_better=True) == {"x": (1, 1), "y": (2, 3), "z": (2, 3)}
    assert ranks(["x", "y", "z"], pairs, higher_is_better=False) == {"x": (3, 3), "y": (1, 2), "z": (1, 2)}
    assert [words((1, 1)), words((2, 3))] == ["1", "2 to 3"]
    assert ordered({"x": 1.0, "y": 2.0}, higher_is_better=True) == ["y", "x"]
    assert ordered({"x": 1.0, "y": 2.0}, higher_is_better=False) == ["x", "y"]


def test_copies_that_are_alike_agree() -> None:
    found = agreement(drawn(4, 8, [100.0, 200.0, 300.0], spread=0.02))
    assert found.spread < 0.02
    assert found.p > 0.1
    assert found.by_class["sync"] == pytest.approx(0.02, rel=0.4)
    assert all(one.low < 1 < one.high and one.n == 8 for one in found.stacks)


def test_copies_that_differ_are_seen_and_widen_the_margin() -> None:
    one = drawn(5, 8, [100.0, 200.0, 300.0])
    one.copies[:, :, 0] += 0.05
    found = agreement(one)
    assert found.spread == pytest.approx(0.05, abs=0.01)
    assert found.p < 0.01


def test_the_spread_of_deployments_is_told_by_class() -> None:
    rng = np.random.default_rng(6)
    spreads = np.array([0.01, 0.01, 0.06, 0.06])[None, :, None]
    found = agreement(layout(rng.normal(0, 1, (40, 4, 2)) * spreads, ["loop", "loop", "sync", "sync"]))
    assert found.by_class["loop"] == pytest.approx(0.01, rel=0.2)
    assert found.by_class["sync"] == pytest.approx(0.06, rel=0.2)


def test_one_copy_says_nothing_of_agreement() -> None:
    found = agreement(layout(np.zeros((6, 3, 1))))
    assert found.stacks == ()
    assert math.isnan(found.spread)
    assert math.isnan(found.p)


def test_few_occasions_give_a_ratio_of_copies_without_an_interval() -> None:
    found = agreement(drawn(7, 3, [1.0, 2.0]))
    assert all(one.n == 3 and math.isnan(one.low) for one in found.stacks)
