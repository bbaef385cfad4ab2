"""Duet: targets that are alive at the same time are loaded in turn, in short slices, so that the machine's drift hits all alike."""

import random


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
