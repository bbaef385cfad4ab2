"""What the engine says of servers about which the truth is known."""

import contextlib
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loadtests.benchmarks import peers
from loadtests.benchmarks.setting import ROOT, Setting, engine, free_port, pinned, running

STALLING = """
import sys, time
sys.path.insert(0, "tests/loadtests")
from scripted_servers import StallingServer
print(StallingServer(period_s=10.0, stall_s=1.0).port, flush=True)
time.sleep({seconds})
"""
CLONE = ROOT / "loadtests" / "benchmarks" / "clone.py"
_PYTHON = ROOT / ".envs" / "aiohttp" / "bin" / "python"
CLOSED_FORM_S = {95: 0.50, 99: 0.90, 99.9: 0.99}
"""Of arrivals spread evenly over 10 s, those in the stall of 1 s wait until its end: a share (1 - x) / 10 waits longer than x."""
STALL_WITHIN_S, AGREE_MS = 0.020, 0.15
_TRIAL_WORK = 600
"""Turns of the clone's loop with which the cost of one is found."""


def stall(setting: Setting) -> None:
    """1 s in every 10, 100 requests a second, two whole periods; the closed loop sees next to nothing of it."""
    argv = [sys.executable, "-c", STALLING.format(seconds=120)]
    with subprocess.Popen(pinned(argv, setting.server_cpus), cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            port = int(server.stdout.readline())
            for mode, keys in (("open", {"rate_rps": 100.0}), ("closed", {})):
                # The server's first period begins without a stall: 2 s later any 20 s hold two whole ones.
                engine(setting, 20.0, 16, port, mode=mode, warmup_s=2.0, **keys)
                rows = pq.read_table(setting.folder / "requests.parquet", columns=["intended_s", "end_s", "phase"])
                rows = rows.filter(pc.not_equal(rows["phase"].cast("string"), "warm"))
                took = rows["end_s"].to_numpy() - rows["intended_s"].to_numpy()
                found = {p: float(np.percentile(took, p, method="inverted_cdf")) for p in CLOSED_FORM_S}
                shown = ", ".join(f"p{p:g} {value:.4f} s" for p, value in found.items())
                off_s = max(abs(value - CLOSED_FORM_S[p]) for p, value in found.items())
                truth = f"; {1000 * off_s:.0f} ms off the closed form at most, goal: {1000 * STALL_WITHIN_S:.0f}"
                print(
                    f"stall of 1 s in 10, {mode} loop: {shown} over {len(took):,} requests{truth if mode == 'open' else ''}",
                    flush=True,
                )
        finally:
            server.kill()


def agreement(setting: Setting, rounds: int) -> None:
    """p50 and p99 at 200 requests a second, ours and h2load's in turn, on the same server."""
    ours, theirs = [], []
    for _ in range(rounds):
        answer = engine(setting, 10.0, 8, mode="open", rate_rps=200.0)["latency_ms"]
        ours.append((answer["p50"], answer["p99"]))
        took = peers.h2load(setting, 200, 8, 10.0)
        if took is None:
            print("latency at 200/s: no h2load on the path, so nothing to agree with")
            return
        theirs.append((float(np.percentile(took, 50)), float(np.percentile(took, 99))))
    for number, name in enumerate(("p50", "p99")):
        ours_ms, theirs_ms = (float(np.median([pair[number] for pair in pairs])) for pairs in (ours, theirs))
        apart_ms = ours_ms - theirs_ms
        print(
            f"latency at 200/s: {name} {ours_ms:.3f} ms, h2load {theirs_ms:.3f} ms, difference {apart_ms:+.3f} ms; "
            f"goal: within {AGREE_MS} ms, {'met' if abs(apart_ms) <= AGREE_MS else 'NOT met'}",
            flush=True,
        )


def duets(setting: Setting, *, equal: int, planted: int, seconds: float, slower: float) -> None:
    """`bench duet` on two equal clones, and on two of which the second takes `slower` more time for a request.

    Equal clones that were told apart are compared once more, as they run, in a row `again` that counts in no total.
    """
    if not _PYTHON.exists():
        print("duets: left out, since .envs/aiohttp is not made; `make setup` makes it")
        return
    work = _work_for(setting, slower)
    print(
        f"duets of two aiohttp servers, {seconds:g} s each; planted: {slower:.0%} more time, {work} turns of a loop",
        flush=True,
    )
    print("kind      ratio    low      high     resolved", flush=True)
    for kind, count, extra in (("planted", planted, work), ("equal", equal, 0)):
        wrong = missed = resolved = 0
        for _ in range(count):
            with clones(setting, 0, extra) as (first, second):
                found = _duet(first, second, seconds)
                _row(kind, found)
                if found["resolved"] and not extra:
                    # Two processes that do differ do so again; a machine that was not itself for a minute does not.
                    _row("again", _duet(first, second, seconds))
            resolved += bool(found["resolved"])
            wrong += bool(found["resolved"]) and (found["ratio"] < 1 or not extra)
            truth = 1 + slower if extra else 1.0
            missed += not found["low"] <= truth <= found["high"]
        print(
            f"{kind}: {resolved} of {count} resolved, {wrong} wrongly; {missed} intervals without the planted ratio",
            flush=True,
        )


@contextlib.contextmanager
def clones(setting: Setting, *work: int) -> Iterator[list[str]]:
    """Fresh servers, one for each amount of work; gives their URLs."""
    with contextlib.ExitStack() as stack:
        urls = []
        for turns in work:
            port = free_port()
            argv = [str(_PYTHON), str(CLONE), f"--port={port}", f"--work={turns}"]
            stack.enter_context(running(argv, setting.server_cpus, port))
            urls.append(f"http://127.0.0.1:{port}/")
        yield urls


def _row(kind: str, found: dict[str, float]) -> None:
    print(
        f"{kind:<8} {found['ratio']:7.4f}  {found['low']:7.4f}  {found['high']:7.4f}  {found['resolved']}", flush=True
    )


def _duet(first: str, second: str, seconds: float) -> dict[str, float]:
    argv = [str(ROOT / ".venv" / "bin" / "bench"), "duet", first, second, f"--seconds={seconds:g}", "--json"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    pair: dict[str, float] = json.loads(said)["ratios"][0]
    return pair


def _work_for(setting: Setting, slower: float) -> int:
    """How many turns make a request take `slower` more time: the median over fresh pairs with more turns, of about that size.

    Not with far more: a server that waits between requests would do a little work in that time.
    """
    found = []
    for _ in range(5):
        with clones(setting, 0, _TRIAL_WORK) as (first, second):
            found.append(_duet(first, second, 8.0)["ratio"] - 1)
    return max(1, math.ceil(slower * _TRIAL_WORK / float(np.median(found))))


def memory(setting: Setting, seconds: float, connections: int = 64, **keys: Any) -> None:
    """The engine's resident memory, at full rate or as `keys` say, read while it runs."""
    import threading

    import psutil

    sizes: list[tuple[float, int]] = []
    over = threading.Event()

    def watch() -> None:
        began = time.monotonic()
        while not over.wait(5.0):
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if "--forkloop-job" in child.cmdline() and "taskset" not in child.name():
                        sizes.append((time.monotonic() - began, child.memory_info().rss))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        answer = engine(setting, seconds, connections, **keys)
    finally:
        over.set()
        thread.join()
    while_loading = [(at, size) for at, size in sizes if at < seconds]
    print(f"memory over {seconds:g} s at {answer['rps']:,.0f} requests/s, {answer['requests']:,} requests:")
    for part in range(10):
        within = [size for at, size in while_loading if part <= 10 * at / seconds < part + 1]
        if within:
            print(f"  from {part * seconds / 10:5.0f} s: {max(within) / 2**20:7.1f} MiB at most")
