"""Whether ratios between stacks depend on how long a slice is: the same deployments in slices of the length in use, and in longer ones.

Copies of one stack cannot show what slicing does to *unlike* stacks (cold caches, drains). Here the ratio of two in the shortest slices,
those in use, is held against that in slices of each other length in the same rounds, by the estimator in use; the interval is Student's t
over rounds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from analysis import slices
from analysis.stats.pairs import MARGIN
from bench.model import BenchError

ALLOWED = MARGIN / 2
"""Half the margin: what a bias may be."""
IN_USE = "settled"
"""The estimator that the load engine counts by: a lead is left out."""
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


def biases(table: pd.DataFrame) -> list[Bias]:
    """Of the shortest length against every other, and every stack but the first. `table`: see `slices.rates`."""
    used = table[table["estimator"] == IN_USE]
    other, shortest = str(used["stack"].iloc[0]), float(used["length_ms"].min())
    wide = used.pivot_table(index=["length_ms", "round"], columns="stack", values="rate_rps")
    logs = wide.drop(columns=other).div(wide[other], axis=0).map(math.log)
    found = []
    for length_ms in sorted(set(used["length_ms"]) - {shortest}):
        for stack in logs.columns:
            own = logs.xs(length_ms)[stack]
            differences = (logs.xs(shortest)[stack] - own).dropna()
            middle, half = float(differences.mean()), slices.half_width(differences)
            bias, low, high = np.exp([middle, middle - half, middle + half])
            found.append(Bias(
                stack=str(stack), other=other, used_ms=shortest, length_ms=float(length_ms), ratio=float(np.exp(own.mean())),
                bias=float(bias), low=float(low), high=float(high), rounds=len(differences),
            ))  # fmt: skip
    return found


def report(folders: Sequence[Path]) -> tuple[str, bool]:
    """What `python -m analysis lengths` prints, and whether every pair was shown to agree. Raises BenchError where a folder holds no study
    of two lengths.
    """
    lines = [f"ratios in slices of the length in use over those in longer ones; {ALLOWED:.1%} allowed"]
    answers = []
    for folder in folders:
        found = biases(slices.rates(folder))
        if not found:
            raise BenchError(f"{folder}: holds no two lengths of two stacks, so nothing can be compared")
        lines += [
            "",
            f"{found[0].stack} / {found[0].other}",
            f"slices of {found[0].used_ms:g} ms, {found[0].rounds} rounds",
        ]
        lines.append("   against    ratio     bias  95% interval        answer")
        for one in found:
            lines.append(
                f"  {one.length_ms:>5g} ms {one.ratio:>8.4f} {one.bias - 1:>+8.2%}  [{one.low - 1:+.2%}, {one.high - 1:+.2%}]  {one.answer}"
            )
            answers.append(one.answer)
    counts = {answer: answers.count(answer) for answer in ("agree", "differ", "unresolved")}
    lines += ["", ", ".join(f"{count} {answer}" for answer, count in counts.items())]
    if counts["unresolved"]:
        lines.append(
            f"not shown: whether {counts['unresolved']} of {len(answers)} agree; more rounds make intervals narrower"
        )
    return "\n".join(lines), counts["agree"] == len(answers)
