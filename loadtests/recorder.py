"""Records every request as numbers in preallocated blocks; nothing is rounded and nothing is written while load runs.

A request belongs to the window (warm-up, slice or open-loop run of one target) in whose rows it lies. What ended at or after its window's
`end_s` is the drain. Times are `clock()`: seconds on the monotonic clock; they are counted from the job's start only when handed out.
"""

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

clock = time.perf_counter

Phase = Literal["warm", "measure"]

ROW = np.dtype(
    [
        ("intended_s", "<f8"),
        ("start_s", "<f8"),
        ("first_byte_s", "<f8"),
        ("end_s", "<f8"),
        ("bytes", "<i8"),
        ("status", "<i4"),
        ("fault", "<i4"),
    ]
)
"""One request. `start_s` and `first_byte_s` are NaN for what never came to that. `bytes` counts the body."""

_PACK = struct.Struct("<ddddqii")
_ROW_BYTES = _PACK.size
BLOCK_ROWS = 1 << 16


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
    keeps_late: bool = False
    """Open loop: what was due within the window belongs to it, however late it was answered."""


class Recorder:
    """Rows of `ROW`, in the order in which requests ended, and the windows they belong to."""

    def __init__(self) -> None:
        self.windows: list[Window] = []
        self._blocks: list[NDArray[np.void]] = []
        self._dropped = 0
        self._buffer = memoryview(bytearray())
        self._offset = self._limit = 0

    def add(
        self,
        intended_s: float,
        start_s: float,
        first_byte_s: float,
        end_s: float,
        body_bytes: int,
        status: int,
        fault: int,
    ) -> None:
        """One request that has ended."""
        offset = self._offset
        if offset == self._limit:
            offset = self._grow()
        _PACK.pack_into(self._buffer, offset, intended_s, start_s, first_byte_s, end_s, body_bytes, status, fault)
        self._offset = offset + _ROW_BYTES

    def _grow(self) -> int:
        block = np.zeros(BLOCK_ROWS, ROW)
        self._blocks.append(block)
        self._buffer = memoryview(block).cast("B")
        self._limit = block.nbytes
        self._offset = 0
        return 0

    @property
    def rows(self) -> int:
        """How many requests have ended."""
        if not self._blocks:
            return self._dropped
        return self._dropped + (len(self._blocks) - 1) * BLOCK_ROWS + self._offset // ROW.itemsize

    def open(
        self,
        *,
        target: int,
        phase: Phase,
        slice: int,
        start_s: float,
        seconds: float,
        keeps_late: bool = False,
    ) -> Window:
        """Begin a window: what ends from now on belongs to it."""
        last = self.windows[-1] if self.windows else None
        preceded_by = last.target if last and last.phase == phase else -1
        window = Window(target, phase, slice, preceded_by, self.rows, start_s, start_s + seconds, keeps_late)
        self.windows.append(window)
        return window

    def since(self, row: int) -> NDArray[np.void]:
        """All rows from number `row` on (a copy where they lie in several blocks)."""
        pieces = list(self._pieces(row))
        return np.concatenate(pieces) if pieces else np.zeros(0, ROW)

    def drop(self) -> None:
        """Forget the blocks that are full: for runs that only feed statistics."""
        full = max(len(self._blocks) - 1, 0)
        self._dropped += full * BLOCK_ROWS
        del self._blocks[:full]

    def _pieces(self, row: int) -> Iterator[NDArray[np.void]]:
        first = self._dropped
        for block in self._blocks:
            begin, end = max(row - first, 0), min(self.rows - first, BLOCK_ROWS)
            if begin < end:
                yield block[begin:end]
            first += BLOCK_ROWS
