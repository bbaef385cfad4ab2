"""What the method is worth, printed: coverage, false differences, width and power, all simulated (`analysis.stats.simulate`)."""

from collections.abc import Iterator

import numpy as np

from analysis.stats import simulate
from analysis.stats.distributions import Floats
from analysis.stats.pairs import MARGIN
from analysis.stats.rivals import METHODS
from analysis.stats.simulate import FULL_SLICES, HARD, MISLED, STANDARD, STANDARD_SLICES, Design

SEED = 5
DESIGNS = {"standard": STANDARD, "hard": HARD, "misled": MISLED}
EFFECTS = (0.03, 0.05, 0.075, 0.10, 0.15)
BLOCKS = (6, 8, 10, 12, 16, 24)
FULL_STACKS = 192
FULL_PAIRS = FULL_STACKS * (FULL_STACKS - 1) // 2
"""Of the profile `full`: all intervals of a scenario hold together, so those of more stacks are wider."""
FULL_LEAST, FULL_MOST, FULL_PRECISION = 10, 24, 0.05
"""Its planned blocks, the most (`bench.pace.MOST_BLOCKS`), and the width at which it ends; a test holds them to the profile."""
MOST, WIDTHS = 12, {"standard": 0.05, "hard": 0.08, "misled": 0.08}
"""Where the stopping rule ends at the latest, and widths at which it really stops some runs sooner than others."""


def text(*, runs: int) -> str:
    """All tables, as Markdown, each figure from `runs` simulated runs."""
    recorded = simulate.trace()
    return "\n".join([*_coverage(recorded, runs), "", *_rivals(recorded, runs), "", *_power(recorded, runs)])


def _coverage(recorded: Floats, runs: int) -> Iterator[str]:
    yield f"**Coverage**, {runs:,} runs of 12 stacks: intervals that hold the truth, and false differences where all stacks are alike."
    yield ""
    yield "| Spreads | Blocks | Each interval | Worst pair | All 66 together | Runs with an interval without 1 | with a pair `different` |"
    yield "|---|---|---|---|---|---|---|"
    for name, design in DESIGNS.items():
        for blocks in (6, 10):
            found = simulate.outcome(_logs(design, recorded, runs, blocks), design)
            yield f"| {name} | {blocks} | {_covered(found)} |"
        most = _logs(design, recorded, runs, MOST)
        found = simulate.stopped(most, design, least=6, precision=WIDTHS[name])
        middle = int(np.median(found.blocks))
        yield f"| {name} | 6 to {MOST}, stopped at {WIDTHS[name]:.0%} (middle {middle}) | {_covered(found)} |"


def _covered(found: simulate.Outcome) -> str:
    shares = (*found.covered(), found.falsely_found(), found.falsely_found(beyond=MARGIN))
    return " | ".join(f"{share:.1%}" for share in shares)


def _rivals(recorded: Floats, runs: int) -> Iterator[str]:
    yield "**Methods**, 6 blocks: all pairs covered together, and half-widths (medians) of pairs of the quietest and noisiest stacks."
    yield ""
    yield "| Method | " + " | ".join(f"{name}: together | quiet | noisy" for name in DESIGNS) + " |"
    yield "|---|" + "---|" * 3 * len(DESIGNS)
    logs = {name: _logs(design, recorded, runs, 6) for name, design in DESIGNS.items()}
    for method, estimate in METHODS.items():
        cells = []
        for name, design in DESIGNS.items():
            found = estimate(logs[name], design)
            spreads = sorted({spread for _, spread in design})
            quiet, noisy = (np.median(found.half[:, _alike(design, one)]) for one in (spreads[0], spreads[-1]))
            cells.append(f"{found.covered()[2]:.1%} | {np.expm1(quiet):.1%} | {np.expm1(noisy):.1%}")
        yield f"| {method} | {' | '.join(cells)} |"


def _power(recorded: Floats, runs: int) -> Iterator[str]:
    yield "**Power**, standard spreads: how often the interval of a pair excludes 1, and (in brackets) lies beyond the margin of 3%."
    yield ""
    found = [simulate.outcome(_logs(STANDARD, recorded, runs, blocks), STANDARD) for blocks in BLOCKS]
    drawn = _logs(STANDARD, recorded, runs, FULL_MOST, slices=FULL_SLICES)
    full = [
        simulate.stopped(drawn, STANDARD, least=FULL_LEAST, precision=FULL_PRECISION, pairs=pairs)
        for pairs in (None, FULL_PAIRS)
    ]
    ended = [
        (stacks, one.blocks.min(), one.blocks.max())
        for stacks, one in zip((len(STANDARD), FULL_STACKS), full, strict=True)
    ]
    found += full
    yield (
        "| Effect | Spread | "
        + " | ".join(f"{blocks} blocks" for blocks in BLOCKS)
        + "".join(f" | `full`, {stacks} stacks: {least} to {most} blocks" for stacks, least, most in ended)
        + " |"
    )
    yield "|---|---|" + "---|" * len(found)
    for effect in EFFECTS:
        for name, spread in (("1%", 0.01), ("2%", 0.02), ("3%", 0.03), ("all pairs", None)):
            pairs = _alike(STANDARD, spread)
            cells = (f"{_share(one, effect, 0, pairs)} ({_share(one, effect, MARGIN, pairs)})" for one in found)
            yield f"| {effect:+.1%} | {name} | {' | '.join(cells)} |"


def _share(
    found: simulate.Outcome, effect: float, beyond: float, pairs: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]"
) -> str:
    return f"{found.found(effect, beyond=beyond)[pairs].mean():.0%}"


def _alike(design: Design, spread: float | None) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    """Which pairs are of two stacks with this spread; all pairs without one."""
    first, second = np.triu_indices(len(design), 1)
    spreads = np.array([one for _, one in design])
    return (
        np.ones(len(first), dtype=bool) if spread is None else (spreads[first] == spread) & (spreads[second] == spread)
    )


def _logs(design: Design, recorded: Floats, runs: int, blocks: int, slices: int = STANDARD_SLICES) -> Floats:
    return simulate.block_logs(design, runs=runs, blocks=blocks, slices=slices, seed=SEED, recorded=recorded)
