"""Where stacks are deployed: on this machine, or in containers. One launcher, one database and one way to load for each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import catalog, load
from bench.compose import ComposeLauncher, engine
from bench.contract import verify_deployment
from bench.deployment import Deployment
from bench.launch import Launcher, NativeLauncher, Tools, find_tools
from bench.machine import Topology, topology
from bench.model import BenchError, Budget
from bench.plan import PlannedStack
from bench.service import Database, start_database
from bench.session import Session
from bench.verify import Report

MODES = ("native", "compose")
AFAR = (
    "The Docker engine's processes are out of sight from here: CPU time and memory by role, shares of workers and restarts are unknown, "
    "and only rates, latencies and errors are measured."
)


@dataclass(frozen=True, kw_only=True)
class Site:
    """What a run deploys with. `load` is as bench.load.run."""

    launcher: Launcher
    database: Database
    tools: Tools
    load: Callable[..., dict[str, Any]]
    docker: str | None = None
    """The engine: its version, where it is, and the context that led there."""
    verify: Callable[[Deployment, str | None], Report]
    """As bench.contract.verify_deployment."""
    notes: tuple[str, ...] = ()
    """What a reader must know of where it is."""
    machine: Mapping[str, engine.Value] = field(default_factory=dict)
    """Where the stacks are on another machine: what is known of that one."""


def refuse_unknown(mode: str) -> None:
    """Raises BenchError for a mode that there is not."""
    if mode not in MODES:
        raise BenchError(f"unknown mode '{mode}'; known: {', '.join(MODES)}")


def machine_of(mode: str) -> tuple[Topology, Mapping[str, engine.Value]]:
    """The machine that stacks run on: its CPUs, and what is recorded of it instead of this one's description. Raises BenchError."""
    refuse_unknown(mode)
    if mode == "compose" and (found := engine.engine()).remote:
        return engine.machine(found)
    return topology(), {}


def open_site(
    session: Session, planned: Sequence[PlannedStack], budget: Budget, *, mode: str, connections: int, logs: Path,
    configs: Path | None = None, results: Path | None = None, port: int | None = None, loading: bool = True,
) -> Site:  # fmt: skip
    """The site of `mode`, its database up and filled; all of it ends with the session.

    `connections` is how many the stacks may hold together. `loading`: whether a generator is needed. Raises BenchError.
    """
    refuse_unknown(mode)
    if mode == "compose":
        if port is not None:
            raise BenchError(
                "--port is for stacks on this machine; with containers set FORKLOOP_PORT and use docker compose"
            )
        contained = ComposeLauncher(session, budget, catalog.load(), logs=logs, results=results)
        database = contained.start_base(connections=connections, load=loading)
        notes = () if contained.near else (AFAR,)
        # The `docker` that waits for a generator elsewhere has no CPU of its own there.
        pinned = {} if contained.near else {"cpus": ()}

        def loaded(*arguments: Any, **how: Any) -> dict[str, Any]:
            return load.run(*arguments, **{**how, **pinned}, inside=contained)

        return Site(
            launcher=contained, database=database, tools=Tools(paths={}, missing={}), load=loaded,
            verify=contained.verify, docker=str(contained.engine), notes=notes, machine=machine_of(mode)[1],
        )  # fmt: skip
    tools = find_tools(planned)
    database = start_database(session, budget, connections=connections, log=logs / "postgresql.log")
    native = NativeLauncher(
        session, budget, tools=tools, database_url=database.url, logs=logs, configs=configs, port=port
    )
    return Site(launcher=native, database=database, tools=tools, load=load.run, verify=verify_deployment)
