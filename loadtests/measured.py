"""What a job has recorded, in one process or in several: all that its results are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from loadtests.beyond import Beyond
from loadtests.durations import Durations
from loadtests.rows import Window
from loadtests.scenario import Request
from loadtests.steps import Steps


class Recorded(Protocol):
    """Rows and the windows that they lie in; a `Recorder` is one."""

    @property
    def windows(self) -> list[Window]:
        """In the order of time; the rows of each come one after the other."""

    @property
    def beyond(self) -> Beyond | None:
        """What has become of the requests that were not kept one by one; None where all were."""

    def settle(self) -> None:
        """Complete `beyond`."""

    def since(self, row: int) -> NDArray[np.void]:
        """All kept rows from number `row` on."""


@dataclass(slots=True, kw_only=True)
class Side:
    """What is known of one target beside its requests."""

    connecting: Durations
    problems: list[str]
    late: Durations | None = None
    """Open loop: how late each arrival was handed out."""
    queued: int | None = None
    """Open loop: arrivals that found no connection free."""
    unanswered_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """Open loop that was stopped: when those arrivals were due that had no answer yet, from the start of their window."""
    left_out: bool = False
    """duet: it fell silent, or left requests unanswered in slice after slice, and was not loaded any more."""


@dataclass(slots=True, kw_only=True)
class Measured:
    """One side for each target, in the job's order. `origin_s` is the job's start on `clock()`."""

    request: Request
    recorder: Recorded
    origin_s: float
    sides: list[Side]
    generator: Mapping[str, Any]
    """As `Meter.stop` gives it; of several workers the busiest share and the longest lags."""
    steps: Steps
    stopped: bool = False
    beside: Mapping[str, Any] | None = None
    """What has become of the clients beside the requests, as `Crowd.summary` gives it."""
    arrival: int | None = None
    """The window of the requests that were sent while they arrived."""
    workers: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """Where there were several: what each did, as results say it."""
    worker: NDArray[np.int16] | None = None
    """Where there were several: by which of them each row was recorded."""
