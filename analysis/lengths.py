"""Whether ratios between stacks depend on how long a slice is: what the first parts of long windows say, against the whole.

Copies of one stack cannot show what slicing does to *unlike* stacks (cold caches, drains). Until it ends, a slice is the beginning of a
longer one: so what slices of the length in use would have counted is held against what slices of each other length, and the window, counted
in the same windows, by the estimator in use. The interval is Student's t over rounds (loads). Rounds of several studies of the same pairs,
scenario, windows and connections count together.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis import slices
from analysis.stats.pairs import MARGIN
from bench.model import BenchError

ALLOWED = MARGIN / 2
"""Half the margin: what a bias may be."""
Answer = Literal["agree", "differ", "unresolved"]


@dataclass(frozen=True, kw_only=True)
class Bias:
    """The ratio of `stack` to `other` in slices of `used_ms`, over that in slices of `length_ms`: 1 is none."""

    stack: str
    other: str
    used_ms: float
    length_ms: float
    ratio: float
    """In slices of `length_ms`."""
    bias: float
    low: float
    high: float
    rounds: int

    @property
    def answer(self) -> Answer:
        """Whether the whole interval lies within what is allowed, or all of it beyond."""
        low, high = np.log(self.low), np.log(self.high)
        allowed = np.log1p(ALLOWED)
        if -allowed <= low and high <= allowed:
            return "agree"
        return "differ" if low > allowed or high < -allowed else "unresolved"


def counts(folder: Path, said: Mapping[str, Any]) -> pd.DataFrame:
    """One row for each round, length and stack of a study: `requests` in a window, the mean. `said`: see `slices.described`.

    Raises BenchError where it cannot be read, or a stack answered nothing: then there is no ratio.
    """
    frames = [
        slices.read(folder / "counts" / f"{name}.parquet", ["target", "length_ms", "requests"]).assign(round=name)
        for name in said["rounds"]
    ]
    table = pd.concat(frames, ignore_index=True)
    table["stack"] = table["target"].map(said["stacks"])
    means = table.groupby(["round", "length_ms", "stack"])["requests"].mean().reset_index()
    for one in means[means["requests"] == 0].head(1).itertuples():
        raise BenchError(
            f"{folder}: {one.stack} answered nothing in the first {one.length_ms:g} ms of any window of round {one.round}"
        )
    return means


def biases(table: pd.DataFrame, pairs: Sequence[Sequence[str]]) -> list[Bias]:
    """Of the shortest length against every longer one, for each of `pairs`: (other, stack). `table`: see `counts`."""
    logs = np.log(table.pivot_table(index=["length_ms", "round"], columns="stack", values="requests"))
    shortest, *longer = sorted(set(table["length_ms"]))
    found = []
    for other, stack in pairs:
        ratios = logs[stack] - logs[other]
        for length_ms in longer:
            own = ratios.xs(length_ms)
            differences = (ratios.xs(shortest) - own).dropna()
            middle, half = float(differences.mean()), slices.half_width(differences)
            bias, low, high = np.exp([middle, middle - half, middle + half])
            found.append(Bias(
                stack=stack, other=other, used_ms=float(shortest), length_ms=float(length_ms), ratio=float(np.exp(own.mean())),
                bias=float(bias), low=float(low), high=float(high), rounds=len(differences),
            ))  # fmt: skip
    return found


def together(folders: Sequence[Path]) -> list[tuple[pd.DataFrame, list[list[str]]]]:
    """The counts and pairs of each study; those of another one of the same kind are among its rounds. Raises BenchError where a folder
    holds no study.
    """
    found: dict[str, tuple[pd.DataFrame, list[list[str]]]] = {}
    for number, folder in enumerate(folders):
        said = slices.described(folder, kind="windows")
        table = counts(folder, said)
        table["round"] = [f"{number}-{one}" for one in table["round"]]
        kind = repr([said["pairs"], said["scenario"], said["window_s"], said["connections"]])
        earlier = [found[kind][0]] if kind in found else []
        found[kind] = pd.concat([*earlier, table], ignore_index=True), said["pairs"]
    return list(found.values())


def _line(one: Bias) -> str:
    interval = f"[{one.low - 1:+.2%}, {one.high - 1:+.2%}]" if one.rounds > 1 else "none"
    return f"  {one.length_ms:>5g} ms {one.rounds:>7} {one.ratio:>8.4f} {one.bias - 1:>+8.2%}  {interval:<18}  {one.answer}"


def report(folders: Sequence[Path]) -> tuple[str, bool]:
    """What `python -m analysis lengths` prints, and whether every pair was shown to agree. Raises BenchError where a folder holds no
    study.
    """
    lines = [f"ratios in slices of the length in use over those in longer ones; {ALLOWED:.1%} allowed"]
    answers: list[Answer] = []
    for table, pairs in together(folders):
        found = biases(table, pairs)
        for (stack, other), group in itertools.groupby(found, lambda one: (one.stack, one.other)):
            lines += ["", f"{stack} / {other}", f"slices of {found[0].used_ms:g} ms"]
            lines.append("   against  rounds    ratio     bias  95% interval        answer")
            lines += [_line(one) for one in group]
        answers += [one.answer for one in found]
    said = {answer: answers.count(answer) for answer in ("agree", "differ", "unresolved")}
    lines += ["", ", ".join(f"{count} {answer}" for answer, count in said.items())]
    if said["unresolved"]:
        lines.append(
            f"not shown: whether {said['unresolved']} of {len(answers)} agree; more rounds make intervals narrower"
        )
    return "\n".join(lines), said["agree"] == len(answers)
