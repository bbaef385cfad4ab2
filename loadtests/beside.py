"""What a job says of the slow or idle clients that are there beside its requests: the key `beside`."""

import re
from dataclasses import dataclass
from typing import Literal

from loadtests.errors import LoadError

Kind = Literal["readers", "slow-heads", "slow-bodies", "idle"]

RATES_BYTES_S = {"readers": 8192.0, "slow-heads": 10.0, "slow-bodies": 100.0}
"""Each one's rate where the job gives none: so slow that what it takes or sends lasts for minutes."""
BYTES = {"slow-heads": 4096, "slow-bodies": 65536}
"""How much is sent where the job does not say: a head within every server's limits (8190 bytes a line, 100 lines: gunicorn's)."""
RECEIVE_BUFFER_BYTES = 4096
"""Of a reader. The kernel doubles it; the least that Linux takes is 2304. So a server feels a slow reader after some 2.5 MB on loopback."""
ARRIVALS_RPS = 1000.0


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A crowd of `count` clients, each on one connection, that arrives before anything is measured and stays until it has been.

    Readers ask for `path` and take the answer at `rate_bytes_s`. Slow heads and slow bodies are requests that are sent at that rate. Idle
    ones have had one answer and keep their connection. When the measuring is over all go on as fast as they can, so that it shows whose
    answer is whole.
    """

    kind: Kind
    count: int
    path: str = "/"
    method: Literal["GET", "POST", "PUT"] | None = None
    """None: POST for slow bodies, else GET."""
    bytes: int | None = None
    """Slow heads: of the head; slow bodies: of the body. None: see `BYTES`."""
    rate_bytes_s: float | None = None
    """None: see `RATES_BYTES_S`."""
    receive_buffer_bytes: int | None = None
    """Of each socket. None: `RECEIVE_BUFFER_BYTES` for readers, for others what the system gives."""
    ramp_s: float | None = None
    """Over how long they arrive, evenly. None: a second for each thousand, and a second at least."""
    settle_s: float = 10.0
    """How long after that is waited at most until all are in place."""
    finish_s: float = 30.0
    """How long after the measuring is waited at most until all have ended."""

    @property
    def arrives_s(self) -> float:
        """`ramp_s`, or what stands for it."""
        return max(self.count / ARRIVALS_RPS, 1.0) if self.ramp_s is None else self.ramp_s

    @property
    def rate(self) -> float:
        """Bytes a second of each; 0 for idle ones."""
        return self.rate_bytes_s or RATES_BYTES_S.get(self.kind, 0.0)

    @property
    def size(self) -> int:
        """Bytes of the slow head or body; 0 for others."""
        return self.bytes or BYTES.get(self.kind, 0)

    @property
    def buffer(self) -> int | None:
        """The receive buffer to ask for."""
        return self.receive_buffer_bytes or (RECEIVE_BUFFER_BYTES if self.kind == "readers" else None)

    @property
    def verb(self) -> str:
        """The method."""
        return self.method or ("POST" if self.kind == "slow-bodies" else "GET")


def check(beside: Beside, where: str) -> None:
    """Raises LoadError where its keys do not go together."""
    if beside.count < 1:
        raise LoadError(f"{where}: count must be 1 or more, got {beside.count}")
    for key in ("bytes", "rate_bytes_s", "receive_buffer_bytes", "ramp_s", "settle_s", "finish_s"):
        value = getattr(beside, key)
        if value is not None and not 0 < value < float("inf"):
            raise LoadError(f"{where}: {key} must be above 0, got {value}")
    if not beside.path.startswith("/") or not re.fullmatch(r"[!-~]+", beside.path):
        raise LoadError(f"{where}: path: {beside.path!r} must begin with / and be ASCII without blanks")
    for key, kinds in (("rate_bytes_s", RATES_BYTES_S), ("bytes", BYTES)):
        if getattr(beside, key) is not None and beside.kind not in kinds:
            raise LoadError(f"{where}: {key} is for {' and '.join(kinds)}, not for {beside.kind}")
