"""Requests as the generator recorded them, read back and parted."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from bench import recorded
from bench.model import BenchError


def test_requests_of_several_targets_are_parted_into_files_of_the_same_form(tmp_path: Path) -> None:
    whole = tmp_path / "all.parquet"
    columns = {name: [1.0, 2.0, 3.0] for name in ("intended_s", "start_s", "first_byte_s", "end_s")}
    words = {"target": ["a", "b", "a"], "error": [None, "reset", None], "phase": ["warm", "measure", "measure"]}
    texts = {name: pa.array(values).dictionary_encode() for name, values in words.items()}
    parquet.write_table(pa.table({**columns, **texts, "status": pa.array([200, 0, 200], pa.int16())}), whole)
    recorded.split(whole, {"a": tmp_path / "one.parquet", "b": tmp_path / "two.parquet"})
    assert not whole.exists()
    one, two = (recorded.read(tmp_path / f"{name}.parquet") for name in ("one", "two"))
    assert (list(one.end_s), list(two.end_s)) == ([1.0, 3.0], [2.0])
    assert (list(one.right), list(two.right)) == ([True, True], [False])
    assert len(one.of("a")) == 1
    with pytest.raises(BenchError, match="cannot be split"):
        recorded.split(whole, {})
