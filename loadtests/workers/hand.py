"""What a worker does when it is told: its share of one job, order by order."""

import gc
import ipaddress
import os
import socket
import traceback
from collections.abc import Callable, Collection, Mapping
from typing import Any

import gevent
import numpy as np
from numpy.typing import NDArray

from loadtests import job as job_file
from loadtests.control import Stopped
from loadtests.errors import LoadError
from loadtests.rows import ROW, clock
from loadtests.session import Session
from loadtests.workers import parcel
from loadtests.workers.words import TOKEN, VERSION

Tell = Callable[[dict[str, Any]], None]


class Hand:
    """One job's share. `tell` sends an answer home; `allowed` are hosts (and paths of unix sockets) that may be loaded beside loopback
    addresses, None: any that the leader names.
    """

    def __init__(self, tell: Tell, allowed: Collection[str] | None) -> None:
        self._tell, self._allowed = tell, allowed
        self._session: Session | None = None
        self._rows: NDArray[np.void] = np.zeros(0, ROW)
        self._working: gevent.Greenlet | None = None
        self._orders: Mapping[str, Callable[..., dict[str, Any]]] = {
            "job": self._job, "window": self._window, "measure": self._measure, "stop": self._stop, "finish": self._finish,
            "piece": self._piece,
        }  # fmt: skip

    def introduce(self) -> None:
        """The first word."""
        affinity = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        who = {"host": socket.gethostname(), "pid": os.getpid(), "cpus": affinity, "version": VERSION}
        self._tell({"id": 0, **who, "token": os.environ.get(TOKEN, "")})

    def order(self, told: Mapping[str, Any]) -> None:
        """Carry out one order in a greenlet of its own, and answer it. The clock is read and told before that."""
        received_s = clock()
        if told.get("do") == "clock":
            self._tell({"id": told["id"], "received_s": received_s, "sent_s": clock()})
            return
        gevent.spawn(self._carry_out, dict(told), received_s)

    def close(self) -> None:
        """Give up what is under way."""
        if self._working is not None:
            self._working.kill(Stopped, block=True, timeout=1.0)
        if self._session is not None:
            self._session.close()
            self._session = None
        self._rows = np.zeros(0, ROW)

    def _carry_out(self, told: dict[str, Any], received_s: float) -> None:
        number, kind = told.pop("id", -1), told.pop("do", None)
        try:
            known = self._orders.get(kind)
            if known is None:
                raise LoadError(f"unknown order {kind!r}")
            answer = known(**told)
        except LoadError as error:
            answer = {"error": str(error)}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        self._tell({"id": number, "received_s": received_s, "sent_s": clock(), **answer})

    def _job(self, job: object, part: int, parts: int) -> dict[str, Any]:
        self.close()
        gc.unfreeze()
        session = Session(
            job_file.parse(job, "the leader's job", parts=parts), part=part, parts=parts,
            may_try=self._may_load,  # not even to see whether it accepts a connection
        )  # fmt: skip
        try:
            self._refuse_strangers(session)
        except LoadError:
            session.close()
            raise
        self._session = session
        session.begin()
        gc.collect()
        gc.freeze()  # what is there stays: else each full collection would look through it, for some 30 ms
        return {}

    def _window(
        self, target: int, phase: Any, number: int, seconds: float, lead: float, start_s: float
    ) -> dict[str, Any]:
        session = self._there()
        if self._working is not None:
            raise LoadError("a window is under way already")
        self._working = gevent.getcurrent()
        try:
            missed_s = session.window(target, phase, number, seconds, lead, start_s)
        except Stopped:
            return {"stopped": True}
        finally:
            self._working = None
        turn_s = session.turn_s(target) if phase == "warm" and session.job.mode == "duet" else None
        return {"missed_s": missed_s, "turn_s": turn_s, "ended": session.loops[target].ended}

    def _measure(self) -> dict[str, Any]:
        self._there().start_measuring()
        return {}

    def _stop(self) -> dict[str, Any]:
        if self._working is not None:
            self._working.kill(Stopped, block=True, timeout=1.0)
        return {}

    def _finish(self, stopped: bool) -> dict[str, Any]:
        measured = self._there().finish(stopped=stopped)
        told = parcel.account(measured)
        self._rows = measured.recorder.since(0)
        self._session = None
        return {"account": told}

    def _piece(self, number: int) -> dict[str, Any]:
        return {"rows": parcel.piece(self._rows, number)}

    def _there(self) -> Session:
        if self._session is None:
            raise LoadError("there is no job")
        return self._session

    def _refuse_strangers(self, session: Session) -> None:
        """A leader, or who passes for one, must not be able to make this machine attack others, or its own private sockets."""
        for target, pool in zip(session.job.targets, session.pools, strict=True):
            place = pool.address.sockaddr
            if isinstance(place, str):
                found, allowed = place, self._allowed is None or place in self._allowed
            else:
                found = str(place[0])
                allowed = self._may_load(target.host or "", found)
            if not allowed:
                raise LoadError(
                    f"worker {socket.gethostname()} may not load {found}; start it with --allow-host {found}"
                )

    def _may_load(self, host: str, found: str) -> bool:
        """Whether that holds for `found`, an address of `host`'s."""
        if self._allowed is None or found in self._allowed or host in self._allowed:
            return True
        return ipaddress.ip_address(found.split("%")[0]).is_loopback
