"""Single requests beside the load: those that ask for a fault, and when they were sent and answered."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import numpy as np

from bench import faults
from bench.clockwork import Event
from bench.lab import Loaded
from bench.recorded import Rows
from bench.render import Endpoint

PATIENCE_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request. Times are on this machine's monotonic clock, which the generator's records are on too."""

    sent_s: float
    ended_s: float
    """When the answer had come, or the connection broke."""
    status: int | None
    """None where there was no answer."""
    body: Mapping[str, Any] = field(default_factory=dict)


def ask(
    endpoint: Endpoint, target: str, *, method: str = "POST", secret: str = "", patience_s: float = PATIENCE_S
) -> Asked:
    """Send one request on a connection of its own. Whatever becomes of it is the answer."""
    connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=patience_s)
    sent_s = time.perf_counter()
    try:
        connection.request(method, target, headers={**faults.headers(secret), "Content-Length": "0"})
        answer = connection.getresponse()
        read = answer.read()
        ended_s = time.perf_counter()
        is_json = answer.headers.get_content_type() == "application/json"
        return Asked(sent_s=sent_s, ended_s=ended_s, status=answer.status, body=json.loads(read) if is_json else {})
    except (OSError, http.client.HTTPException, ValueError):
        return Asked(sent_s=sent_s, ended_s=time.perf_counter(), status=None)
    finally:
        connection.close()


def fault(endpoint: Endpoint, name: str, secret: str, *, method: str = "POST", **parameters: int | str) -> Asked:
    """Ask for the fault `name` with these parameters."""
    return ask(endpoint, f"/fault/{name}?{urlencode(parameters)}", method=method, secret=secret)


def monotonic(wall_s: float) -> float:
    """A time in seconds since 1970, as another process of this machine gave it just now, on the monotonic clock."""
    return wall_s - time.time() + time.perf_counter()


def event(name: str, at_s: float, loaded: Loaded) -> Event:
    """`at_s` is on the monotonic clock, the event on that of the recorded requests."""
    return {"name": name, "at_s": at_s - float(loaded.answer["origin_s"])}


def share(counted: Any, of: Any) -> dict[str, float | None]:
    """`share` and how many it is of; None of none."""
    total = int(np.sum(of))
    return {"": float(np.sum(counted & of) / total) if total else None, "_of": float(total)}


def shares(name: str, counted: Any, of: Any) -> dict[str, float | None]:
    """The metrics `NAME` and `NAME_of`: the share of those in `of` that are in `counted`, and how many are in `of`."""
    return {f"{name}{suffix}": value for suffix, value in share(counted, of).items()}


def took_s(rows: Rows) -> Any:
    """How long each request took from when it was due."""
    return rows.end_s - rows.intended_s
