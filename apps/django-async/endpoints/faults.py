"""Failures on request, for experiments on what one of them does to other requests. Nothing imports this unless FAULT_SECRET is set."""

import ctypes
import hmac
import multiprocessing
import os
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

NAMES = ("raise", "exit", "segv", "hang", "leak", "burn")
PLACES = ("inline", "thread", "process")
LONGEST_MS = 600_000
SECRET = os.environ.get("FAULT_SECRET", "")
KEPT: list[bytes] = []


class FaultError(RuntimeError):
    """The exception that `raise` is there for; nothing catches it but the framework."""


@dataclass(frozen=True)
class Fault:
    """What is asked for, with every parameter that any fault has."""

    name: str
    after_s: float
    ms: int
    code: int
    mib: int
    where: str


def allowed(name: str, secret: str | None) -> bool:
    """Whether there is such a fault, and this request may ask for it; else its path is an unknown one."""
    return bool(SECRET) and name in NAMES and hmac.compare_digest(SECRET.encode(), (secret or "").encode())


def read(name: str, parameter: Callable[[str], str | None]) -> Fault:
    """The fault `name` with its parameters. ValueError gives the reason that the client reads."""
    where = parameter("where") or "inline"
    if where not in PLACES:
        raise ValueError(f"where: must be one of {', '.join(PLACES)}")
    return Fault(
        name=name,
        after_s=_integer("after_ms", parameter, absent=0, highest=LONGEST_MS) / 1000,
        ms=_integer("ms", parameter, absent=1000, highest=LONGEST_MS),
        code=_integer("code", parameter, absent=70, highest=255),
        mib=_integer("mib", parameter, absent=64, highest=65_536),
        where=where,
    )


def _integer(name: str, parameter: Callable[[str], str | None], *, absent: int, highest: int) -> int:
    text = parameter(name)
    if text is None:
        return absent
    if re.fullmatch(r"[0-9]{1,9}", text) is None or int(text) > highest:
        raise ValueError(f"{name}: must be an integer from 0 to {highest}")
    return int(text)


def commit(fault: Fault) -> dict[str, Any]:
    """Do it, here and now. Returns what is answered where there is still somebody to answer."""
    if fault.name == "raise":
        raise FaultError("asked for by /fault/raise")
    if fault.name == "exit":
        os._exit(fault.code)
    if fault.name == "segv":
        ctypes.string_at(0)  # a real one: the first process of a container ignores a signal that is only sent
    if fault.name == "hang":
        time.sleep(fault.ms / 1000)
        return {"hung_ms": fault.ms}
    if fault.name == "leak":
        KEPT.append(b"\1" * (fault.mib << 20))  # written to, or the memory would only be promised
        return {"kept_mib": sum(map(len, KEPT)) >> 20}
    return burn(fault.ms)


def burn(ms: int) -> dict[str, Any]:
    """Compute in pure Python for `ms` milliseconds by the clock; says when, in seconds since the epoch, and in which process."""
    began, end_s = time.time(), time.monotonic() + ms / 1000
    x = 1
    while time.monotonic() < end_s:
        for _ in range(1000):
            x = (x * 1103515245 + 12345) & 0x7FFFFFFF
    return {"pid": os.getpid(), "began": began, "ended": time.time()}


@cache
def executor(where: str) -> Executor | None:
    """Who else can do it: one other thread or process, kept for the next time; None: nobody, it is done inline."""
    if where == "thread":
        return ThreadPoolExecutor(max_workers=1)
    if where == "process":
        # Not a copy of this process, which may have threads and connections. A server may be an executable of its own.
        context = multiprocessing.get_context("spawn")
        context.set_executable(f"{sys.prefix}/bin/python")
        return ProcessPoolExecutor(max_workers=1, mp_context=context)
    return None
