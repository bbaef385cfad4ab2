"""What a worker has recorded, as messages carry it: an account of everything at once, and the rows in compressed pieces."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.beyond import Account, Beyond, Second
from loadtests.durations import Histogram
from loadtests.errors import Fault
from loadtests.measured import Measured
from loadtests.rows import ROW, Window
from loadtests.sums import StageSums, StepSums

PIECE_ROWS = 1 << 16
"""3 MiB before compression: no message keeps an event loop for long."""
_LEVEL = 1
_WINDOW = (
    "target", "phase", "slice", "preceded_by", "row", "start_s", "end_s", "counted_s", "keeps_late", "drained_s", "cpu_s", "cpu_until_s",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """What one worker brought home. Times are its own clock's."""

    rows: NDArray[np.void]
    windows: list[Window]
    beyond: Beyond | None
    steps: list[tuple[str, str]]
    """Method and name."""
    sides: list[Mapping[str, Any]]
    """For each target: `connecting` and `late` as `Durations.pack` gives them, `problems`, `queued`, `unanswered_s` as bytes."""
    generator: Mapping[str, Any]


def account(measured: Measured) -> dict[str, Any]:
    """All but the rows; `rows` says how many there are."""
    measured.recorder.settle()
    beyond = measured.recorder.beyond
    return {
        "rows": len(measured.recorder.since(0)),
        "windows": [[getattr(window, key) for key in _WINDOW] for window in measured.recorder.windows],
        "beyond": _pack_beyond(beyond) if beyond is not None else None,
        "steps": list(zip(measured.steps.methods, measured.steps.names, strict=True)),
        "sides": [
            {
                "connecting": side.connecting.pack(), "late": side.late.pack() if side.late is not None else None,
                "problems": list(side.problems), "queued": side.queued, "unanswered_s": side.unanswered_s.tobytes(),
            }
            for side in measured.sides
        ],
        "generator": dict(measured.generator),
    }  # fmt: skip


def piece(rows: NDArray[np.void], number: int) -> bytes:
    """Piece `number` of the rows, column by column, since like numbers compress better beside each other."""
    part = rows[number * PIECE_ROWS : (number + 1) * PIECE_ROWS]
    return zlib.compress(b"".join(part[name].tobytes() for name in ROW.names or ()), _LEVEL)


def pieces(rows: int) -> int:
    """How many pieces so many rows make."""
    return -(-rows // PIECE_ROWS)


def unpack(told: Mapping[str, Any], parts: list[bytes]) -> Parcel:
    """The parcel of an account and its pieces. Raises ValueError, KeyError or TypeError for what is none."""
    rows = np.zeros(int(told["rows"]), ROW)
    for number, packed in enumerate(parts):
        _fill(rows[number * PIECE_ROWS : (number + 1) * PIECE_ROWS], packed)
    windows = []
    for values in told["windows"]:
        keyed = dict(zip(_WINDOW, values, strict=True))
        windows.append(Window(**keyed))
    beyond = told["beyond"]
    return Parcel(
        rows=rows, windows=windows, beyond=_unpack_beyond(beyond) if beyond is not None else None,
        steps=[(str(method), str(name)) for method, name in told["steps"]], sides=list(told["sides"]), generator=told["generator"],
    )  # fmt: skip


def _fill(part: NDArray[np.void], packed: bytes) -> None:
    unpacked = zlib.decompressobj().decompress(packed, part.nbytes + 1)
    if len(unpacked) != part.nbytes:
        raise ValueError("a piece of the rows is damaged")
    offset = 0
    for name in ROW.names or ():
        kind = ROW[name]
        part[name] = np.frombuffer(unpacked, kind, len(part), offset)
        offset += kind.itemsize * len(part)


def _pack_beyond(beyond: Beyond) -> dict[str, Any]:
    beyond.close()
    return {
        "accounts": [
            [window, one.requests, one.answered, one.bytes, one.last_end_s, one.faults.tolist(), one.received]
            for window, one in beyond.accounts.items()
        ],
        "latency": [[target, histogram.pack()] for target, histogram in beyond.latency.items()],
        "failing": [[target, histogram.pack()] for target, histogram in beyond.failing.items()],
        "seconds": [[one.target, one.second, one.count, one.histogram, one.right] for one in beyond.seconds],
        "stages": [[target, len(sums.answered), sums.pack()] for target, sums in beyond.stages.items()],
        "steps": [[target, sums.pack()] for target, sums in beyond.steps.items()],
    }


def _unpack_beyond(told: Mapping[str, Any]) -> Beyond:
    beyond = Beyond(first=0)
    for window, requests, answered, size, last_end_s, faults, received in told["accounts"]:
        if len(faults) != len(Fault):
            raise ValueError("another version's kinds of failure")
        beyond.accounts[int(window)] = Account(
            requests, answered, size, last_end_s, np.array(faults, np.int64), received
        )
    for name in ("latency", "failing"):
        for target, packed in told[name]:
            getattr(beyond, name).setdefault(int(target), Histogram()).absorb(packed)
    beyond.seconds = [Second(*one) for one in told["seconds"]]
    for target, count, packed in told["stages"]:
        beyond.stages.setdefault(int(target), StageSums(int(count))).absorb(packed)
    for target, packed in told["steps"]:
        beyond.steps.setdefault(int(target), StepSums()).absorb(packed)
    return beyond
