"""How far another machine's clock is from ours, from the times of messages that went there and back, as NTP does it.

A message leaves at `sent_s` on our clock and arrives at `received_s` on theirs; the answer leaves at `answered_s` on theirs and arrives at
`back_s` on ours. Had both ways taken equally long, their clock were ahead by ((received - sent) + (answered - back)) / 2; however the
time on the way was shared out, that is wrong by half of it at most. Source: RFC 5905, section 8.
"""

from collections import deque
from dataclasses import dataclass

DRIFT = 2e-4
"""Two clocks drift apart by no more than this, each being right to 100 millionths: how an exchange loses worth as it ages."""
KEPT = 32
_LONGEST_S = 5.0
"""Between arrival there and answer: in longer times the clocks themselves drift too far."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """There and back: `offset_s` (theirs less ours), wrong by `within_s` at most, at `at_s` on our clock."""

    at_s: float
    offset_s: float
    within_s: float


class Offset:
    """Of one other clock. Without exchanges it is ours."""

    def __init__(self) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=KEPT)

    def add(self, sent_s: float, received_s: float, answered_s: float, back_s: float) -> None:
        """One message and its answer."""
        there_s = answered_s - received_s
        if 0 <= there_s <= _LONGEST_S:
            way_s = max(back_s - sent_s - there_s, 0.0)
            ahead_s = ((received_s - sent_s) + (answered_s - back_s)) / 2
            self._exchanges.append(Exchange(back_s, ahead_s, way_s / 2 + DRIFT * there_s))

    def read(self, now_s: float) -> tuple[float, float]:
        """By how much theirs is ahead of ours, and by how much that may be wrong: from the exchange that is worth most now."""
        if not self._exchanges:
            return 0.0, 0.0
        within = [one.within_s + DRIFT * max(now_s - one.at_s, 0.0) for one in self._exchanges]
        best = min(range(len(within)), key=within.__getitem__)
        return self._exchanges[best].offset_s, within[best]
