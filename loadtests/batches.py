"""The rate of answers that come in batches, as those of requests that only wait do: a window of four waits holds four batches whether
a wait took 200 ms or 240, so answers over time would say the same of both.
"""

import numpy as np
from numpy.typing import NDArray

FEWEST = 4
STEADY = 1 / 8
"""Where answers are too few for two batches, no pause between two of them may be a larger part of all (or, of few, twice the mean)."""
COVERED = 0.5
"""And they must be spread over this share of the time that was counted: one batch alone says nothing of how long it took."""


def whole_turns(ends_s: NDArray[np.float64], batch: int, counted_s: float) -> tuple[int, float] | None:
    """Answers and seconds of which the ratio is the rate, from the middle of the first `batch` answers to the middle of the last.

    Exact where `batch` answers end every T, wherever the window cuts: the n - b answers between the two middles take (n - b) / b times
    T. Of other processes it is the mean rate between the middles. `ends_s`: when each answer ended, in any order; `counted_s`: how long
    was counted. Fewer than two batches do where answers came steadily, one by one. None where nothing can be said.
    """
    ends = np.sort(ends_s)
    total = len(ends)
    if total < 2 * batch:
        spread_s = ends[-1] - ends[0] if total >= FEWEST else 0.0
        if spread_s < COVERED * counted_s or np.diff(ends).max() > max(STEADY, 2 / (total - 1)) * spread_s:
            return None
        batch = total // 2
    between_s = float(ends[total - batch :].mean() - ends[:batch].mean())
    return (total - batch, between_s) if between_s > 0 else None
