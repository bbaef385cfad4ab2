"""Programs that `bench duet --start` starts and ends by itself."""

import contextlib
import os
import shlex
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.machine import default_budget, topology
from bench.model import BenchError
from bench.session import Session
from bench.solo.place import Place, reach

DEADLINE_S = 30.0
"""For a program to accept connections."""


@contextlib.contextmanager
def up(session: Session, places: Sequence[Place], commands: Sequence[str]) -> Iterator[None]:
    """Hold one program up for each place; nothing without commands. Raises BenchError where one does not come up."""
    if not commands:
        yield
        return
    for place in places:
        if _answers(place):
            raise BenchError(f"{place.url}: something listens there already; end it, since --start starts it afresh")
    budget = default_budget(topology())
    spawned = []
    try:
        for number, command in enumerate(commands):
            log = session.scratch / f"program-{number}.log"
            try:
                argv = shlex.split(command)
            except ValueError as error:
                raise BenchError(f"--start {command!r}: {error}") from None
            if not argv:
                raise BenchError("--start: a command is empty")
            spawned.append(
                session.spawn(
                    argv, role="app", cwd=Path.cwd(), env=os.environ, log=log, cpus=budget.server_cpus if budget.pinned else (),
                )
            )  # fmt: skip
        for place, one, command in zip(places, spawned, commands, strict=True):
            deadline = time.monotonic() + DEADLINE_S
            while not _answers(place):
                if one.exit_code() is not None or time.monotonic() > deadline:
                    last = one.log.read_text(errors="replace").strip().splitlines()[-1:]
                    why = (
                        f"ended with exit code {one.exit_code()}"
                        if one.exit_code() is not None
                        else "did not listen in time"
                    )
                    raise BenchError(f"--start {command!r}: {why} at {place.url}{': ' + last[0] if last else ''}")
                time.sleep(0.05)
        yield
    finally:
        session.stop(spawned)


def _answers(place: Place) -> bool:
    try:
        reach(place)
    except BenchError:
        return False
    return True
