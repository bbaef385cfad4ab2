"""Rates of answers that come in batches: exact wherever a window cuts, and null where nothing can be said."""

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_servers import GOOD

from loadtests.batches import whole_turns
from loadtests.errors import LoadError
from loadtests.job import parse


def ends(slots: int, turn_s: float, cut_s: tuple[float, float], jitter_s: float = 0.0) -> np.ndarray:
    """When answers ended of `slots` that each answer every `turn_s`, all begun at once; those within the cut."""
    count = int(cut_s[1] / turn_s) + 1
    at = np.repeat(np.arange(1, count + 1) * turn_s, slots)
    at += np.random.default_rng(1).uniform(0.0, jitter_s, len(at)) if jitter_s else 0.0
    return at[(at >= cut_s[0]) & (at < cut_s[1])]


@given(
    slots=st.integers(1, 64), turn_ms=st.integers(200, 320), begin_ms=st.integers(0, 250), length_ms=st.integers(800, 1500)
)  # fmt: skip
def test_the_rate_of_batches_is_exact_wherever_a_window_cuts(
    slots: int, turn_ms: int, begin_ms: int, length_ms: int
) -> None:
    cut_s = (begin_ms / 1000, (begin_ms + length_ms) / 1000)
    found = whole_turns(ends(slots, turn_ms / 1000, cut_s), slots, length_ms / 1000)
    assert found is not None
    assert found[0] / found[1] == pytest.approx(slots / (turn_ms / 1000), rel=1e-6)


def test_answers_over_time_would_say_the_same_of_turns_that_differ_by_a_fifth() -> None:
    rates = []
    for turn_s in (0.201, 0.241):
        inside = ends(64, turn_s, (0.2, 1.0), jitter_s=0.002)
        assert len(inside) / 0.8 == pytest.approx(320.0)
        found = whole_turns(inside, 64, 0.8)
        assert found is not None
        rates.append(found[0] / found[1])
    assert rates == pytest.approx([64 / 0.201, 64 / 0.241], rel=0.01)


def test_one_batch_alone_says_nothing() -> None:
    assert whole_turns(ends(64, 0.5, (0.2, 1.0), jitter_s=0.005), 64, 0.8) is None
    assert whole_turns(np.array([]), 8, 0.8) is None
    assert whole_turns(np.array([0.3]), 1, 0.8) is None
    assert whole_turns(np.array([0.3, 0.3]), 1, 0.8) is None


def test_a_batch_and_a_part_of_one_say_nothing() -> None:
    assert whole_turns(np.concatenate([np.full(64, 0.4), np.full(20, 0.8)]), 64, 0.8) is None


def test_answers_that_come_one_by_one_need_no_batch() -> None:
    found = whole_turns(np.arange(0.2, 1.0, 0.05), 64, 0.8)
    assert found is not None
    assert found[0] / found[1] == pytest.approx(20.0)
    six = whole_turns(np.arange(1, 7) * 0.2, 8, 1.3)
    assert six is not None
    assert six[0] / six[1] == pytest.approx(5.0)


@pytest.mark.parametrize("ends_s", [[0.2, 0.2, 0.4, 0.4], [0.2, 0.2, 0.4, 0.4, 0.6, 0.6], [0.2, 0.5, 0.9]])
def test_few_answers_that_came_two_at_a_time_say_nothing(ends_s: list[float]) -> None:
    assert whole_turns(np.array(ends_s), 8, 0.5) is None


def test_more_at_once_than_was_thought_and_fewer_are_still_near() -> None:
    for slots, batch in ((3, 8), (12, 8), (8, 12)):
        inside = ends(slots, 0.2, (0.13, 2.6), jitter_s=0.003)
        found = whole_turns(inside, batch, 2.47)
        assert found is not None
        assert found[0] / found[1] == pytest.approx(slots / 0.2, rel=0.05)


def test_a_target_with_a_batch_has_its_rate_over_whole_ones_beside_that_over_time(serve: Any, load: Any) -> None:
    def answer(number: int) -> list[Any]:
        time.sleep(0.06)
        return [GOOD]

    server = serve(answer)
    found = load(server.port, mode="closed", measure_s=0.5, connections=4, batch=4)
    rows = found.table.rows[found.table.correct]
    turn_s = float((rows["end_s"] - rows["start_s"]).mean())
    assert found.first["batches"]["rps"] == pytest.approx(4 / turn_s, rel=0.2)
    assert found.first["batches"]["requests"] == len(rows) - 4
    assert found.first["rps"] == pytest.approx(found.first["requests"] / found.first["seconds"])
    assert load(server.port, mode="closed", measure_s=0.1).first["batches"] is None


@pytest.mark.parametrize(("mode", "batch"), [("open", 4), ("closed", 0)])
def test_a_batch_that_means_nothing_is_refused(mode: str, batch: int) -> None:
    table = {
        "version": 1, "mode": mode, "measure_s": 1.0, "rate_rps": 1.0 if mode == "open" else None, "scenario": "plaintext",
        "targets": [{"id": "a", "host": "127.0.0.1", "port": 1, "connections": 1, "batch": batch}], "requests_path": None,
        "slices_path": None, "result_path": "x",
    }  # fmt: skip
    with pytest.raises(LoadError, match="batch is 1 or more, and not for the open loop"):
        parse(table, "job")
