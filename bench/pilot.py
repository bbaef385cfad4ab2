"""How many connections load a stack: tried before the run, and then the same for all of it.

A stack gets the fewest of `CANDIDATES` with which it does nearly as much as with the best: more of them only add requests in flight.
"""

from collections.abc import Mapping, Sequence
from typing import Any

CANDIDATES = (16, 32, 64)
NEARLY = 0.05
"""How much less than the best is nearly as much."""


def choose(rates_rps: Mapping[int, float | None]) -> int:
    """The fewest connections whose rate is within `NEARLY` of the best; the fewest of all where nothing was answered."""
    known = {connections: rate for connections, rate in rates_rps.items() if rate}
    if not known:
        return min(rates_rps)
    best = max(known.values())
    return min(connections for connections, rate in known.items() if rate >= (1 - NEARLY) * best)


def rate(target: Mapping[str, Any]) -> float | None:
    """The rate of one target in the engine's answer; None where it was left out: what it did until then it cannot keep up."""
    found: float | None = None if target["left_out"] else target["rps"]
    return found


def target_id(deployment: str, connections: int) -> str:
    """How the pilot's job names one deployment with so many connections."""
    return f"{deployment}|{connections}"


def read(deployments: Sequence[str], rates_rps: Mapping[str, float | None]) -> dict[str, dict[int, float | None]]:
    """From deployment to connections to rate, out of a pilot's answers by target."""
    return {
        deployment: {connections: rates_rps.get(target_id(deployment, connections)) for connections in CANDIDATES}
        for deployment in deployments
    }
