"""Parquet files from NumPy arrays, by their buffers: `pyarrow.array` would import pandas, where it is installed, for a second or more."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write(path: Path, columns: Mapping[str, Any]) -> None:
    """Write the columns (of `numbers` and `words`); the file is complete before it has its name."""
    import pyarrow as pa  # here, not above: it takes a third of a second, which is better spent after the measurement
    from pyarrow import parquet

    part = path.with_name(path.name + ".part")
    table = pa.Table.from_arrays(list(columns.values()), names=list(columns))
    parquet.write_table(table, part, compression="zstd")
    part.replace(path)


def numbers(values: NDArray[Any]) -> Any:
    """A column of numbers of the array's own type."""
    import pyarrow as pa

    whole = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(whole.dtype), len(whole), [None, pa.py_buffer(whole)])


def words(codes: NDArray[Any], names: Sequence[str]) -> Any:
    """A dictionary column: each row names one of `names` by its number; a negative number is null."""
    import pyarrow as pa

    encoded = [name.encode() for name in names]
    offsets = np.array([0, *accumulate(map(len, encoded))], np.int32)
    strings = pa.StringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))
    present = np.packbits(codes >= 0, bitorder="little")
    known = np.maximum(codes, 0).astype(np.int32)
    indices = pa.Array.from_buffers(pa.int32(), len(known), [pa.py_buffer(present), pa.py_buffer(known)])
    return pa.DictionaryArray.from_arrays(indices, strings)
