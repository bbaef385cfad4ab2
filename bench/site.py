"""Where stacks are deployed: on this machine, or in containers. One launcher, one database and one way to load for each."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import catalog, load
from bench.compose import ComposeLauncher
from bench.compose.docker import docker
from bench.launch import Launcher, NativeLauncher, Tools, find_tools
from bench.model import BenchError, Budget
from bench.plan import PlannedStack
from bench.service import Database, start_database
from bench.session import Session

MODES = ("native", "compose")


@dataclass(frozen=True, kw_only=True)
class Site:
    """What a run deploys with. `load` is as bench.load.run."""

    launcher: Launcher
    database: Database
    tools: Tools
    load: Callable[..., dict[str, Any]]
    docker: str | None = None
    """The engine's version, where there is one."""


def open_site(
    session: Session, planned: Sequence[PlannedStack], budget: Budget, *, mode: str, connections: int, logs: Path,
    configs: Path | None = None, results: Path | None = None, port: int | None = None, loading: bool = True,
) -> Site:  # fmt: skip
    """The site of `mode`, its database up and filled; all of it ends with the session.

    `connections` is how many the stacks may hold together. `loading`: whether a generator is needed. Raises BenchError.
    """
    if mode not in MODES:
        raise BenchError(f"unknown mode '{mode}'; known: {', '.join(MODES)}")
    if mode == "compose":
        if port is not None:
            raise BenchError(
                "--port is for stacks on this machine; with containers set FORKLOOP_PORT and use docker compose"
            )
        contained = ComposeLauncher(session, budget, catalog.load(), logs=logs, results=results)
        version = docker("version", "--format", "{{.Server.Version}}").strip()
        database = contained.start_base(connections=connections, load=loading)
        return Site(
            launcher=contained, database=database, tools=Tools(paths={}, missing={}),
            load=functools.partial(load.run, inside=contained), docker=version,
        )  # fmt: skip
    tools = find_tools(planned)
    database = start_database(session, budget, connections=connections, log=logs / "postgresql.log")
    native = NativeLauncher(
        session, budget, tools=tools, database_url=database.url, logs=logs, configs=configs, port=port
    )
    return Site(launcher=native, database=database, tools=tools, load=load.run)
