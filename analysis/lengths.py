"""Whether ratios between stacks depend on how long a slice is: the same deployments in slices of the length in use, and in longer ones.

Copies of one stack cannot show what slicing does to *unlike* stacks (cold caches, drains). Here the ratio of two in the shortest slices,
those in use, is held against that in slices of each other length in the same rounds, by the estimator in use; the interval is Student's t
over rounds. Rounds of several studies of the same stacks, scenario and connections count together.
"""

import itertools
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


def biases(table: pd.DataFrame, pairs: Sequence[Sequence[str]], *, used_ms: float = 0.0) -> list[Bias]:
    """Of the shortest length, from `used_ms` on, against every longer one, for each of `pairs`: (other, stack).

    `table`: see `slices.rates`.
    """
    used = table[(table["estimator"] == IN_USE) & (table["length_ms"] >= used_ms)]
    if used.empty:
        return []
    shortest = float(used["length_ms"].min())
    logs = used.pivot_table(index=["length_ms", "round"], columns="stack", values="rate_rps").map(math.log)
    found = []
    for other, stack in pairs:
        ratios = logs[stack] - logs[other]
        for length_ms in sorted(set(used["length_ms"]) - {shortest}):
            own = ratios.xs(length_ms)
            differences = (ratios.xs(shortest) - own).dropna()
            middle, half = float(differences.mean()), slices.half_width(differences)
            bias, low, high = np.exp([middle, middle - half, middle + half])
            found.append(Bias(
                stack=stack, other=other, used_ms=shortest, length_ms=float(length_ms), ratio=float(np.exp(own.mean())),
                bias=float(bias), low=float(low), high=float(high), rounds=len(differences),
            ))  # fmt: skip
    return found


def studies(folders: Sequence[Path]) -> dict[Path, pd.DataFrame]:
    """The rates of each study, by its folder; those of the same stacks, scenario and connections as an earlier one's among its rounds.

    Raises BenchError where a folder holds no study.
    """
    first: dict[tuple[object, ...], Path] = {}
    found: dict[Path, pd.DataFrame] = {}
    for number, folder in enumerate(folders):
        said, rates = slices.described(folder), slices.rates(folder)
        rates = rates.assign(round=[f"{number}-{one}" for one in rates["round"]])
        stacks = tuple(dict.fromkeys(rates["stack"]))
        place = first.setdefault((stacks, said.get("scenario"), said.get("connections")), folder)
        found[place] = pd.concat([found[place], rates], ignore_index=True) if place in found else rates
    return found


def report(folders: Sequence[Path], *, used_ms: float = 0.0) -> tuple[str, bool]:
    """What `python -m analysis lengths` prints, and whether every pair was shown to agree. Raises BenchError where a folder holds no study
    of two lengths. `used_ms`: see `biases`.
    """
    lines = [f"ratios in slices of the length in use over those in longer ones; {ALLOWED:.1%} allowed"]
    answers = []
    for folder, table in studies(folders).items():
        found = biases(table, slices.described(folder)["pairs"], used_ms=used_ms)
        if not found:
            raise BenchError(f"{folder}: holds no two lengths of two stacks, so nothing can be compared")
        for (stack, other), group in itertools.groupby(found, lambda one: (one.stack, one.other)):
            lines += ["", f"{stack} / {other}", f"slices of {found[0].used_ms:g} ms"]
            lines.append("   against  rounds    ratio     bias  95% interval        answer")
            lines += [
                f"  {one.length_ms:>5g} ms {one.rounds:>7} {one.ratio:>8.4f} {one.bias - 1:>+8.2%}  "
                f"[{one.low - 1:+.2%}, {one.high - 1:+.2%}]  {one.answer}"
                for one in group
            ]
        answers += [one.answer for one in found]
    counts = {answer: answers.count(answer) for answer in ("agree", "differ", "unresolved")}
    lines += ["", ", ".join(f"{count} {answer}" for answer, count in counts.items())]
    if counts["unresolved"]:
        lines.append(
            f"not shown: whether {counts['unresolved']} of {len(answers)} agree; more rounds make intervals narrower"
        )
    return "\n".join(lines), counts["agree"] == len(answers)
