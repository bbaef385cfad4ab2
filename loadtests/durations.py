"""Many durations in bounded memory: exact while they are few, an HDR histogram beyond that.

Histograms are those of hdrhistogram.org: counts in buckets of microseconds, three digits kept, up to an hour. They are filled many
values at a time with NumPy, since one at a time costs as much as a whole request.
"""

from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

HIGHEST_US = 3_600_000_000
DIGITS = 3
EXACT = 1 << 16
"""So many durations are kept as they are."""
BATCH = 1 << 12
"""Beyond them, so many are counted at a time: in a tenth of a millisecond, since arrivals wait meanwhile."""


class Histogram:
    """Durations in seconds, counted. Bucket limits are those of `HdrHistogram(1, HIGHEST_US, DIGITS)`, in microseconds."""

    def __init__(self) -> None:
        self._hdr = HdrHistogram(1, HIGHEST_US, DIGITS)
        self._half = int(self._hdr.sub_bucket_half_count)
        self.counts: NDArray[np.int64] = np.zeros(self._hdr.counts_len, np.int64)
        self.total = 0

    def add(self, seconds: NDArray[np.float64]) -> None:
        """Count `seconds`; what lies outside the range counts at its end."""
        values = np.clip(np.rint(seconds * 1e6), 0, HIGHEST_US).astype(np.int64)
        # The exponent of the value's highest bit says which bucket it is in; what follows within it is linear.
        bucket = np.maximum(np.frexp(values.astype(np.float64))[1] - self._half.bit_length(), 0)
        index = bucket * self._half + (values >> bucket)
        used = np.bincount(index)
        self.counts[: len(used)] += used
        self.total += len(values)

    def clear(self) -> None:
        """Begin anew, in the same memory."""
        self.counts[:] = 0
        self.total = 0

    def pack(self) -> dict[str, bytes]:
        """For a message: what is counted where, without the empty buckets."""
        used = np.flatnonzero(self.counts)
        return {"buckets": used.astype("<i4").tobytes(), "counts": self.counts[used].astype("<i8").tobytes()}

    def absorb(self, packed: Mapping[str, bytes]) -> None:
        """Count what another one had counted. Raises IndexError or ValueError for what is none."""
        counts = np.frombuffer(packed["counts"], "<i8")
        np.add.at(self.counts, np.frombuffer(packed["buckets"], "<i4"), counts)
        self.total += int(counts.sum())

    def percentile_s(self, p: float) -> float:
        """The smallest duration in seconds, to three digits, that a share `p` of all does not exceed."""
        wanted = max(int(np.ceil(round(p * self.total, 6))), 1)
        index = int(np.searchsorted(np.cumsum(self.counts), wanted))
        value = self._hdr.get_value_from_index(index)
        return float(self._hdr.get_highest_equivalent_value(value)) / 1e6

    def values_s(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Durations in seconds, to three digits, from short to long, and how often each was counted."""
        used = np.flatnonzero(self.counts)
        lowest = [self._hdr.get_value_from_index(int(index)) for index in used]
        middles = [(value + self._hdr.get_highest_equivalent_value(value)) / 2e6 for value in lowest]
        return np.array(middles, np.float64), self.counts[used]

    def encode(self) -> bytes:
        """In HdrHistogram's own V2 format, compressed, in base64: any of its ports reads it. Values are microseconds."""
        np.frombuffer(self._hdr.counts, np.int64)[:] = self.counts
        used = np.flatnonzero(self.counts)
        first, last = (int(used[0]), int(used[-1])) if len(used) else (-1, -1)
        self._hdr.set_internal_tacking_values(first, last, self.total)
        return bytes(self._hdr.encode())


class Durations:
    """Percentiles and the mean of durations that come one at a time; the first `exact` of them are kept as they are."""

    __slots__ = ("_exact", "_histogram", "_most", "_sum_s", "_values", "count")

    def __init__(self, exact: int = EXACT) -> None:
        self._exact = exact
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._values = array("d")
        self._most = self._exact
        self._histogram: Histogram | None = None
        self._sum_s = 0.0
        self.count = 0

    def add(self, seconds: float) -> None:
        """One more."""
        self._values.append(seconds)
        self._sum_s += seconds
        self.count += 1
        if len(self._values) >= self._most:
            self._spill()
            self._most = min(self._exact, BATCH)

    def pack(self) -> dict[str, Any]:
        """For a message."""
        histogram = self._histogram.pack() if self._histogram is not None else None
        values = np.array(self._values, "<f8").tobytes()
        return {"count": self.count, "sum_s": self._sum_s, "values": values, "histogram": histogram}

    def absorb(self, packed: Mapping[str, Any]) -> None:
        """Count what another one had counted. Raises KeyError, IndexError or ValueError for what is none."""
        self.count += int(packed["count"])
        self._sum_s += float(packed["sum_s"])
        self._values.frombytes(packed["values"])
        if packed["histogram"] is not None:
            self._histogram = self._histogram or Histogram()
            self._histogram.absorb(packed["histogram"])
        if len(self._values) >= self._most:
            self._spill()

    @property
    def mean_s(self) -> float | None:
        """Their mean; None without any."""
        return self._sum_s / self.count if self.count else None

    def percentile_s(self, p: float) -> float | None:
        """The share `p` of all is not longer than this; None without any."""
        if not self.count:
            return None
        if self._histogram is None:
            return float(np.percentile(np.array(self._values), 100 * p))
        self._spill()
        return self._histogram.percentile_s(p)

    def _spill(self) -> None:
        self._histogram = self._histogram or Histogram()
        self._histogram.add(np.array(self._values))
        del self._values[:]
