"""Duet: targets that are alive at the same time are loaded in turn, in short slices, so that the machine's drift hits all alike."""

import math
import random
from collections.abc import Sequence

TURNS = 10
"""A slice holds at least so many turns of each connection: with fewer, what the two ends of a slice cut is too much of it."""


LONGEST_S = 0.6
"""A slice is not made longer than this for the sake of its turns, unless the whole load is longer."""
ALIKE = 2.0
"""Whose turns differ by a smaller factor are loaded for the same time at once: a ratio of near equals must not come from unlike slices."""


def multiples(slice_s: float, rounds: int, turn_s: Sequence[float | None]) -> list[int]:
    """How many slices' time each target is loaded at once, from the time that one turn (request and answer) of it takes; None: unknown.

    It then takes part in one of so many rounds only, so that all targets get the same time. More than `rounds` where all of them together
    are too short for its turns: that target gets more time than the others.
    """
    found, most = [1] * len(turn_s), max(rounds, int(LONGEST_S / slice_s + 1e-9))
    known = sorted(((turn, target) for target, turn in enumerate(turn_s) if turn), reverse=True)
    slowest_s = math.inf
    for turn, target in known:
        if turn * ALIKE <= slowest_s:
            slowest_s = turn
        found[target] = min(max(1, math.ceil(TURNS * slowest_s / slice_s - 1e-9)), most)
    return found


def visits(targets: int, rounds: int, seed: int, times: Sequence[int]) -> list[tuple[int, int]]:
    """(target, slices' time at once) in their order: `order`, with those left out whose turn it is not."""
    found = []
    for place, target in enumerate(order(targets, rounds, seed)):
        number, every = place // targets, times[target]
        # In the middle of its rounds; in what is left at the end once more, for as long as that is.
        first = number - number % every
        left = min(every, rounds - first)
        if number == first + left // 2:
            found.append((target, every if every > rounds else left))
    return found


def order(targets: int, rounds: int, seed: int) -> list[int]:
    """Which target is loaded in each slice: `rounds` rounds of all `targets`, numbered from 0.

    Within a cycle (as many rounds as targets, twice as many if that is odd) every target takes every place in a round equally often, and
    comes directly after every other equally often within rounds: a Williams design, its labels and rows shuffled by `seed` for each cycle.
    Source: E. J. Williams, Experimental designs balanced for the estimation of residual effects of treatments, 1949.
    """
    rng = random.Random(seed)
    slices: list[int] = []
    while len(slices) < rounds * targets:
        labels = list(range(targets))
        rng.shuffle(labels)
        rows = _williams(targets)
        rng.shuffle(rows)
        slices.extend(labels[place] for row in rows for place in row)
    return slices[: rounds * targets]


def _williams(size: int) -> list[list[int]]:
    zigzag = [(i + 1) // 2 if i % 2 else (size - i // 2) % size for i in range(size)]
    rows = [[(place + shift) % size for place in zigzag] for shift in range(size)]
    return rows + [row[::-1] for row in rows] if size % 2 and size > 1 else rows
