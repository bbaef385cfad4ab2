"""The slow or idle clients beside a job's requests: they arrive, are in place, stay while the requests are measured, and end."""

import socket
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from gevent.event import Event

from loadtests import address
from loadtests.address import Address
from loadtests.beside import Beside
from loadtests.closed import STORM, STORM_GAP_S
from loadtests.job import Job
from loadtests.limits import allow_files, check_ports
from loadtests.parser import Heads
from loadtests.recorder import clock
from loadtests.slow import Slow
from loadtests.slow_kinds import KINDS, message
from loadtests.turns import Turns

_TURNS_RPS = 1000.0
"""So many turns a second for all clients together, while each has ten of them or fewer: what the crowd may cost the generator."""
_SHORTEST_S = 0.1


class Crowd:
    """All clients of one `Beside`; `begin`, `settle`, `hold`, `release`, `finish` in this order, or `close` at any time."""

    def __init__(self, terms: Beside, address: Address) -> None:
        self.terms, self.address = terms, address
        self.heads = Heads()
        self.message, self.at_once = message(terms, address.host)
        self.turns = Turns()
        self.period_s = max(_SHORTEST_S, terms.count / _TURNS_RPS)
        self.wakes = 0
        self.members: list[Slow] = [KINDS[terms.kind](self, terms) for _ in range(terms.count)]
        self._begun_s = 0.0
        self._held_s: tuple[float, float] = (float("inf"), float("inf"))
        self._holding_bytes = self._wakes_holding = 0
        self._unsettled = self._alive = terms.count
        self._in_place, self._over = Event(), Event()
        self.settled_s: float | None = None
        """How long it took from the first one's arrival until none was still on the way; None if the deadline came first."""

    def begin(self) -> None:
        """Let them arrive, evenly over the ramp; returns at once."""
        self._begun_s = clock()
        for place, member in enumerate(self.members):
            self.turns.at(self._begun_s + place * self.terms.arrives_s / self.terms.count, member.begin)

    def settle(self) -> None:
        """Wait until each is in place or has ended, or the deadline. Blocks the calling greenlet only."""
        deadline_s = self._begun_s + self.terms.arrives_s + self.terms.settle_s
        if self._in_place.wait(max(deadline_s - clock(), 0.001)):
            self.settled_s = max(one.settled_s or one.ended_s for one in self.members) - self._begun_s

    def hold(self) -> None:
        """The measuring begins."""
        self._held_s = (clock(), float("inf"))
        self._holding_bytes, self._wakes_holding = -self._moved(), -self.wakes

    def release(self) -> None:
        """It is over."""
        self._held_s = (self._held_s[0], clock())
        self._holding_bytes += self._moved()
        self._wakes_holding += self.wakes

    def finish(self) -> None:
        """Let all go on as fast as they can, some at a time, until each has ended, or the deadline. Blocks the calling greenlet only."""
        now_s = clock()
        for place, member in enumerate([one for one in self.members if one.outcome is None]):
            self.turns.at(now_s + place // STORM * STORM_GAP_S, member.finish)
        if self._alive:
            self._over.wait(self.terms.finish_s)
        self.close()

    def close(self) -> None:
        """Whoever has not ended is unfinished."""
        for member in self.members:
            member.give_up()
        self.turns.close()

    def settled(self, one: Slow) -> None:
        """See `slow.Crowd`."""
        self._arrived()

    def ended(self, one: Slow) -> None:
        """See `slow.Crowd`."""
        if not one.settled_s:
            self._arrived()
        self._alive -= 1
        if not self._alive:
            self._over.set()

    def _moved(self) -> int:
        return sum(one.received_bytes + one.sent_bytes for one in self.members)

    def _arrived(self) -> None:
        self._unsettled -= 1
        if not self._unsettled:
            self._in_place.set()

    def summary(self) -> dict[str, Any]:
        """What has become of them: the key `beside` of a job's result. Every one has one outcome."""
        all_, (from_s, to_s) = self.members, self._held_s
        connected = [one for one in all_ if one.connected_s]
        whiles: dict[str, Counter[str]] = {"arriving": Counter(), "holding": Counter(), "finishing": Counter()}
        for one in all_:
            phase = "arriving" if one.ended_s < from_s else "holding" if one.ended_s < to_s else "finishing"
            whiles[phase][str(one.outcome)] += 1
        return {
            "kind": self.terms.kind, "count": len(all_), "path": self.terms.path,
            "rate_bytes_s": self.terms.rate or None, "receive_buffer_bytes": self.terms.buffer, "ramp_s": self.terms.arrives_s,
            "connected": len(connected), "first_byte": sum(bool(one.first_byte_s) for one in all_),
            "settled": sum(bool(one.settled_s) for one in all_), "settled_s": self.settled_s,
            "on_the_way": sum(not 0 < (one.settled_s or one.ended_s) <= from_s for one in all_),
            "present": sum(bool(one.connected_s) and one.connected_s <= from_s and one.ended_s >= to_s for one in all_),
            "held": sum(bool(one.settled_s) and one.settled_s <= from_s and one.ended_s >= to_s for one in all_),
            "outcomes": dict(Counter(str(one.outcome) for one in all_)),
            "ended": {phase: dict(found) for phase, found in whiles.items() if found},
            "refused": dict(Counter(one.why for one in all_ if one.outcome == "refused")),
            "statuses": {str(key): count for key, count in Counter(one.status for one in all_ if one.status).items()},
            "connect_ms": _spread((one.connected_s - one.begun_s) * 1000 for one in connected),
            "first_byte_ms": _spread((one.first_byte_s - one.begun_s) * 1000 for one in all_ if one.first_byte_s),
            "held_s": {
                outcome: _spread(one.ended_s - one.connected_s for one in connected if one.outcome == outcome)
                for outcome in sorted({str(one.outcome) for one in connected})
            },
            "holding_s": to_s - from_s if to_s < float("inf") else None, "holding_bytes": max(self._holding_bytes, 0),
            "callbacks": max(self._wakes_holding, 0),
            "received_bytes": sum(one.received_bytes for one in all_), "sent_bytes": sum(one.sent_bytes for one in all_),
        }  # fmt: skip


def crowd_of(job: Job) -> Crowd | None:
    """The clients beside the job's requests; None where it asks for none. Raises LoadError where the system does not allow so many."""
    if job.beside is None:
        return None
    target = job.targets[0]
    at = address.resolve(target.host or "", target.port or 0, target.unix)
    connections = job.beside.count + target.connections
    allow_files(connections + 64)
    if at.family != socket.AF_UNIX:
        check_ports(connections)
    return Crowd(job.beside, at)


def _spread(values: Iterable[float]) -> dict[str, float] | None:
    found = np.fromiter(values, np.float64)
    if not len(found):
        return None
    p50, p90 = np.percentile(found, [50, 90], method="inverted_cdf")
    return {"min": float(found.min()), "p50": float(p50), "p90": float(p90), "max": float(found.max())}
