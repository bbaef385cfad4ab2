"""Requests as the load generator recorded them, read back: what an experiment computes its figures from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyarrow import compute, parquet

from bench.model import BenchError

_TIMES = ("intended_s", "start_s", "first_byte_s", "end_s")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """One place a request. Times are seconds on the generator's clock, as in the file; those that never came are NaN."""

    target: NDArray[np.object_]
    intended_s: NDArray[np.float64]
    start_s: NDArray[np.float64]
    first_byte_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    status: NDArray[np.int16]
    error: NDArray[np.object_]
    """None where the answer was right."""
    phase: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.end_s)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Where the answer was right."""
        return np.array([one is None for one in self.error], bool)

    def where(self, chosen: NDArray[np.bool_]) -> "Rows":
        """Only those requests."""
        return Rows(**{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})

    def of(self, target: str, phase: str = "measure") -> "Rows":
        """Those of one target in one phase, in the order in which they ended."""
        return self.where((self.target == target) & (self.phase == phase))


def read(path: Path) -> Rows:
    """The requests in `path`. Raises BenchError where it cannot be read."""
    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: cannot be read: {error}") from None

    def texts(name: str) -> NDArray[np.object_]:
        found = np.empty(table.num_rows, object)
        found[:] = table.column(name).to_pylist()
        return found

    times: dict[str, Any] = {name: table.column(name).to_numpy() for name in _TIMES}
    return Rows(
        target=texts("target"),
        error=texts("error"),
        phase=texts("phase"),
        status=table.column("status").to_numpy(),
        **times,
    )


def split(path: Path, parts: Mapping[str, Path]) -> None:
    """Write the requests of each target to a file of its own, in the same form, and remove the one file. Raises BenchError."""
    try:
        table = parquet.read_table(path)
        for target, part in parts.items():
            parquet.write_table(table.filter(compute.equal(table.column("target"), target)), part, compression="zstd")
        path.unlink()
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: cannot be split: {error}") from None
