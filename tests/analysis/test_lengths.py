"""Short slices against long windows: what agrees, what differs, and what cannot be told."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import __main__ as command
from analysis import lengths
from bench.model import BenchError

PAIR = ("left", "right")


def table(
    biases: dict[float, float], *, spread: float, rounds: int = 8, pair: tuple[str, str] = PAIR, seed: int = 5
) -> pd.DataFrame:
    """Answers in a window by length: the ratio of a pair is 2 times the bias, with noise from round to round."""
    rng = np.random.default_rng(seed)
    rows = []
    for length_ms, bias in biases.items():
        for round_ in range(rounds):
            counts = zip(pair, (length_ms, 2 * length_ms * bias * np.exp(rng.normal(0, spread))), strict=True)
            rows += [
                {"stack": stack, "requests": count, "round": str(round_), "length_ms": length_ms}
                for stack, count in counts
            ]
    return pd.DataFrame(rows)


def store(folder: Path, counted: pd.DataFrame, *, pair: tuple[str, str] = PAIR, connections: int = 8) -> str:
    """As `bench trust` does; of each count two windows are made, one with more and one with fewer."""
    (folder / "counts").mkdir(parents=True)
    for name, rows in counted.groupby("round"):
        both = pd.concat([rows.assign(requests=rows["requests"] * part) for part in (0.9, 1.1)])
        both["target"] = "of " + both["stack"]
        both.drop(columns=["stack", "round"]).to_parquet(folder / "counts" / f"{name}.parquet")
    said = {
        "pairs": [pair], "scenario": "json", "window_s": 1.0, "connections": connections,
        "rounds": sorted(set(counted["round"])), "stacks": {f"of {stack}": stack for stack in pair},
    }  # fmt: skip
    (folder / "slices.json").write_text(json.dumps(said))
    return str(folder)


@pytest.mark.parametrize(
    ("bias", "spread", "answer"),
    [(1.0, 0.002, "agree"), (1.005, 0.002, "agree"), (1.04, 0.005, "differ"), (0.96, 0.005, "differ"), (1.0, 0.08, "unresolved")],
)  # fmt: skip
def test_a_bias_is_judged_by_its_whole_interval(bias: float, spread: float, answer: str) -> None:
    (found,) = lengths.biases(table({100.0: bias, 1000.0: 1.0}, spread=spread), [PAIR])
    assert found.answer == answer
    assert (found.stack, found.other, found.used_ms, found.length_ms) == ("right", "left", 100.0, 1000.0)
    assert found.low <= found.bias <= found.high
    assert found.rounds == 8
    assert found.ratio == pytest.approx(2, rel=0.1)
    assert found.bias == pytest.approx(bias, rel=0.1)


def test_the_shortest_length_is_held_against_every_other() -> None:
    found = lengths.biases(table({100.0: 1.0, 200.0: 1.02, 400.0: 1.0, 1000.0: 1.0}, spread=0.001), [PAIR])
    assert [(one.length_ms, one.answer) for one in found] == [
        (200.0, "differ"), (400.0, "agree"), (1000.0, "agree"),
    ]  # fmt: skip


def test_each_pair_of_several_is_held_against_itself_alone() -> None:
    others = ("slow", "slower")
    both = [
        table({100.0: bias, 1000.0: 1.0}, spread=0.001, pair=pair, seed=seed)
        for bias, pair, seed in ((1.0, PAIR, 1), (1.04, others, 2))
    ]
    found = lengths.biases(pd.concat(both), [PAIR, others])
    assert [(one.other, one.stack, one.answer) for one in found] == [(*PAIR, "agree"), (*others, "differ")]


def test_the_command_passes_only_where_all_is_shown_to_agree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, wide, bad = (
        store(tmp_path / name, table({100.0: bias, 1000.0: 1.0}, spread=spread, pair=pair), pair=pair)
        for name, bias, spread, pair in (
            ("good", 1.0, 0.002, PAIR), ("wide", 1.0, 0.08, ("left", "unsteady")), ("bad", 1.05, 0.002, ("left", "biased")),
        )
    )  # fmt: skip
    assert command.main(["lengths", good]) == 0
    assert "not shown" not in capsys.readouterr().out
    assert command.main(["lengths", good, wide]) == 1
    out = capsys.readouterr().out
    assert (
        "1 agree, 0 differ, 1 unresolved\nnot shown: whether 1 of 2 agree; more rounds make intervals narrower" in out
    )
    assert max(map(len, out.splitlines())) <= 80
    assert command.main(["lengths", good, bad]) == 1
    assert "1 agree, 1 differ, 0 unresolved" in capsys.readouterr().out


def test_studies_of_the_same_pairs_count_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = store(tmp_path / "first", table({100.0: 1.0, 1000.0: 1.0}, spread=0.013))
    again = store(tmp_path / "again", table({100.0: 1.0, 1000.0: 1.0}, spread=0.013, rounds=30, seed=6))
    other = store(tmp_path / "other", table({100.0: 1.0, 1000.0: 1.0}, spread=0.013), connections=64)
    ((both, pairs),) = lengths.together([Path(first), Path(again)])
    (found,) = lengths.biases(both, pairs)
    ((one, _),) = lengths.together([Path(first)])
    (alone,) = lengths.biases(one, pairs)
    assert (found.rounds, alone.rounds) == (38, 8)
    assert found.high / found.low < alone.high / alone.low, "known better by more rounds"
    assert command.main(["lengths", first, again]) == 0
    assert "1000 ms      38" in capsys.readouterr().out
    assert len(lengths.together([Path(first), Path(other)])) == 2, "another question"


def test_one_round_has_no_interval(tmp_path: Path) -> None:
    text, agree = lengths.report([Path(store(tmp_path, table({100.0: 1.0, 1000.0: 1.0}, spread=0.0, rounds=1)))])
    assert re.search(r"1000 ms       1   2\.0000   [+-]0\.00%  none {16}unresolved", text)
    assert not agree


def test_what_is_no_study_of_windows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"slices\.json: cannot be read .*; `bench trust` writes it"):
        lengths.report([tmp_path])
    (tmp_path / "slices.json").write_text(json.dumps({"jobs": [{}], "stacks": {"a": "b"}}))
    with pytest.raises(BenchError, match="names no loads or no stacks; `bench trust` makes another"):
        lengths.report([tmp_path])
    none = table({100.0: 1.0, 1000.0: 1.0}, spread=0.002)
    none.loc[(none["stack"] == "left") & (none["length_ms"] == 100) & (none["round"] == "2"), "requests"] = 0
    with pytest.raises(BenchError, match="left answered nothing in the first 100 ms of any window of round 2"):
        lengths.report([Path(store(tmp_path / "none", none))])
    folder = Path(store(tmp_path / "one", table({100.0: 1.0, 1000.0: 1.0}, spread=0.002)))
    (folder / "counts" / "3.parquet").unlink()
    with pytest.raises(BenchError, match=r"3\.parquet: cannot be read"):
        lengths.report([folder])
