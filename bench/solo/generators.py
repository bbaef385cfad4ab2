"""Who loads, for `bench load` and `bench duet`: one process, one for each CPU named, or workers on other machines."""

import contextlib
import os
import select
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from bench.catalog import ROOT
from bench.load import Workers
from bench.machine import default_budget, placement, topology
from bench.machine.topology import cpu_list
from bench.model import BenchError
from bench.session import Session, Spawned

PORT = 5557
"""Locust's own, where a leader is found unless another one is given."""


@dataclass(frozen=True, kw_only=True)
class Generators:
    """`cpus` that the load processes are bound to (none: unbound); `workers` where there are several."""

    cpus: frozenset[int]
    workers: Workers | None = None


def choose(load_cpus: str | None, *, remote: int = 0, bind: str | None = None, port: int = PORT) -> Generators:
    """From `--load-cpus`, `--remote-workers`, `--bind` and `--port`. Raises BenchError for what cannot be."""
    if remote < 0:
        raise BenchError(f"--remote-workers must not be negative, got {remote}")
    if bind is not None and not remote:
        raise BenchError("--bind is where --remote-workers find this command; give their number too")
    if not 0 < port < 65536:
        raise BenchError(f"--port must be from 1 to 65535, got {port}")
    named = _named(load_cpus)
    cpus = named or default_budget(topology()).pins("generator")
    if len(named) < 2 and not remote:
        return Generators(cpus=cpus)
    return Generators(
        cpus=cpus,
        workers=Workers(cpus=tuple(sorted(named)), remote=remote, bind=bind or "127.0.0.1", port=port),
    )


def invitation(generators: Generators) -> str | None:
    """What to start elsewhere, for a person to read; None where nobody is waited for."""
    workers = generators.workers
    if workers is None or not workers.remote:
        return None
    return (
        f"waiting up to {workers.wait_s:g} s for {workers.remote} worker{'s' if workers.remote > 1 else ''}, each started elsewhere with: "
        f"bench load-worker --master {workers.bind} --port {workers.port}"
    )


def help_out(
    master: str, *, port: int, load_cpus: str | None, allowed: Collection[str], patience_s: float, once: bool, say: Callable[[str], None]
) -> int:  # fmt: skip
    """`bench load-worker`: hold up workers for a leader on another machine until they end. Returns an exit code; raises BenchError."""
    if not patience_s > 0:
        raise BenchError(f"--patience must be above 0, got {patience_s:g}")
    if not 0 < port < 65536:
        raise BenchError(f"--port must be from 1 to 65535, got {port}")
    cpus = sorted(_named(load_cpus))
    argv = [
        sys.executable,
        "-m",
        "loadtests.workers",
        "--leash",
        "--master",
        master,
        "--port",
        str(port),
        "--patience",
        str(patience_s),
    ]
    argv += [word for host in allowed for word in ("--allow-host", host)] + ["--once"] * once
    with Session() as session:
        started = [
            session.spawn(
                [*argv, *(["--cpu", str(cpu)] if cpu is not None else [])], role="generator", cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"}, log=session.scratch / f"worker-{number}.log",
                cpus=() if cpu is None else (cpu,), pipes=True,
            )
            for number, cpu in enumerate(cpus or [None])
        ]  # fmt: skip
        where = f" on CPUs {placement.ranges(cpus)}" if cpus else ""
        say(f"{len(started)} worker{'s' if len(started) > 1 else ''}{where}; looking for {master}:{port} (Ctrl-C ends)")
        _follow(started, say)
        failed = [one for one in started if one.exit_code()]
        for one in failed:
            last = one.log.read_text(errors="replace").strip().splitlines()[-1:]
            say(f"a worker ended with exit code {one.exit_code()}{': ' + last[0] if last else ''}")
    return 1 if failed else 0


def _follow(started: Sequence[Spawned], say: Callable[[str], None]) -> None:
    """Repeat what workers say until all have ended."""
    numbers = {one.popen.stdout: number for number, one in enumerate(started) if one.popen.stdout}
    while numbers:
        for pipe in select.select(list(numbers), [], [], 1.0)[0]:
            read = os.read(pipe.fileno(), 65536)
            if not read:
                del numbers[pipe]
                continue
            for line in filter(None, read.decode(errors="replace").splitlines()):
                say(f"worker {numbers[pipe]}: {line}")
    deadline = time.monotonic() + 5.0
    while any(one.exit_code() is None for one in started) and time.monotonic() < deadline:
        time.sleep(0.05)


def _named(load_cpus: str | None) -> frozenset[int]:
    if load_cpus is None:
        return frozenset()
    found: frozenset[int] = frozenset()
    with contextlib.suppress(ValueError):
        found = cpu_list(load_cpus.replace(" ", ""))
    if not found:
        raise BenchError(f"--load-cpus {load_cpus}: is no list of CPUs; write it as in 0,1 or 2-5")
    here = topology()
    usable = frozenset(here.cpus)
    if found - usable:
        raise BenchError(
            f"--load-cpus {load_cpus}: CPU {placement.ranges(found - usable)} does not exist or may not be used here; "
            f"usable: {placement.ranges(usable)}"
        )
    if not here.can_pin:
        raise BenchError(f"--load-cpus {load_cpus}: this system cannot bind a process to a CPU; leave the option out")
    return found
