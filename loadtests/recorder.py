"""Records every request as numbers in preallocated blocks; nothing is rounded and nothing is written while load runs.

A request belongs to the window (warm-up, slice or open-loop run of one target) in whose rows it lies. What ended before its window's
`counted_s` is the lead, what ended at or after its `end_s` the drain. Times are `clock()`: seconds on the monotonic clock; they are
counted from the job's start only when handed out.
"""

import struct
import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from loadtests.beyond import Beyond
from loadtests.rows import ROW, Phase, Window, clock
from loadtests.stages import Stage

__all__ = ["BLOCK_ROWS", "ROW", "Phase", "Recorder", "Window", "clock"]

_PACK = struct.Struct("<ddddqhhi")
_ROW_BYTES = _PACK.size
BLOCK_ROWS = 1 << 16


class Recorder:
    """Rows of `ROW`, in the order in which requests ended, and the windows they belong to.

    After about `keep_rows` rows (in whole blocks) further ones are added up in `beyond`, for each of the `stages` that windows have too,
    and their memory is used again.
    """

    def __init__(self, keep_rows: int | None = None, stages: Sequence[Stage] = ()) -> None:
        self._keep_rows, self._stages = keep_rows, stages
        self.windows: list[Window] = []
        self._blocks: list[NDArray[np.void]] = []
        self._dropped = 0
        self._buffer = memoryview(bytearray())
        self._offset = self._limit = 0
        self.beyond: Beyond | None = None
        """What has become of the requests after the first `keep_rows`; None as long as there are none."""

    def add(
        self,
        intended_s: float,
        start_s: float,
        first_byte_s: float,
        end_s: float,
        body_bytes: int,
        status: int,
        fault: int,
        step: int = -1,
    ) -> None:
        """One request that has ended."""
        offset = self._offset
        if offset == self._limit:
            offset = self._grow()
        _PACK.pack_into(self._buffer, offset, intended_s, start_s, first_byte_s, end_s, body_bytes, status, step, fault)
        self._offset = offset + _ROW_BYTES

    def _grow(self) -> int:
        kept = len(self._blocks) * BLOCK_ROWS
        if self._keep_rows is not None and kept >= self._keep_rows:
            self.settle()
            if self.beyond is None:
                self.beyond = Beyond(first=kept, stages=self._stages)
            block = self.beyond.block
        else:
            block = np.zeros(BLOCK_ROWS, ROW)
            self._blocks.append(block)
        self._buffer = memoryview(block).cast("B")
        self._limit = block.nbytes
        self._offset = 0
        return 0

    @property
    def rows(self) -> int:
        """How many requests have ended."""
        if self.beyond is not None:
            return self.beyond.first + self.beyond.taken + self._offset // ROW.itemsize
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
        lead_s: float = 0.0,
        keeps_late: bool = False,
    ) -> Window:
        """Begin a window: what ends from now on belongs to it."""
        last = self.windows[-1] if self.windows else None
        preceded_by = last.target if last and last.phase == phase else -1
        window = Window(
            target, phase, slice, preceded_by, self.rows, start_s, start_s + seconds, start_s + lead_s, keeps_late
        )
        window.cpu_at_start_s = time.process_time()
        self.windows.append(window)
        return window

    def since(self, row: int) -> NDArray[np.void]:
        """All kept rows from number `row` on (a copy where they lie in several blocks)."""
        pieces = list(self._pieces(row))
        return np.concatenate(pieces) if pieces else np.zeros(0, ROW)

    def settle(self) -> None:
        """Add up what lies in the block that is used again: at the end, before `beyond` is read."""
        if self.beyond is not None:
            self.beyond.take(self._offset // ROW.itemsize, self.windows)
            self._offset = 0

    def drop(self) -> None:
        """Forget the blocks that are full: for runs that only feed statistics."""
        full = max(len(self._blocks) - 1, 0)
        self._dropped += full * BLOCK_ROWS
        del self._blocks[:full]

    def _pieces(self, row: int) -> Iterator[NDArray[np.void]]:
        first = self._dropped
        last = self.rows if self.beyond is None else self.beyond.first
        for block in self._blocks:
            begin, end = max(row - first, 0), min(last - first, BLOCK_ROWS)
            if begin < end:
                yield block[begin:end]
            first += BLOCK_ROWS
