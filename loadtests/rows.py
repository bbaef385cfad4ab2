"""One recorded request as numbers, and the windows (of warm-up, slices, open-loop runs) that requests belong to."""

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np

clock = time.perf_counter
"""Seconds on the monotonic clock: all times are read from it."""

Phase = Literal["warm", "measure"]

ROW = np.dtype(
    [
        ("intended_s", "<f8"),
        ("start_s", "<f8"),
        ("first_byte_s", "<f8"),
        ("end_s", "<f8"),
        ("bytes", "<i8"),
        ("status", "<i2"),
        ("step", "<i2"),
        ("fault", "<i4"),
    ]
)
"""One request. `start_s` and `first_byte_s` are NaN for what never came to that. `bytes` counts the body.
`step`: of a journey, a place in `Steps.names`; -1 for a scenario of one request."""


@dataclass(slots=True)
class Window:
    """A time in which one target was loaded; `end_s` is moved if the run is stopped within it."""

    target: int
    phase: Phase
    slice: int
    """Number of the slice or window within the job, from 0; -1 for the warm-up."""
    preceded_by: int
    """The target loaded just before in the same phase; -1 at its start."""
    row: int
    """Its first row; its last is before the next window's first."""
    start_s: float
    end_s: float
    counted_s: float = 0.0
    """From when on requests that end are counted: before it, the connections begin, and their turns are not mixed yet."""
    keeps_late: bool = False
    """Open loop: what was due within the window belongs to it, however late it was answered."""
    drained_s: float = 0.0
    """When the last of its requests had ended."""
    cpu_at_start_s: float = 0.0
    cpu_s: float = 0.0
    """CPU time of this process from the start to `cpu_until_s`."""
    cpu_until_s: float | None = None
    """When that was read: as the window ended, before the drain."""

    def read_cpu(self, now_s: float) -> None:
        """Read the generator's CPU time, the first time that this is called."""
        if self.cpu_until_s is None:
            self.cpu_until_s = now_s
            self.cpu_s = time.process_time() - self.cpu_at_start_s
