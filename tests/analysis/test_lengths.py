"""Short slices against long windows: what agrees, what differs, and what cannot be told."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import __main__ as command
from analysis import lengths, slices

PAIR = [("left", "right")]


def table(
    biases: dict[float, float], *, spread: float, rounds: int = 8, right: str = "right", seed: int = 5
) -> pd.DataFrame:
    """Rates of `left` and `right` by length: the ratio is 2 times the bias, with noise from round to round."""
    rng = np.random.default_rng(seed)
    rows = []
    for length_ms, bias in biases.items():
        for round_ in range(rounds):
            noise = np.exp(rng.normal(0, spread))
            for estimator, other in (("settled", 1.0), ("within", 7.0)):
                rates = {"left": 100.0 * other, right: 200.0 * bias * noise}
                rows += [
                    {"stack": stack, "estimator": estimator, "rate_rps": rate, "round": round_, "length_ms": length_ms}
                    for stack, rate in rates.items()
                ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("bias", "spread", "answer"),
    [(1.0, 0.002, "agree"), (1.005, 0.002, "agree"), (1.04, 0.005, "differ"), (0.96, 0.005, "differ"), (1.0, 0.08, "unresolved")],
)  # fmt: skip
def test_a_bias_is_judged_by_its_whole_interval(bias: float, spread: float, answer: str) -> None:
    (found,) = lengths.biases(table({100.0: bias, 1000.0: 1.0}, spread=spread), PAIR)
    assert found.answer == answer
    assert (found.stack, found.other, found.used_ms, found.length_ms) == ("right", "left", 100.0, 1000.0)
    assert found.low <= found.bias <= found.high
    assert found.rounds == 8
    assert found.ratio == pytest.approx(2, rel=0.1)
    assert found.bias == pytest.approx(bias, rel=0.1)


def test_the_shortest_length_is_held_against_every_other() -> None:
    found = lengths.biases(table({100.0: 1.0, 200.0: 1.02, 400.0: 1.0, 1000.0: 1.0}, spread=0.001), PAIR)
    assert [(one.length_ms, one.answer) for one in found] == [
        (200.0, "differ"), (400.0, "agree"), (1000.0, "agree"),
    ]  # fmt: skip


def test_each_pair_of_several_is_held_against_itself_alone() -> None:
    first, second = (table({100.0: bias, 1000.0: 1.0}, spread=0.001, seed=seed) for bias, seed in ((1.0, 1), (1.04, 2)))
    both = pd.concat([first, second.replace({"left": "slow", "right": "slower"})])
    found = lengths.biases(both, [("left", "right"), ("slow", "slower")])
    assert [(one.other, one.stack, one.answer) for one in found] == [
        ("left", "right", "agree"), ("slow", "slower", "differ"),
    ]  # fmt: skip


def test_the_command_passes_only_where_all_is_shown_to_agree(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = {
        "good": table({100.0: 1.0, 1000.0: 1.0}, spread=0.002),
        "wide": table({100.0: 1.0, 1000.0: 1.0}, spread=0.08, right="unsteady"),
        "bad": table({100.0: 1.05, 1000.0: 1.0}, spread=0.002, right="biased"),
    }
    pairs = {"good": "right", "wide": "unsteady", "bad": "biased"}
    monkeypatch.setattr(slices, "described", lambda folder: {"pairs": [["left", pairs[folder.name]]]})
    read: Callable[[Path], pd.DataFrame] = lambda folder: tables[folder.name]  # noqa: E731
    monkeypatch.setattr(slices, "rates", read)
    assert command.main(["lengths", "good", "good"]) == 0
    assert "not shown" not in capsys.readouterr().out
    assert command.main(["lengths", "good", "wide"]) == 1
    out = capsys.readouterr().out
    assert (
        "1 agree, 0 differ, 1 unresolved\nnot shown: whether 1 of 2 agree; more rounds make intervals narrower" in out
    )
    assert max(map(len, out.splitlines())) <= 80
    assert command.main(["lengths", "good", "bad"]) == 1
    assert "1 agree, 1 differ, 0 unresolved" in capsys.readouterr().out
    tables["good"] = table({1000.0: 1.0}, spread=0.002)
    assert command.main(["lengths", "good"]) == 2
    assert "good: holds no two lengths of two stacks, so nothing can be compared" in capsys.readouterr().err


def test_studies_of_the_same_pair_count_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = {
        "first": table({50.0: 1.2, 100.0: 1.0, 1000.0: 1.0}, spread=0.013),
        "again": table({100.0: 1.0, 400.0: 1.0, 1000.0: 1.0}, spread=0.013, rounds=30, seed=6),
    }
    said = {name: {"scenario": "json", "connections": 8, "pairs": PAIR} for name in tables}
    monkeypatch.setattr(slices, "rates", lambda folder: tables[folder.name])
    monkeypatch.setattr(slices, "described", lambda folder: said[folder.name])
    found = lengths.studies([Path("first"), Path("again")])
    assert list(found) == [Path("first")]
    both = {one.length_ms: one for one in lengths.biases(found[Path("first")], PAIR, used_ms=100.0)}
    assert {length: one.rounds for length, one in both.items()} == {400.0: 30, 1000.0: 38}
    (alone,) = lengths.biases(tables["first"], PAIR, used_ms=100.0)
    assert both[1000.0].high / both[1000.0].low < alone.high / alone.low, "known better by more rounds"
    assert command.main(["lengths", "first", "again", "--used", "100"]) == 0
    assert "1000 ms      38" in capsys.readouterr().out
    said["again"] = {**said["first"], "connections": 64}
    assert len(lengths.studies([Path("first"), Path("again")])) == 2, "another question"
    assert lengths.biases(tables["first"], PAIR, used_ms=5000.0) == []
