"""Load on servers of the user's own, and the study of slices."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bench import catalog, plan
from bench.cli import base
from bench.model import BenchError


@base.app.command
def load(
    url: str, /, *, connections: int | None = None, rate: float | None = None, seconds: float = 10.0, arrivals: str = "poisson",
    rate_stages: str | None = None, connection_stages: str | None = None, think_ms: float = 0.0, unix: Path | None = None,
    timeout: float = 10.0, beside: str | None = None, beside_path: str | None = None, beside_method: str | None = None,
    beside_rate: float | None = None, beside_bytes: int | None = None, beside_buffer: int | None = None,
    beside_ramp: float | None = None, beside_settle: float | None = None, beside_finish: float | None = None,
    allow_host: base.Stacks = (), load_cpus: str | None = None, remote_workers: int = 0, bind: str | None = None,
    port: int = 5557, as_json: Annotated[bool, Parameter("--json")] = False,
) -> int:  # fmt: skip
    """Load one running server of your own: a closed loop for its capacity, or --rate for its latency.

    Parameters
    ----------
    url
        http://HOST[:PORT][/PATH].
    connections
        Connections held at once. Left out: 64 with --rate or --think-ms, else the fewest of 16, 32, 64 that do within 5% of the best.
    rate
        Requests a second, whether or not the server keeps up; latency counts from when each was due.
    seconds
        How long to measure, after a short warm-up.
    arrivals
        poisson or constant: how requests come at a rate.
    rate_stages
        Rates that change, instead of --rate and --seconds: 100x5,100..500x10 is 5 s at 100/s, then up to 500/s within 10 s.
    connection_stages
        Numbers of connections that change, written alike: a closed loop that grows.
    think_ms
        How long a connection waits between an answer and its next request, in a closed loop.
    unix
        The path of a unix socket to connect to instead of the URL's host.
    timeout
        Seconds after which a request is given up.
    beside
        Slow or idle clients that are there meanwhile, as KIND=COUNT: readers=64, slow-heads=64, slow-bodies=64 or idle=10000.
    beside_path
        What they ask for; the URL's own path when left out.
    beside_method
        How they ask: GET, or POST for slow bodies.
    beside_rate
        Bytes a second of each: 8192 for readers, 10 for slow heads, 100 for slow bodies.
    beside_bytes
        Length of a slow head (4096) or body (65536).
    beside_buffer
        Bytes of receive buffer of each; 4096 for readers.
    beside_ramp
        Seconds over which they arrive; one for each thousand, and one at least.
    beside_settle
        Seconds to wait at most until all are in place: 10.
    beside_finish
        Seconds to wait at most until all have ended: 30.
    allow_host
        A host that is not this machine and may be loaded.
    load_cpus
        CPUs to load from, such as 1 or 2-5: with several, one process on each of them. Left out: as planned from the machine.
    remote_workers
        So many workers on other machines are waited for, which `bench load-worker` starts there.
    bind
        This machine's address at which they find this command; 127.0.0.1 when left out. Nobody is asked who they are.
    port
        The port there.
    as_json
        Print one JSON object instead of text.
    """
    from bench import solo
    from bench.solo.single import text

    found = solo.load(
        url, connections=connections, rate_rps=rate, seconds=seconds, unix=unix, timeout_s=timeout, allowed=allow_host,
        arrivals=arrivals, think_s=think_ms / 1000, rate_stages=rate_stages, connection_stages=connection_stages,
        beside={
            "text": beside, "path": beside_path, "method": beside_method, "rate_bytes_s": beside_rate, "bytes": beside_bytes,
            "receive_buffer_bytes": beside_buffer, "ramp_s": beside_ramp, "settle_s": beside_settle, "finish_s": beside_finish,
        },
        generators=base.generators(load_cpus, remote_workers, bind, port),
    )  # fmt: skip
    print(json.dumps(found, indent=1) if as_json else text(url, found))
    return base.INTERRUPTED if found["stopped"] else 0 if found["requests"] else 1


@base.app.command
def duet(
    *urls: str, seconds: float = 20.0, connections: int | None = None, slice_ms: float = 100.0, margin: str = "2%", timeout: float = 10.0,
    start: Annotated[tuple[str, ...], Parameter(negative=())] = (), allow_host: base.Stacks = (), load_cpus: str | None = None,
    remote_workers: int = 0, bind: str | None = None, port: int = 5557, as_json: Annotated[bool, Parameter("--json")] = False,
) -> int:  # fmt: skip
    """Compare servers of your own that run at the same time, loaded in turn in short slices.

    Parameters
    ----------
    urls
        Two or more of http://HOST[:PORT][/PATH].
    seconds
        How long to measure, all servers together.
    connections
        Connections held to each. Left out: tried first, the fewest of 16, 32, 64 with which each does within 5% of its best.
    slice_ms
        How long one is loaded at a time; give 1000 or more for services slower than about 10 ms.
    margin
        A difference counts as resolved if its whole interval is larger than this.
    timeout
        Seconds after which a request is given up.
    start
        A command that starts the server, once for each URL in the same order: each is then started afresh several times.
    allow_host
        A host that is not this machine and may be loaded.
    load_cpus
        CPUs to load from, such as 1 or 2-5: with several, one process on each of them. Left out: as planned from the machine.
    remote_workers
        So many workers on other machines are waited for, which `bench load-worker` starts there.
    bind
        This machine's address at which they find this command; 127.0.0.1 when left out. Nobody is asked who they are.
    port
        The port there.
    as_json
        Print one JSON object instead of text.
    """
    from bench import solo
    from bench.solo.compare import text

    try:
        share = float(margin.removesuffix("%")) / (100 if margin.endswith("%") else 1)
    except ValueError:
        raise BenchError(f"--margin {margin}: expected a share such as 2% or 0.02") from None
    found = solo.duet(
        urls, connections=connections, seconds=seconds, slice_ms=slice_ms, timeout_s=timeout, margin=share,
        allowed=allow_host, commands=start, generators=base.generators(load_cpus, remote_workers, bind, port),
    )  # fmt: skip
    print(json.dumps(found, indent=1) if as_json else text(found, started=bool(start)))
    if found["stopped"]:
        return base.INTERRUPTED
    return 0 if found["failure"] is None and all(target["requests"] for target in found["targets"]) else 1


@base.app.command(name="load-worker")
def load_worker(
    *, master: str, port: int = 5557, load_cpus: str | None = None, allow_host: base.Stacks = (), patience: float = 600.0,
    once: Annotated[bool, Parameter(negative=())] = False,
) -> int:  # fmt: skip
    """Help `bench load` or `bench duet` on another machine to load: job after job, until Ctrl-C.

    Parameters
    ----------
    master
        The machine where that command runs, as it was given there with --bind.
    port
        The port there.
    load_cpus
        One worker on each of these CPUs; one that may use all when left out.
    allow_host
        A host that is not this machine and may be loaded, or the path of a unix socket; without it only loopback addresses are.
    patience
        Give up when no such command was found for so many seconds.
    once
        End after one job.
    """
    from bench import solo

    return solo.help_out(
        master, port=port, load_cpus=load_cpus, allowed=allow_host, patience_s=patience, once=once,
        say=lambda text: print(text, flush=True),
    )  # fmt: skip


@base.app.command
def slices(
    *stacks: str, scenario: str = "db", lengths_ms: Annotated[tuple[float, ...], Parameter(negative=(), consume_multiple=True)] = (
        25, 50, 100, 250, 500, 3000,
    ), rounds: int = 6, seconds: float = 3.0, connections: int = plan.CONNECTIONS, seed: int = 1, results: Path = base.RESULTS,
) -> int:  # fmt: skip
    """Show what the length of slices does to the ratios between stacks here: bias against the longest, and spread.

    Parameters
    ----------
    stacks
        Stack ids, patterns or tags; all are alive at once.
    scenario
        What is asked for.
    lengths_ms
        Lengths of slices in milliseconds; the longest is what the others are held against.
    rounds
        How often each length is tried, in turn.
    seconds
        Time for each stack, length and round.
    connections
        To each stack.
    seed
        Fixes the order.
    results
        The folder that holds the study's own.
    """
    from bench import slices as study

    found = catalog.load()
    picked = catalog.select_stacks(found, base.split(stacks) or ("default",))
    (asked,) = catalog.select_scenarios(found, (scenario,))[:1]
    picked, _ = base.prepare(found, picked)
    folder = results / time.strftime("slices-%Y%m%d-%H%M%S")
    study.study(
        picked, asked, lengths_ms=lengths_ms, seconds=seconds, rounds=rounds, connections=connections, seed=seed,
        folder=folder, say=lambda text: base.console.print(text, markup=False),
    )  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "analysis", "slices", str(folder)], cwd=catalog.ROOT, check=False
    ).returncode
